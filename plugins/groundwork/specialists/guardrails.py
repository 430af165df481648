"""Guardrails: what any answer, of rules or of a model, must pass before it counts. They fail closed.

An answer only ever chooses among options that were made here; the SQL of the chosen option is ours. SQL that a model
sends along is checked, because a model that sends something else is not to be trusted with the choice either, and it is
never run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from groundwork.contracts.contract import TableContract
from groundwork.model.decision import Option, Verdict
from groundwork.specialists.advisor import Answer

_NAME_BYTES = 63  # PostgreSQL cuts longer identifiers silently
_REASONING_LIMIT = 4000  # characters
_METHODS = {"btree", "hash", "gin", "gist", "brin"}
_SUSPECT = (
    r"(?i)\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|rule|prompt|guardrail)s?",
    r"(?i)\b(?:system|developer) prompt\b|\byou (?:are|act) now\b|</?data>",
    r"(?i)\b(?:drop|truncate|alter)\s+(?:table|schema|database|role|user|owned|view|function)\b",
    r"(?i)\bdelete\s+from\b|\binsert\s+into\b|\bupdate\s+\S+\s+set\b|\bgrant\s+\S+(?:\s+on|\s+to)\b",
    r"(?i)\bcopy\b.{0,80}\bprogram\b|\bpg_(?:read|terminate|sleep|ls)\w*|\blo_(?:im|ex)port\b|\bdo\s+\$\$",
    r"(?i)\brm\s+-rf\b|\bcurl\s+\S+|\bwget\s+\S+|https?://",
)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What an answer is checked against; `baseline` is the option that rules chose."""

    table: TableContract
    options: tuple[Option, ...]
    baseline: str


class _Refused(Exception):  # noqa: N818  a verdict, not an error
    pass


def check(answer: Answer, frame: Frame) -> tuple[Verdict, ...]:
    """One verdict per guardrail, in fixed order; what a guardrail cannot judge, it refuses."""
    return tuple(_verdict(name, rule, answer, frame) for name, rule in _RULES.items())


def _verdict(name: str, rule: Callable[[Answer, Frame], str], answer: Answer, frame: Frame) -> Verdict:
    try:
        return Verdict(guardrail=name, passed=True, reason=rule(answer, frame))
    except _Refused as refusal:
        return Verdict(guardrail=name, passed=False, reason=str(refusal))
    except Exception as error:  # fail closed: a rule that breaks has not said yes
        return Verdict(guardrail=name, passed=False, reason=f"could not be judged: {type(error).__name__}")


def _choice_is_an_option(answer: Answer, frame: Frame) -> str:
    names = [option.name for option in frame.options]
    if answer.choice not in names:
        raise _Refused(f"not one of {', '.join(names)}")
    return "it is one of the options"


def _confidence_in_range(answer: Answer, _frame: Frame) -> str:
    if isinstance(answer.confidence, bool) or not 0 <= answer.confidence <= 1:
        raise _Refused("confidence must lie between 0 and 1")
    return f"{answer.confidence:.2f} lies between 0 and 1"


def _reasoning_is_plain(answer: Answer, _frame: Frame) -> str:
    text = answer.reasoning
    if not text.strip() or len(text) > _REASONING_LIMIT:
        raise _Refused(f"reasoning must have 1 to {_REASONING_LIMIT} characters, found {len(text)}")
    if any(re.search(pattern, text, re.DOTALL) for pattern in _SUSPECT):
        raise _Refused("reasoning holds something that reads like an instruction or a command")
    return "it holds words about the evidence"


def _statements_are_allowed(answer: Answer, frame: Frame) -> str:
    chosen = next((option.statements for option in frame.options if option.name == answer.choice), ())
    for statement in (*chosen, *answer.statements):
        _one_create_index(statement, frame.table)
    return f"{len(chosen) + len(answer.statements)} statement(s), each one CREATE INDEX on declared columns"


def _evidence_supports_choice(answer: Answer, frame: Frame) -> str:
    measured: Mapping[str, Mapping[str, float | int | str]] = {each.name: each.measured for each in frame.options}
    served, needed = (measured[name].get("patterns_served", 0) for name in (answer.choice, frame.baseline))
    if float(served) < float(needed):
        raise _Refused(f"it serves {served} access patterns, `{frame.baseline}` serves {needed}")
    return f"it serves {served} access patterns, no fewer than `{frame.baseline}`"


_RULES: Mapping[str, Callable[[Answer, Frame], str]] = {
    "choice_is_an_option": _choice_is_an_option,
    "confidence_in_range": _confidence_in_range,
    "reasoning_is_plain": _reasoning_is_plain,
    "statements_are_allowed": _statements_are_allowed,
    "evidence_supports_choice": _evidence_supports_choice,
}


def _one_create_index(statement: str, table: TableContract) -> None:
    from pglast import ast, parse_sql, parser

    try:
        parsed = parse_sql(statement)
    except parser.ParseError as error:
        raise _Refused("a statement does not parse") from error
    if len(parsed) != 1 or not isinstance(parsed[0].stmt, ast.IndexStmt):
        raise _Refused("a statement is not exactly one CREATE INDEX")
    index = parsed[0].stmt
    _is_on_declared_table(index.relation, table)
    if index.whereClause or index.options or index.tableSpace or (index.accessMethod or "btree") not in _METHODS:
        raise _Refused("a statement uses a clause that is not allowed here")
    declared = {column.name for column in table.columns}
    for element in (*(index.indexParams or ()), *(index.indexIncludingParams or ())):
        if element.expr is not None or element.name not in declared:
            raise _Refused("a statement indexes something that is not a declared column")
        if element.opclass or element.opclassopts or element.collation:
            raise _Refused("a statement names an operator class or a collation")
    name = index.idxname or ""
    if not name or "\x00" in name or _is_cut(statement, name):
        raise _Refused(f"an index needs a name of at most {_NAME_BYTES} bytes")


def _is_on_declared_table(relation: object, table: TableContract) -> None:
    found = (getattr(relation, "schemaname", None), getattr(relation, "relname", None))
    if found != (table.schema, table.name):
        raise _Refused(f"a statement is not on {table.qualified_name}")


def _is_cut(statement: str, name: str) -> bool:
    """Whether the parser shortened the index name: it cuts at 63 bytes without a word."""
    longer = rf"{re.escape(name)}[\w$]"
    return len(name.encode()) >= _NAME_BYTES and re.search(longer, statement) is not None
