"""The masked views: one per table, same columns in the same order, in the schema beside the table's.

Owns what a view should be and whether the live one is that. Both are compared in the server's own words: the wanted
views are created in a scratch schema inside a savepoint that is rolled back, and `pg_get_viewdef` is read of both.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.contracts.contract import Domain, RoleContract, TableContract
from groundwork.governance.masking import shown_or_masked
from groundwork.governance.policy import Policies
from groundwork.governance.statements import compose, name, run
from groundwork.model.errors import ConfigError
from groundwork.model.policy import Mask
from groundwork.model.vocabulary import Classification, PersonalData

_SUFFIX = "_access"


@dataclass(frozen=True, kw_only=True)
class ViewColumn:
    """One column of a view; `mask` is null when every role of the domain may see it."""

    name: str
    type: str
    classification: Classification
    personal_data: PersonalData | None
    mask: Mask | None
    readers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ViewPlan:
    """The view of one table as contract and policy want it."""

    domain: str
    table: TableContract
    columns: tuple[ViewColumn, ...]
    has_barrier: bool

    @property
    def schema(self) -> str:
        """The schema of the view."""
        return access_schema(self.table.schema)

    def select(self, schema: str, table: str) -> sql.Composed:
        """The view's query, reading `schema.table`."""
        expressions = [
            compose("{value} AS {column}", value=self._expression(column), column=name(column.name))
            for column in self.columns
        ]
        return compose(
            "SELECT {expressions} FROM {base}", expressions=sql.SQL(", ").join(expressions), base=name(schema, table)
        )

    def create(
        self, view: tuple[str, str], *, source: tuple[str, str] | None = None, or_replace: bool = False
    ) -> sql.Composed:
        """The statement that makes the view as `view`, over the plan's table or over `source`."""
        return compose(
            "{create} {view} WITH (security_barrier = {barrier}) AS {query}",
            create=sql.SQL("CREATE OR REPLACE VIEW" if or_replace else "CREATE VIEW"),
            view=name(*view),
            barrier=sql.SQL("true" if self.has_barrier else "false"),
            query=self.select(*(source or (self.table.schema, self.table.name))),
        )

    def hidden_from(self, role: str) -> tuple[ViewColumn, ...]:
        """The columns whose values the role must not see."""
        return tuple(column for column in self.columns if column.mask is not None and role not in column.readers)

    def _expression(self, column: ViewColumn) -> sql.Composable:
        if column.mask is None:
            return name(column.name)
        return shown_or_masked(
            column.name,
            column.type,
            mask=column.mask,
            personal_data=column.personal_data,
            readers=column.readers,
            domain=self.domain,
        )


@dataclass(frozen=True, kw_only=True)
class ViewState:
    """A view as the server describes it."""

    definition: str
    options: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]


def access_schema(schema: str) -> str:
    """The schema that holds the masked views of `schema`'s tables.

    >>> access_schema("market")
    'market_access'
    """
    return schema + _SUFFIX


def plan_views(connection: Connection, domain: Domain, policies: Policies) -> list[ViewPlan]:
    """The views that contracts and policy want, types as the live tables have them.

    Raises: ConfigError when a declared table or column is not in the database.
    """
    roles = [policies.role(role) for role in domain.roles]
    return [_plan(connection, domain, table, policies, roles) for table in domain.tables]


def _plan(
    connection: Connection, domain: Domain, table: TableContract, policies: Policies, roles: Sequence[RoleContract]
) -> ViewPlan:
    types = _column_types(connection, table.schema, table.name)
    columns = []
    for column in table.columns:
        if column.name not in types:
            raise ConfigError(
                f"the database has no column `{column.name}` of `{table.qualified_name}`",
                expected="the table as its contract declares it",
                found=f"columns {', '.join(types)}" if types else "no such table",
                next_step=f"run the Dag `data_foundation` for the domain {domain.name} first",
            )
        level = policies.classification_of(column)
        readers = tuple(role.name for role in roles if role.clearance.rank >= level.rank)
        is_guarded = len(readers) < len(roles)
        columns.append(
            ViewColumn(
                name=column.name,
                type=types[column.name],
                classification=level,
                personal_data=column.personal_data,
                mask=policies.mask_of(column) if is_guarded else None,
                readers=readers,
            )
        )
    return ViewPlan(domain=domain.name, table=table, columns=tuple(columns), has_barrier=policies.access.has_barrier)


