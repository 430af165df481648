"""What a contract tells of a table, as a page of Markdown for the pipeline that loads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundwork.contracts.contract import ColumnContract, Contract, TableContract

_TOLD = ("kind", "path", "package", "connection", "table", "inputs", "format", "mode")  # never a URL with its login


def documentation(contract: Contract, table: TableContract, schedule: str | None) -> str:
    """The page: what the table is, who answers for it, where its rows come from, what is promised, its columns."""
    return "\n".join(_lines(contract, table, schedule))


def _lines(contract: Contract, table: TableContract, schedule: str | None) -> Iterator[str]:
    yield f"Loads `{table.qualified_name}` as the contract `{contract.id}` {contract.version} declares."
    for text in (table.description, table.grain):
        if text:
            yield f"\n{text.strip()}"
    yield "\n| | |\n|---|---|"
    yield f"| owner | {_cell(contract.owner)} |"
    yield f"| source | {_cell(_source(table))} |"
    yield f"| runs | {_cell(_runs(schedule))} |"
    for name, promise in (("fresh within", table.freshness), ("kept for", table.retention)):
        if promise:
            yield f"| {name} | {promise[0]:g} {promise[1]} |"
    threshold = (table.source or {}).get("quarantine")
    if threshold:
        yield f"| broken rows | {_cell(', '.join(f'{name} {value}' for name, value in threshold.items()))} |"
    yield "\n| column | type | guarded | what it holds |\n|---|---|---|---|"
    for column in table.columns:
        yield _column(column, table)


def _column(column: ColumnContract, table: TableContract) -> str:
    kind = column.type + (", key" if column.name in table.primary_key else "")
    kind += "" if column.is_required else ", may be missing"
    guarded = str(column.classification or "not classified")
    return f"| {_cell(column.name)} | {_cell(kind)} | {guarded} | {_cell(column.description or '')} |"


def _source(table: TableContract) -> str:
    source: Any = table.source or {}
    told = {name: source[name] for name in _TOLD if source.get(name) and "@" not in str(source[name])}
    return ", ".join(f"{name} {_joined(value)}" for name, value in told.items())


def _joined(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _runs(schedule: str | None) -> str:
    if schedule is None:
        return "when somebody starts it"
    return "when the tables it needs were loaded" if schedule == "asset" else f"by the clock, {schedule} (UTC)"


def _cell(text: str) -> str:
    """Text that stays inside its cell."""
    return " ".join(text.split()).replace("|", "\\|")
