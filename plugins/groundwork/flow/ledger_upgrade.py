"""A ledger of an older form brought to the present one: columns are added, CHECK constraints made anew.

Nothing is ever taken away: what an older version wrote stays readable.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Connection, MetaData, Table, text
from sqlalchemy.schema import AddConstraint, CreateColumn, DropConstraint

_COLUMNS = text(
    """
    SELECT class.relname AS table_name, attribute.attname AS column_name
    FROM pg_class AS class
    JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
    WHERE class.relnamespace = to_regnamespace(CAST(:schema AS text)) AND attribute.attnum > 0
      AND NOT attribute.attisdropped
    """
)


def missing_columns(connection: Connection, ledger: MetaData) -> list[Column[object]]:
    """Columns that tables of the ledger lack; a table that is not there at all is left out."""
    there: dict[str, set[str]] = {}
    for row in connection.execute(_COLUMNS, {"schema": ledger.schema}):
        there.setdefault(row.table_name, set()).add(row.column_name)
    return [
        column
        for table in ledger.sorted_tables
        if table.name in there
        for column in table.columns
        if column.name not in there[table.name]
    ]


def upgrade(connection: Connection, ledger: MetaData) -> None:
    """Add what is missing; CHECK constraints of a table that changed are made anew, because their words may differ."""
    added = missing_columns(connection, ledger)
    preparer = connection.dialect.identifier_preparer
    for column in added:
        table = preparer.format_table(column.table)
        definition = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {definition}")
        for key in column.foreign_keys:
            if key.constraint is not None:
                connection.execute(AddConstraint(key.constraint, isolate_from_table=False))
    for changed in dict.fromkeys(column.table for column in added):
        _renew_checks(connection, changed)


def _renew_checks(connection: Connection, table: Table) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint):
            connection.execute(DropConstraint(constraint, if_exists=True))
            connection.execute(AddConstraint(constraint, isolate_from_table=False))
    for index in table.indexes:
        index.create(connection, checkfirst=True)
