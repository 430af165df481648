"""Which rules of its contract the rows of a table break: counted by the server, with a few keys to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, literal, select

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.predicate import ROW_KINDS, failing, selectable
from groundwork.flow.quarantine.read import MASK, is_shown
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind, Severity
from groundwork.orbt.remedies.data.subject import Subject

_LOOKUPS = (CheckKind.REFERENCES, CheckKind.UNIQUE)  # each needs a statement of its own
_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One rule with the number of rows that break it; counting stops at a limit, then `is_more` is set.

    `examples` are primary keys, masked as their columns are classified.
    """

    check: Check
    rows: int
    is_more: bool
    examples: tuple[str, ...]

    def __str__(self) -> str:
        column = f":{'+'.join(self.check.columns)}" if self.check.columns else ""
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{'more than ' if self.is_more else ''}{self.rows} break {self.check.kind}{column}{shown}"


def row_checks(subject: Subject) -> tuple[Check, ...]:
    """The contract's rules about rows that may not be broken; a warning or a tolerance is none."""
    checks = derive_checks(subject.domain).of_table(*subject.place)
    return tuple(
        check
        for check in checks
        if check.kind in ROW_KINDS and check.severity is Severity.ERROR and "accepts" not in check.arguments
    )


def breaches(connection: Connection, subject: Subject, limit: int) -> tuple[Breach, ...]:
    """The broken rules in order of declaration; each is counted up to `limit` rows.

    Raises: SQLAlchemyError when a rule cannot be asked of the table as it is.
    """
    checks = row_checks(subject)
    table = selectable(*subject.place, (column.name for column in subject.table.columns))
    counts = _counts(connection, table, checks, limit)
    return tuple(
        Breach(
            check=check,
            rows=min(counts[check.id], limit),
            is_more=counts[check.id] > limit,
            examples=_examples(connection, subject.table, table, check),
        )
        for check in checks
        if counts[check.id]
    )


def total_rows(connection: Connection, subject: Subject) -> int:
    """How many rows the table has."""
    table = selectable(*subject.place, ())
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _counts(connection: Connection, table: Table, checks: Sequence[Check], limit: int) -> dict[str, int]:
    single = [check for check in checks if check.kind not in _LOOKUPS]
    found: dict[str, int] = {}
    if single:
        counted = [func.count().filter(func.coalesce(failing(check, table), False)) for check in single]
        row: Any = connection.execute(select(*counted).select_from(table)).one()
        found = {check.id: int(count) for check, count in zip(single, row, strict=True)}
    for check in checks:
        if check.kind in _LOOKUPS:
            broken = select(literal(1)).select_from(table).where(failing(check, table)).limit(limit + 1).subquery()
            found[check.id] = int(connection.scalar(select(func.count()).select_from(broken)) or 0)
    return found


def _examples(connection: Connection, contract: TableContract, table: Table, check: Check) -> tuple[str, ...]:
    key = contract.primary_key
    if not key:
        return ()
    rows = connection.execute(select(*(table.c[name] for name in key)).where(failing(check, table)).limit(_EXAMPLES))
    return tuple(key_text(contract, tuple(row)) for row in rows)


def key_text(contract: TableContract, values: Sequence[Any]) -> str:
    """A primary key for people, its values masked as their columns are classified."""
    shown = (
        f"{name}={value if is_shown(contract, name) else MASK}"
        for name, value in zip(contract.primary_key, values, strict=True)
    )
    return ", ".join(shown)
