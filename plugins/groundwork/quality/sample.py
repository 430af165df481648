"""A few failing rows of failed checks, masked before they leave the database, in one query for a table.

Only the key and the columns of the check are read, and of those only what is classified `internal` or below: a more
guarded column, or one without classification, is replaced by a mark inside the query itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Text, cast, func, literal, select, union_all
from sqlalchemy.exc import DBAPIError

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.predicate import ROW_KINDS, failing, selectable
from groundwork.model.checks import Check, CheckResult
from groundwork.model.vocabulary import Classification

MASK = "•••"
SAMPLE_ROWS = 3
_LONGEST_TEXT = 80  # characters of a value that are kept
_MOST_GUARDED_SHOWN = Classification.INTERNAL


def with_samples(
    connection: Connection,
    table: TableContract,
    results: Sequence[CheckResult],
    relation: tuple[str, str] | None = None,
) -> list[CheckResult]:
    """`results` on `table` with up to three failing rows each that counted any; rows in order of the key.

    A check that cannot be sampled (one on the whole table, or one the server refuses) stays as it is. The rows are
    those of `relation` (schema and table), by default the table's own.
    """
    place = relation or (table.schema, table.name)
    wanted = [result.check for result in results if result.failing_count and result.check.kind in ROW_KINDS]
    rows = _rows(connection, table, wanted, place) if wanted else {}
    return [replace(result, sample=tuple(rows.get(result.check.id, ()))) for result in results]


def _rows(
    connection: Connection, table: TableContract, checks: Sequence[Check], place: tuple[str, str]
) -> dict[str, list[Mapping[str, object]]]:
    """Failing rows by the check's id; when the server refuses one check, each is asked for by itself."""
    found: dict[str, list[Mapping[str, object]]] = {}
    query = union_all(*(_query(table, check, place) for check in checks))
    try:
        with connection.begin_nested():
            for row in connection.execute(query):
                found.setdefault(str(row[0]), []).append(row[1])
    except DBAPIError:
        if len(checks) == 1:
            return {}
        return {name: rows for check in checks for name, rows in _rows(connection, table, [check], place).items()}
    return found


def _query(contract: TableContract, check: Check, place: tuple[str, str]) -> Any:
    table = selectable(*place, [column.name for column in contract.columns])
    shown = dict.fromkeys([*contract.primary_key, *check.columns])
    pairs = [part for name in shown for part in (literal(name, Text), _masked(contract, table.c[name]))]
    row = func.json_build_object(*pairs) if pairs else func.json_build_object()
    order = [table.c[name] for name in contract.primary_key]
    rows = select(literal(check.id, Text).label("check_id"), row.label("row")).select_from(table)
    return select(rows.where(failing(check, table)).order_by(*order).limit(SAMPLE_ROWS).subquery())


def _masked(contract: TableContract, column: Any) -> Any:
    classification = contract.column(column.name).classification
    if classification is None or classification.rank > _MOST_GUARDED_SHOWN.rank:
        return literal(MASK, Text)
    return func.left(cast(column, Text), _LONGEST_TEXT)
