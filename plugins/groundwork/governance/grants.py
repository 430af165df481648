"""Grants as values: what policy gives, what the database has, and the statements that lead from one to the other.

A grant to the owner of an object is not counted (an owner has all rights anyway). PUBLIC is the grantee `PUBLIC`.
Privileges on columns count as grants of their own. Functions count only where they run with their owner's rights.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, text

from groundwork.contracts.contract import Domain, RoleContract, TableContract
from groundwork.governance.statements import compose, name, run
from groundwork.governance.views import ViewPlan

PUBLIC = "PUBLIC"
WRITES = ("INSERT", "UPDATE")


@dataclass(frozen=True, kw_only=True, order=True)
class Grant:
    """One privilege of one grantee on one object.

    `kind` is `schema`, `relation`, `function` or `default` (privileges that future objects will get); `object` is empty
    for schemas and defaults, and a signature for functions; `column` is empty unless the privilege is on one column.
    """

    kind: str
    schema: str
    object: str = ""
    column: str = ""
    grantee: str
    privilege: str
    is_grantable: bool = False

    def __str__(self) -> str:
        place = ".".join(part for part in (self.schema, self.object, self.column) if part)
        option = " with grant option" if self.is_grantable else ""
        kind = "" if self.kind == "relation" else f"{self.kind} "
        return f"{self.privilege} on {kind}{place} to {self.grantee}{option}"


def wanted_grants(
    plans: Sequence[ViewPlan], roles: Sequence[RoleContract], sequences: Collection[tuple[str, str]] = ()
) -> set[Grant]:
    """What contracts and policy give: read roles the views, write roles also the tables up to their clearance.

    Write roles may draw numbers from `sequences` (schema and name), which fill columns of the tables.
    """
    wanted: set[Grant] = set()
    for role in roles:
        if role.access == "write":
            wanted |= {
                Grant(kind="relation", schema=schema, object=sequence, grantee=role.name, privilege="USAGE")
                for schema, sequence in sequences
            }
        for plan in plans:
            wanted.add(Grant(kind="schema", schema=plan.schema, grantee=role.name, privilege="USAGE"))
            wanted.add(_relation(plan.schema, plan, role, "SELECT"))
            if role.access == "write":
                wanted |= _write_grants(plan, role)
    return wanted


def _write_grants(plan: ViewPlan, role: RoleContract) -> set[Grant]:
    schema = plan.table.schema
    wanted = {Grant(kind="schema", schema=schema, grantee=role.name, privilege="USAGE")}
    wanted |= {_relation(schema, plan, role, privilege) for privilege in WRITES}
    hidden = {column.name for column in plan.hidden_from(role.name)}
    if not hidden:
        return wanted | {_relation(schema, plan, role, "SELECT")}
    readable = [column.name for column in plan.columns if column.name not in hidden]
    return wanted | {_relation(schema, plan, role, "SELECT", column) for column in readable}


def _relation(schema: str, plan: ViewPlan, role: RoleContract, privilege: str, column: str = "") -> Grant:
    return Grant(
        kind="relation",
        schema=schema,
        object=plan.table.name,
        column=column,
        grantee=role.name,
        privilege=privilege,
    )


def serial_sequences(connection: Connection, domain: Domain) -> frozenset[tuple[str, str]]:
    """Schema and name of the sequences in the database that fill serial columns, and of the domain's own sequences.

    Identity columns need no grant: the server draws their numbers itself.
    """
    tables = [(table.schema, table.name) for table in domain.tables if _has_serial(table)]
    own = [(each.schema, each.name) for each in domain.sequences]
    parameters = {
        "schemas": [schema for schema, _ in tables],
        "tables": [table for _, table in tables],
        "own_schemas": [schema for schema, _ in own],
        "own": [name for _, name in own],
    }
    return frozenset((row.schema, row.name) for row in connection.execute(_SEQUENCES, parameters))


def _has_serial(table: TableContract) -> bool:
    return any(column.identity == "serial" for column in table.columns)


def observed_grants(connection: Connection, schemas: Sequence[str]) -> set[Grant]:
    """What the database gives in these schemas to anybody but the owners."""
    rows = connection.execute(_GRANTS, {"schemas": list(schemas)}).mappings()
    return {Grant(**row) for row in rows}


def grant(connection: Connection, given: Grant) -> None:
    """Give one privilege."""
    run(
        connection,
        compose(
            "GRANT {privilege} ON {object} TO {grantee}",
            privilege=_privilege(given),
            object=_object(given),
            grantee=_grantee(given),
        ),
    )


def revoke(connection: Connection, given: Grant) -> None:
    """Take one privilege, and whatever its holder passed on."""
    if given.kind == "default":
        run(
            connection,
            compose(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE {privilege} ON {kind} FROM {grantee}",
                schema=name(given.schema),
                privilege=sql.SQL(given.privilege),
                kind=sql.SQL(given.object),
                grantee=_grantee(given),
            ),
        )
        return
    run(
        connection,
        compose(
            "REVOKE {privilege} ON {object} FROM {grantee} CASCADE",
            privilege=_privilege(given),
            object=_object(given),
            grantee=_grantee(given),
        ),
    )


def _privilege(given: Grant) -> sql.Composable:
    privilege = sql.SQL(given.privilege)  # a word of PostgreSQL's own, from its catalog or from this module
    if not given.column:
        return privilege
    return compose("{privilege} ({column})", privilege=privilege, column=name(given.column))


def _object(given: Grant) -> sql.Composable:
    if given.kind == "schema":
        return compose("SCHEMA {schema}", schema=name(given.schema))
    if given.kind == "function":
        return compose("FUNCTION {function}", function=sql.SQL(given.object))  # regprocedure, quoted by the server
    return name(given.schema, given.object)


def _grantee(given: Grant) -> sql.Composable:
    return sql.SQL(PUBLIC) if given.grantee == PUBLIC else name(given.grantee)


_SEQUENCES = text("""
    WITH serial AS (SELECT * FROM unnest(CAST(:schemas AS text[]), CAST(:tables AS text[])) t(schema, name)),
    own AS (SELECT * FROM unnest(CAST(:own_schemas AS text[]), CAST(:own AS text[])) t(schema, name))
    SELECT n.nspname AS schema, c.relname AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S'
      AND ((n.nspname, c.relname) IN (SELECT * FROM own)
           OR EXISTS (SELECT FROM pg_depend d
                      JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace s ON s.oid = t.relnamespace
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'
                        AND d.refclassid = 'pg_class'::regclass
                        AND (s.nspname, t.relname) IN (SELECT * FROM serial)))
