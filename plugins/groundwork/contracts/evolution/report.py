"""An evolution in words: text for a terminal, Markdown for the comment on a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from groundwork.contracts.evolution.change import Audience, Change, ContractEvolution, Evolution, Impact
from groundwork.contracts.semver import Bump

_MOST_CONSUMERS = 12  # named in a report; JSON names all
_LISTS = ("enum", "values", "required")  # attributes of which only what is gone or new is told
_MOST_LETTERS = 80  # of a value
_PLAIN = {ord(letter): f"&#{ord(letter)};" for letter in "&\\`*_{}[]<>|#@~"}  # what Markdown would read as its own
_ORDER = (Impact.BREAKING, Impact.COMPATIBLE, Impact.DOCUMENTATION)


def to_text(evolutions: Sequence[Evolution]) -> str:
    """Every contract with its changes, the breaking ones first, and the verdict on its version."""
    lines: list[str] = []
    for evolution in evolutions:
        for contract in evolution.contracts:
            lines += [*_contract_lines(contract), ""]
    lines.append(summary(evolutions))
    return "\n".join(lines)


def summary(evolutions: Sequence[Evolution]) -> str:
    """One sentence over all contracts."""
    contracts = [contract for evolution in evolutions for contract in evolution.contracts]
    changes = [change for contract in contracts for change in contract.changes]
    if not contracts:
        return "no difference between the contracts"
    counts = ", ".join(f"{sum(change.impact is impact for change in changes)} {impact}" for impact in _ORDER)
    late = [contract.id for contract in contracts if not contract.is_announced]
    verdict = f"not announced: {', '.join(late)}" if late else "all announced"
    return f"{counts}; {verdict}"


def to_markdown(evolutions: Sequence[Evolution]) -> str:
    """The same as Markdown; values and names cannot break out of their place in it."""
    lines = ["### Contract changes", ""]
    for evolution in evolutions:
        for contract in evolution.contracts:
            mark = "✅" if contract.is_announced else "❌"
            lines += [
                f"#### {_code(contract.id)} {_cell(_versions(contract))}",
                "",
                f"{mark} {_cell(contract.verdict)}",
                "",
            ]
            lines += _markdown_table(contract)
    lines.append(_cell(summary(evolutions)))
    return "\n".join(lines) + "\n"


def subject_of(change: Change) -> str:
    """What changed, in words: `column customers.code`, `role shop_reader`."""
    place = change.table or ""
    if change.subject == "contract":
        return "contract"
    if change.subject == "table":
        return f"table {change.name}"
    if change.subject == "column":
        return f"column {place}.{change.column}"
    if change.subject in ("service level", "role", "server", "enum type", "team member", "support channel"):
        return f"{change.subject} {change.name}"
    owner = f"{place}.{change.column}" if change.column else place
    return f"{change.subject} {change.name} of {owner}" if owner else f"{change.subject} {change.name}"


def event_of(change: Change) -> str:
    """What happened to it: `removed`, `physicalType: integer → bigint`."""
    if change.what == "renamed":
        sure = f", confidence {change.confidence:.2f}" if change.confidence is not None else ""
        return f"renamed to {change.new}{sure}"
    if change.what != "changed":
        return change.what
    name = (change.attribute or "").removeprefix("logicalTypeOptions.")
    if name in _LISTS and (change.old is None or change.new is None):
        return f"{name} without {_value(change.old)}" if change.new is None else f"{name} with {_value(change.new)}"
    return f"{name}: {_value(change.old)} → {_value(change.new)}"


def _contract_lines(contract: ContractEvolution) -> Iterator[str]:
    yield f"{contract.id}  {_versions(contract)}"
    path = contract.new_path or contract.old_path
    is_moved = contract.old_path and contract.new_path and not contract.old_path.endswith(contract.new_path)
    yield f"  {contract.old_path} → {contract.new_path}" if is_moved else f"  {path}"
    for impact in _ORDER:
        for change in contract.changes:
            if change.impact is impact:
                yield from _change_lines(change)
    yield f"  {'ok' if contract.is_announced else 'REFUSED'}: {contract.verdict}"


def _change_lines(change: Change) -> Iterator[str]:
    word = "BREAKING" if change.impact is Impact.BREAKING else str(change.impact)
    whom = {Audience.BOTH: " [readers, writers]", Audience.NOBODY: ""}.get(change.audience, f" [{change.audience}]")
    yield f"  {word}{whom} {subject_of(change)}: {event_of(change)}"
    yield f"      why: {change.why}"
    yield f"      at:  {_places(change)}"
    for consumer in change.consumers[:_MOST_CONSUMERS]:
        yield f"      hits {consumer}"
    if len(change.consumers) > _MOST_CONSUMERS:
        yield f"      and {len(change.consumers) - _MOST_CONSUMERS} more (--json names all)"


def _markdown_table(contract: ContractEvolution) -> Iterator[str]:
    if not contract.changes:
        return
    yield "| impact | what | why | consumers |"
    yield "|---|---|---|---|"
    for impact in _ORDER:
        for change in contract.changes:
            if change.impact is not impact:
                continue
            word = f"**{impact}**" if impact is Impact.BREAKING else str(impact)
            what = f"{_code(subject_of(change))} {_code(event_of(change))}<br>{_code(_places(change))}"
            named = [f"{consumer.kind} {_code(consumer.name)}" for consumer in change.consumers[:_MOST_CONSUMERS]]
            more = len(change.consumers) - _MOST_CONSUMERS
            hit = "<br>".join([*named, *([f"and {more} more"] if more > 0 else [])])
            yield f"| {word} ({change.audience}) | {what} | {_cell(change.why)} | {hit} |"
    yield ""


def _versions(contract: ContractEvolution) -> str:
    return f"{contract.old_version or 'not there'} → {contract.new_version or 'not there'} ({_due(contract.due)})"


def _due(due: Bump) -> str:
    return "no step due" if due is Bump.NONE else f"{due} step due"


def _places(change: Change) -> str:
    """`file:line` of both sides, in short where it is the same file."""
    old_path, _, old_line = (change.old_where or "").rpartition(":")
    new_path, _, new_line = (change.new_where or "").rpartition(":")
    if new_path and (old_path == new_path or old_path.endswith(f":{new_path}")):
        return f"{new_path}:{old_line}" + ("" if old_line == new_line else f" → {new_line}")
    return f"{change.old_where or '—'} → {change.new_where or '—'}"


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


def _cell(text: str) -> str:
    """Text in a cell of a table: no markup of its own."""
    return " ".join(text.split()).translate(_PLAIN)


def _code(text: str) -> str:
    """Text as code in a cell of a table."""
    return f"<code>{_cell(text)}</code>"
