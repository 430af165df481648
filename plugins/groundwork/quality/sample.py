"""A few failing rows of a failed check, masked before they leave the database.

Only the key and the columns of the check are read, and of those only what is classified `internal` or below: a more
guarded column, or one without classification, is replaced by a mark inside the query itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Text, cast, func, literal, select
from sqlalchemy.exc import DBAPIError

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.predicate import ROW_KINDS, failing, selectable
from groundwork.model.checks import Check, CheckResult
from groundwork.model.vocabulary import Classification

MASK = "•••"
SAMPLE_ROWS = 3
_LONGEST_TEXT = 80  # characters of a value that are kept
_MOST_GUARDED_SHOWN = Classification.INTERNAL


def with_sample(connection: Connection, table: TableContract, result: CheckResult) -> CheckResult:
    """`result` with up to three failing rows when it counted any; rows in order of the key.

    A check that cannot be sampled (one on the whole table, or one the server refuses) stays as it is.
    """
    if not result.failing_count or result.check.kind not in ROW_KINDS:
        return result
    try:
        with connection.begin_nested():
            rows = connection.execute(_query(table, result.check)).mappings().all()
    except DBAPIError:
        return result
    return replace(result, sample=tuple(dict(row) for row in rows))


def _query(contract: TableContract, check: Check) -> Any:
    table = selectable(contract.schema, contract.name, [column.name for column in contract.columns])
    shown = dict.fromkeys([*contract.primary_key, *check.columns])
    columns = [_masked(contract, table.c[name]) for name in shown]
    order = [table.c[name] for name in contract.primary_key]
    return select(*columns).select_from(table).where(failing(check, table)).order_by(*order).limit(SAMPLE_ROWS)


def _masked(contract: TableContract, column: Any) -> Any:
    classification = contract.column(column.name).classification
    if classification is None or classification.rank > _MOST_GUARDED_SHOWN.rank:
        return literal(MASK).label(column.name)
    return func.left(cast(column, Text), _LONGEST_TEXT).label(column.name)
