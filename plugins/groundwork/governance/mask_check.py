"""Whether masks really hide: values are read back through the views as each role.

For every guarded column, true values are taken from the table as its owner and looked for in the view as the role. A
role without clearance must find none of them, a role with clearance must find some. An empty column is tried on a probe
row in a twin of the table with the planned view over it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from psycopg import sql
from sqlalchemy import Connection, text

from groundwork.contracts.contract import RoleContract
from groundwork.governance.masking import masked
from groundwork.governance.statements import compose, name, names, run
from groundwork.governance.views import ViewColumn, ViewPlan
from groundwork.model.policy import AccessFinding, Mask

_SAMPLE = 200  # true values looked for per column
# A value of each type, for probe rows; types that are not here are probed with their text cast.
_PROBES = {
    "text": "Jane.Doe@example.com",
    "character varying": "Jane.Doe@example.com",
    "character": "Jane.Doe@example.com",
    "uuid": "0b8f7a9e-2f63-4f4e-9a7f-0c5f2f1d8a11",
    "date": "1980-05-17",
    "timestamp with time zone": "1980-05-17 12:00:00+00",
    "timestamp without time zone": "1980-05-17 12:00:00",
    "jsonb": '{"probe": 4711}',
    "json": '{"probe": 4711}',
    "boolean": "true",
    "inet": "192.0.2.1",
    "bytea": "probe",
    "interval": "47 minutes",
    "time without time zone": "12:34:56",
    "tsvector": "probe",
}
_NUMBER_PROBE = "4"  # fits numeric(1,0) too


def mask_findings(connection: Connection, plan: ViewPlan, roles: Sequence[RoleContract]) -> Iterator[AccessFinding]:
    """One finding per role and guarded column of one table: check `mask` or, for a cleared role, `clear_value`."""
    guarded = [column for column in plan.columns if column.mask is not None]
    if not guarded:
        return
    samples = {column.name: _true_values(connection, plan, column) for column in guarded}
    live = [column for column in guarded if samples[column.name]]
    empty = [column for column in guarded if not samples[column.name]]
    for role in roles:
        if live:
            found = _values_found(connection, plan.schema, plan.table.name, live, samples, role.name)
            yield from _judged(plan, live, found, role.name, "on the table's rows")
    if empty:
        yield from _probed(connection, plan, empty, roles)


def _true_values(connection: Connection, plan: ViewPlan, column: ViewColumn) -> list[str]:
    """Distinct values as text that are not what their own mask would be."""
    hidden = masked(
        column.name,
        column.type,
        mask=column.mask or Mask.NULL,
        personal_data=column.personal_data,
        domain=plan.domain,
    )
    statement = compose(
        "SELECT DISTINCT value FROM (SELECT CAST({column} AS text) AS value, CAST({hidden} AS text) AS hidden"
        " FROM {base} WHERE {column} IS NOT NULL LIMIT 5000) s WHERE value IS DISTINCT FROM hidden LIMIT {limit}",
        column=name(column.name),
        hidden=hidden,
        base=name(plan.table.schema, plan.table.name),
        limit=sql.Literal(_SAMPLE),
    )
    return [str(row[0]) for row in run(connection, statement)]


def _values_found(
    connection: Connection,
    schema: str,
    view: str,
    columns: Sequence[ViewColumn],
    samples: dict[str, list[str]],
    role: str,
) -> list[int]:
    """How many rows of the view show a true value to the role, per column; -1 where the role may not look."""
    counts = [
        compose(
            "count(*) FILTER (WHERE CAST({column} AS text) = ANY({values}))",
            column=name(column.name),
            values=sql.Literal(samples[column.name]),
        )
        for column in columns
    ]
    statement = compose("SELECT {counts} FROM {view}", counts=sql.SQL(", ").join(counts), view=name(schema, view))
    if not _may_read(connection, schema, view, role):
        return [-1] * len(columns)
    savepoint = connection.begin_nested()
    try:
        run(connection, compose("SET LOCAL ROLE {role}", role=name(role)))
        return [int(str(count)) for count in run(connection, statement).one()]
    finally:
        savepoint.rollback()


def _may_read(connection: Connection, schema: str, view: str, role: str) -> bool:
    """Whether the view is there and the role may read it; what is missing then is a finding of another check."""
    statement = text("""
        SELECT has_schema_privilege(:role, n.oid, 'USAGE') AND has_table_privilege(:role, c.oid, 'SELECT')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relname = :view
    """)
    return bool(connection.execute(statement, {"role": role, "schema": schema, "view": view}).scalar())


def _judged(
    plan: ViewPlan, columns: Sequence[ViewColumn], counts: Sequence[int], role: str, where: str
) -> Iterator[AccessFinding]:
    for column, count in zip(columns, counts, strict=True):
        is_cleared = role in column.readers
        passed = count > 0 if is_cleared else count == 0
        yield AccessFinding(
            role=role,
            check="clear_value" if is_cleared else "mask",
            subject=f"{plan.schema}.{plan.table.name}.{column.name}",
            passed=passed,
            expected=f"true values {'shown' if is_cleared else 'hidden'} {where}",
            found="the view cannot be read" if count < 0 else f"{count} rows with a true value",
            next_step=None if passed else "run the Dag `governance` to apply the policies, then look who changed it",
        )


def _probed(
    connection: Connection, plan: ViewPlan, columns: Sequence[ViewColumn], roles: Sequence[RoleContract]
) -> Iterator[AccessFinding]:
    """The same question on a twin of the table that holds one probe row."""
    scratch, twin = f"groundwork_probe_{secrets.token_hex(6)}", plan.table.name
    view = "masked view of the probe"
    savepoint = connection.begin_nested()
    try:
        _make_twin(connection, scratch, plan, columns)
        run(connection, plan.create((scratch, view), source=(scratch, twin)))
        samples = _probe_values(connection, scratch, twin, columns)
        for role in roles:
            places = {"scratch": name(scratch), "view": name(scratch, view), "role": name(role.name)}
            run(connection, compose("GRANT USAGE ON SCHEMA {scratch} TO {role}", **places))
            run(connection, compose("GRANT SELECT ON {view} TO {role}", **places))
            counts = _values_found(connection, scratch, view, columns, samples, role.name)
            yield from _judged(plan, columns, counts, role.name, "on a probe row")
    finally:
        savepoint.rollback()


def _make_twin(connection: Connection, scratch: str, plan: ViewPlan, columns: Sequence[ViewColumn]) -> None:
    """A table with the plan's columns, no constraint, and one row that fills `columns`."""
    run(connection, compose("CREATE SCHEMA {scratch}", scratch=name(scratch)))
    twin = name(scratch, plan.table.name)
    definitions = [
        compose("{column} {type}", column=name(column.name), type=sql.SQL(column.type)) for column in plan.columns
    ]
    run(connection, compose("CREATE TABLE {twin} ({columns})", twin=twin, columns=sql.SQL(", ").join(definitions)))
    probes = [
        compose("CAST({probe} AS {type})", probe=sql.Literal(_probe(column.type)), type=sql.SQL(column.type))
        for column in columns
    ]
    insert = compose(
        "INSERT INTO {twin} ({columns}) VALUES ({probes})",
        twin=twin,
        columns=names([column.name for column in columns]),
        probes=sql.SQL(", ").join(probes),
    )
    run(connection, insert)


def _probe_values(
    connection: Connection, schema: str, table: str, columns: Sequence[ViewColumn]
) -> dict[str, list[str]]:
    values = [compose("CAST({column} AS text)", column=name(column.name)) for column in columns]
    statement = compose("SELECT {values} FROM {twin}", values=sql.SQL(", ").join(values), twin=name(schema, table))
    row = run(connection, statement).one()
    return {column.name: [str(value)] for column, value in zip(columns, row, strict=True)}


def _probe(column_type: str) -> str:
    base = column_type.partition("(")[0].partition("[")[0].strip()
    probe = _PROBES.get(base, _NUMBER_PROBE)
    return "{" + f'"{probe}"' + "}" if column_type.endswith("[]") else probe
