"""Grants as part of a comparison: what the contracts' roles should have against what they have.

In the values of `groundwork.contracts.diff`, so that one report tells of tables and of who may use them. Compared are
the roles that the domain declares and PUBLIC, on the domain's schemas, tables, columns, sequences and masked views;
grants to roles that no contract knows count only where the policy revokes them. What is not in the database at all has
no grants to compare: a missing table is a difference of its own, and a missing view is told by the verification of
access.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, text

from groundwork.catalog.session import undone
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.names import object_name
from groundwork.contracts.diff import Change, ChangeKind, Diff, ObjectType
from groundwork.governance.access import governed_schemas
from groundwork.governance.grants import PUBLIC, Grant, observed_grants, serial_sequences, wanted_grants
from groundwork.governance.policy import Policies, read_policies
from groundwork.governance.views import access_schema, plan_views


def compare_grants(connection: Connection, domain: Domain, policies: Policies | Path) -> Diff:
    """What differs between the grants that contracts and policies give and those that the database has.

    The connection's transaction is left as it was.
    Raises: ConfigError when a policy is wrong.
    """
    policies = policies if isinstance(policies, Policies) else read_policies(policies)
    with undone(connection):
        columns = _columns(connection, governed_schemas(domain))
        schemas = _schemas(connection, governed_schemas(domain))
        present = _present(domain, columns)
        plans = plan_views(connection, present, policies)
        sequences = serial_sequences(connection, present)
        roles = [policies.role(role) for role in domain.roles]
        wanted = {given for given in wanted_grants(plans, roles, sequences) if _exists(given, schemas, columns)}
        observed = observed_grants(connection, governed_schemas(domain))
    known = {role.name for role in roles} | {PUBLIC}
    counted = {given for given in observed if given.grantee in known or policies.access.revokes_unexpected}
    return Diff(changes=tuple(sorted(_changes(wanted, counted), key=_place)))


def grants_of_table(diff: Diff, domain: Domain, name: str) -> Diff:
    """The differences of one table's grants, those of its masked view and of its sequences included."""
    table = domain.table(name)
    schemas = {table.schema, access_schema(table.schema)}
    serial = [column.name for column in table.columns if column.identity == "serial"]
    names = {table.name, *(object_name(table.name, column, "seq") for column in serial)}
    return Diff(changes=tuple(each for each in diff.changes if each.schema in schemas and each.table in names))


def _changes(wanted: Collection[Grant], observed: Collection[Grant]) -> list[Change]:
    missing = {_without_option(given): given for given in set(wanted) - set(observed)}
    extra = {_without_option(given): given for given in set(observed) - set(wanted)}
    changes = []
    for key in {*missing, *extra}:
        ours, theirs = missing.get(key), extra.get(key)
        kind = ChangeKind.MISSING if theirs is None else ChangeKind.EXTRA if ours is None else ChangeKind.CHANGED
        changes.append(
            Change(
                kind=kind,
                schema=key.schema,
                table=key.object,
                object_type=ObjectType.GRANT,
                name=key.grantee,
                declared=None if ours is None else str(ours),
                observed=None if theirs is None else str(theirs),
            )
        )
    return changes


def _without_option(given: Grant) -> Grant:
    return replace(given, is_grantable=False)


def _place(change: Change) -> tuple[str, str, str, str]:
    return (change.schema, change.table, change.name, change.declared or change.observed or "")


def _exists(given: Grant, schemas: Collection[str], columns: Mapping[tuple[str, str], Collection[str]]) -> bool:
    if given.kind == "schema":
        return given.schema in schemas
    return (given.schema, given.object) in columns


def _present(domain: Domain, columns: Mapping[tuple[str, str], Collection[str]]) -> Domain:
    """The domain as far as its tables and columns are in the database."""
    contracts = []
    for contract in domain.contracts:
        tables = [table for table in contract.tables if (table.schema, table.name) in columns]
        there = tuple(
            replace(
                table,
                columns=tuple(each for each in table.columns if each.name in columns[table.schema, table.name]),
            )
            for table in tables
        )
        contracts.append(replace(contract, tables=there))
    return replace(domain, contracts=tuple(contracts))


def _columns(connection: Connection, schemas: list[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The columns of every relation, sequences included, by schema and name."""
    rows = connection.execute(_COLUMNS, {"schemas": schemas})
    return {(row.schema, row.name): tuple(row.columns) for row in rows}


def _schemas(connection: Connection, schemas: list[str]) -> frozenset[str]:
    return frozenset(connection.execute(_SCHEMAS, {"schemas": schemas}).scalars())


_SCHEMAS = text("SELECT nspname FROM pg_namespace WHERE nspname = ANY(:schemas)")
_COLUMNS = text("""
    SELECT n.nspname AS schema, c.relname AS name,
           ARRAY(SELECT a.attname FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
""")
