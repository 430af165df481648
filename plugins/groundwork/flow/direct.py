"""The short way: a CSV straight into an empty table, checked where it lies.

Taken when the table is empty and every field of the source is wanted as it stands. The server casts, and holds keys and
constraints, while it copies; then one scan asks for all checks of the contract. Anything in doubt (a value that does
not fit, a repeated key, a broken check) takes the attempt back to its savepoint, and the load starts again through
staging, where each faulty record gets its reasons. A failed attempt costs the time up to the first fault and dead rows
that vacuum takes away; it never costs a row.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table, literal_column, select, text

from groundwork.contracts.contract import TableContract
from groundwork.flow.delimited import DelimitedSource
from groundwork.flow.publish import unique_keys
from groundwork.flow.record import Source
from groundwork.flow.row_checks import RowChecks
from groundwork.flow.staging import column_list, driver_connection, has_clock, misleads

_UNIQUE_INDEXES = text(
    """
    SELECT array_agg(attribute.attname ORDER BY attribute.attname) AS columns
    FROM pg_index AS index
    CROSS JOIN LATERAL unnest(index.indkey) AS key (number)
    JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = key.number
    WHERE index.indrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text)))
      AND index.indisunique AND index.indisvalid AND index.indpred IS NULL AND index.indexprs IS NULL
    GROUP BY index.indexrelid
    """
)


class _DoubtError(Exception):
    """The short way cannot be gone to its end."""


def load_directly(
    connection: Connection, contract: TableContract, target: Table, source: Source, checks: RowChecks
) -> int | None:
    """Rows loaded into the empty `target`, or null when nothing was done because the long way is due."""
    if not isinstance(source, DelimitedSource) or not _is_possible(connection, contract, target, source):
        return None
    driver = driver_connection(connection)
    try:
        with driver.transaction():
            count = _copy(driver, contract, target, source)
            if not checks.all_hold(target):
                raise _DoubtError  # noqa: TRY301  the savepoint must see it
    except (_DoubtError, psycopg.DataError, psycopg.IntegrityError):
        return None
    return count


def _is_possible(connection: Connection, contract: TableContract, target: Table, source: DelimitedSource) -> bool:
    if None in source.fields or any(contract.column(name).default is not None for name in source.columns):
        return False
    if connection.execute(select(literal_column("1")).select_from(target).limit(1)).first() is not None:
        return False
    keys = [(contract.primary_key, None), *((key.columns, key.condition) for key in unique_keys(contract))]
    names = {"schema": target.schema, "name": target.name}
    enforced = [set(columns) for columns in connection.scalars(_UNIQUE_INDEXES, names)]
    return bool(contract.primary_key) and all(
        condition is None and set(columns) in enforced for columns, condition in keys
    )


def _copy(driver: psycopg.Connection, contract: TableContract, target: Table, source: DelimitedSource) -> int:
    clock = has_clock(contract, source.columns)
    statement = sql.SQL("COPY {}.{} ({}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')").format(
        sql.Identifier(target.schema or ""), sql.Identifier(target.name), column_list(source.columns)
    )
    is_trusted = True
    with driver.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for batch in source.batches():
                is_trusted = batch.block is not None and not misleads(batch.block, has_clock=clock)
                if not is_trusted:
                    break  # ended in order: an error raised in here would have the driver log rows
                copy.write(batch.block or b"")
        if not is_trusted:
            raise _DoubtError
        return cursor.rowcount