""")
_GRANTS = text("""
    WITH spaces AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = ANY(:schemas)),
    given AS (
        SELECT 'schema' AS kind, s.nspname AS schema, '' AS object, '' AS column, s.nspowner AS owner, acl.*
        FROM spaces s, aclexplode(coalesce(s.nspacl, acldefault('n', s.nspowner))) acl
        UNION ALL
        SELECT 'relation', s.nspname, c.relname, '', c.relowner, acl.*
        FROM spaces s JOIN pg_class c ON c.relnamespace = s.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S'),
             aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
                                                      c.relowner))) acl
        UNION ALL
        SELECT 'relation', s.nspname, c.relname, a.attname, c.relowner, acl.*
        FROM spaces s JOIN pg_class c ON c.relnamespace = s.oid JOIN pg_attribute a ON a.attrelid = c.oid,
             aclexplode(a.attacl) acl
        WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
        UNION ALL
        SELECT 'function', s.nspname, p.oid::regprocedure::text, '', p.proowner, acl.*
        FROM spaces s JOIN pg_proc p ON p.pronamespace = s.oid,
             aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
        WHERE p.prosecdef AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        UNION ALL
        SELECT 'default', s.nspname,
               CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                    WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
               '', d.defaclrole, acl.*
        FROM spaces s JOIN pg_default_acl d ON d.defaclnamespace = s.oid, aclexplode(d.defaclacl) acl
    )
    SELECT kind, schema, object, "column", CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END
           AS grantee, privilege_type AS privilege, is_grantable
    FROM given WHERE grantee <> owner
""")