def wanted_states(connection: Connection, plans: Sequence[ViewPlan]) -> dict[str, ViewState]:
    """What the server would say of each planned view, by the table's qualified name; leaves nothing behind."""
    states: dict[str, ViewState] = {}
    for schema in dict.fromkeys(plan.schema for plan in plans):
        scratch = f"groundwork_scratch_{secrets.token_hex(6)}"
        savepoint = connection.begin_nested()
        try:
            run(connection, compose("CREATE SCHEMA {scratch}", scratch=name(scratch)))
            of_schema = {plan.table.name: plan for plan in plans if plan.schema == schema}
            for plan in of_schema.values():
                run(connection, plan.create((scratch, plan.table.name)))
            live = view_states(connection, scratch)
            states |= {plan.table.qualified_name: live[table] for table, plan in of_schema.items()}
        finally:
            savepoint.rollback()
    return states


def view_states(connection: Connection, schema: str) -> dict[str, ViewState]:
    """The live views of a schema by name."""
    rows = connection.execute(_VIEWS, {"schema": schema}).mappings()
    return {
        row["name"]: ViewState(
            definition=row["definition"],
            options=tuple(row["options"] or ()),
            columns=tuple((column, kind) for column, kind in row["columns"]),
        )
        for row in rows
    }


def replace_view(connection: Connection, plan: ViewPlan) -> None:
    """Make the live view what the plan says; a view whose columns changed is dropped and made anew.

    Raises: ConfigError when something outside depends on the old view.
    """
    try:
        with connection.begin_nested():
            run(connection, plan.create((plan.schema, plan.table.name), or_replace=True))
    except DBAPIError as error:
        if _sqlstate(error) != _INVALID_TABLE_DEFINITION:
            raise
    else:
        return
    drop_view(connection, plan.schema, plan.table.name)
    run(connection, plan.create((plan.schema, plan.table.name)))


def drop_view(connection: Connection, schema: str, view: str) -> None:
    """Drop one view; raises ConfigError when something depends on it."""
    try:
        with connection.begin_nested():
            run(connection, compose("DROP VIEW IF EXISTS {view}", view=name(schema, view)))
    except DBAPIError as error:
        if _sqlstate(error) != _DEPENDENT_OBJECTS:
            raise
        raise ConfigError(
            f"the masked view `{schema}.{view}` has to be made anew, but something depends on it",
            expected="nothing made on top of the masked views",
            found=str(error.orig).strip(),
            next_step="drop the dependent object, or make it read the table",
        ) from error


def release_views(connection: Connection, tables: Sequence[TableContract]) -> list[str]:
    """Drop the masked views of `tables` so that their columns can be changed; `apply_access` makes them again.

    PostgreSQL refuses to change the type of a column, or to drop one, that a view reads. Call it in the transaction of
    the change. Returns the qualified names of the views that were there.
    """
    released = []
    for table in tables:
        schema = access_schema(table.schema)
        if table.name in view_states(connection, schema):
            drop_view(connection, schema, table.name)
            released.append(f"{schema}.{table.name}")
    return released


def _column_types(connection: Connection, schema: str, table: str) -> dict[str, str]:
    rows = connection.execute(_COLUMNS, {"schema": schema, "table": table})
    return {row.name: row.type for row in rows}


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


_INVALID_TABLE_DEFINITION = "42P16"  # CREATE OR REPLACE cannot drop, rename or retype columns
_DEPENDENT_OBJECTS = "2BP01"
_COLUMNS = text("""
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname = :table AND c.relkind IN ('r', 'p') AND a.attnum > 0
      AND NOT a.attisdropped
    ORDER BY a.attnum
""")
_VIEWS = text("""
    SELECT c.relname AS name, pg_get_viewdef(c.oid) AS definition, c.reloptions AS options,
           (SELECT array_agg(ARRAY[a.attname::text, format_type(a.atttypid, a.atttypmod)] ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind = 'v'
    ORDER BY c.relname
""")
