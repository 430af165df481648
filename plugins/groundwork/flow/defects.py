"""Broken records on purpose: good records of a real source, each with one defect of a known kind.

Used by the drill that proves that broken rows are found (`groundwork.foundation.error_handling`). The defects are
derived from the contract, so that every domain gets those that its own rules can see.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.flow.record import Rule
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind

Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One broken record: `line` as it stands in the file, and the reason that must be found (`rule`, `column`)."""

    kind: str
    rule: str
    column: str | None
    line: bytes


def defects(
    domain: Domain, table: TableContract, header: Sequence[str], rows: Sequence[Row], *, repeated: Row
) -> list[Defect]:
    """One defect of each kind that the table's rules can see.

    `rows` are good rows by column name, all different; `repeated` is one that stands before them in the file.

    A defect takes a row of its own, so it needs as many rows as there are kinds; kinds beyond that are left out.
    """
    checks = derive_checks(domain).of_table(table.schema, table.name)
    makers = [*_structural(table, header), _repeated_key(table, header, repeated), *_contractual(table, header, checks)]
    return [make(row) for make, row in zip(makers, rows, strict=False)]


def csv_line(header: Sequence[str], row: Mapping[str, str]) -> bytes:
    """One CSV record in the order of `header`, with its newline."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerow([row[name] for name in header])
    return sink.getvalue().encode("utf-8")


Maker = Callable[[Row], Defect]


def _structural(table: TableContract, header: Sequence[str]) -> Iterator[Maker]:
    last = header[-1]

    def missing_field(row: Row) -> Defect:
        line = csv_line(header[:-1], row)
        return Defect(kind="a field is missing", rule=Rule.COLUMN_COUNT.value, column=None, line=line)

    def extra_field(row: Row) -> Defect:
        line = csv_line([*header, last], row)
        return Defect(kind="a field too many", rule=Rule.COLUMN_COUNT.value, column=None, line=line)

    def bad_encoding(row: Row) -> Defect:
        line = b"\xff\xfe" + csv_line(header, row)
        return Defect(kind="bytes that are not UTF-8", rule=Rule.ENCODING.value, column=None, line=line)

    def nul_byte(row: Row) -> Defect:
        line = b"\x00" + csv_line(header, row)
        return Defect(kind="a NUL byte", rule=Rule.NUL_BYTE.value, column=None, line=line)

    yield from (missing_field, extra_field, bad_encoding, nul_byte)
    for column in table.columns:
        if column.name in header and not column.type.lower().startswith(("text", "varchar", "char")):
            yield _changed(header, "a value of another type", Rule.TYPE, column.name, lambda _: "not a value")
            return


def _repeated_key(table: TableContract, header: Sequence[str], repeated: Row) -> Maker:
    def make(row: Row) -> Defect:
        line = csv_line(header, {**row, **{name: repeated[name] for name in table.primary_key}})
        return Defect(kind="a key that came before", rule=Rule.DUPLICATE_KEY.value, column=None, line=line)

    return make


def _contractual(table: TableContract, header: Sequence[str], checks: Sequence[Check]) -> Iterator[Maker]:
    done: set[CheckKind] = set()
    for check in checks:
        column = check.columns[0] if len(check.columns) == 1 else None
        if column not in header or check.kind in done or column is None:
            continue
        breaker = _breaker(table, check)
        if breaker is not None:
            done.add(check.kind)
            yield _changed(header, check.description, check.kind, column, breaker)


def _breaker(table: TableContract, check: Check) -> Callable[[str], str] | None:
    """What turns a good value into one that breaks `check`, or null for kinds that need more than one value."""
    column = table.column(check.columns[0])
    arguments = check.arguments
    match check.kind:
        case CheckKind.NOT_NULL if column.default is None:
            return lambda _: ""
        case CheckKind.IN_SET:
            return lambda value: f"no {value}"
        case CheckKind.LENGTH if "maximum" in arguments:
            return lambda value: (value or "A") * (int(str(arguments["maximum"])) + 1)
        case CheckKind.MATCHES:
            return lambda _: "?"
        case CheckKind.BETWEEN:
            outside = _outside(arguments)
            return None if outside is None else (lambda _: outside)
    return None


def _outside(arguments: Mapping[str, object]) -> str | None:
    for name, step in (("minimum", -1), ("exclusive_minimum", -1), ("maximum", 1), ("exclusive_maximum", 1)):
        bound = arguments.get(name)
        if isinstance(bound, date):
            return (bound + timedelta(days=step)).isoformat()
        if isinstance(bound, int | Decimal):
            return str(bound + step)
    return None


def _changed(header: Sequence[str], kind: str, rule: str, column: str, change: Callable[[str], str]) -> Maker:
    def make(row: Row) -> Defect:
        line = csv_line(header, {**row, column: change(row[column])})
        return Defect(kind=kind, rule=str(rule), column=column, line=line)

    return make
