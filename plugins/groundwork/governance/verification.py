"""Asks the database, role by role, whether access is what contracts and policies say.

Every answer is the database's own: statements are run after `SET LOCAL ROLE` and either succeed or are refused, and
masks are read back through the views. On an empty table the mask is tried on a probe row in a twin of the table, made
in a scratch schema with the same view over it; that the live view is the planned one is a finding of its own. All of it
happens in one transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from groundwork.contracts.contract import Domain, RoleContract
from groundwork.governance.access import access_schemas, grant_drift
from groundwork.governance.mask_check import mask_findings
from groundwork.governance.masking import ensure_key
from groundwork.governance.policy import Policies, read_policies
from groundwork.governance.roles import role_faults
from groundwork.governance.statements import compose, name, run
from groundwork.governance.views import ViewPlan, plan_views, view_states, wanted_states
from groundwork.model.policy import AccessFinding

# insufficient_privilege; and what the server says of a view's column that nobody can write because it is an expression
_REFUSED = frozenset({"42501", "0A000", "55000"})


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A statement that a role tries; `is_allowed` is what policy says about it."""

    check: str
    subject: str
    statement: sql.Composable
    is_allowed: bool


def verify_access(engine: Engine, domain: Domain, policies_folder: Path | Policies) -> list[AccessFinding]:
    """One finding per role, table and check, those that passed too; then drift of views, grants and roles.

    Raises: ConfigError when a declared table is not in the database or a policy is wrong.
    """
    policies = policies_folder if isinstance(policies_folder, Policies) else read_policies(policies_folder)
    with engine.connect() as connection, connection.begin() as transaction:
        try:
            return list(_findings(connection, domain, policies))
        finally:
            transaction.rollback()


def _findings(connection: Connection, domain: Domain, policies: Policies) -> Iterator[AccessFinding]:
    ensure_key(connection, domain.name)  # rolled back with the rest; only a database never governed lacks it
    plans = plan_views(connection, domain, policies)
    roles = [policies.role(role) for role in domain.roles]
    known = {
        row.rolname
        for row in connection.execute(
            text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles)"), {"roles": [role.name for role in roles]}
        )
    }
    for role in roles:
        if role.name not in known:
            yield _finding(role.name, "role_exists", role.name, expected="the role", found="no such role", passed=False)
            continue
        for plan in plans:
            for attempt in _attempts(plan, role):
                yield _tried(connection, role.name, attempt)
        yield from _switches(connection, role.name, sorted(known - {role.name}))
    if len(known) == len(roles):  # a view that names a role nobody made cannot be read by anybody
        for plan in plans:
            yield from mask_findings(connection, plan, roles)
    yield from _view_drift(connection, domain, plans)
    yield from _grant_drift(connection, domain, policies)
    for fault in role_faults(connection, sorted(known), policies.access.members):
        yield AccessFinding(
            role=fault.role,
            check="role_drift",
            subject=fault.role,
            passed=False,
            expected="only what policy gives the role",
            found=fault.found,
            next_step=fault.next_step,
        )


def _attempts(plan: ViewPlan, role: RoleContract) -> Iterator[_Attempt]:
    """What the role tries on one table and its view; no statement reads or changes a row."""
    view, base = (plan.schema, plan.table.name), (plan.table.schema, plan.table.name)
    writes = role.access == "write"
    hidden = {column.name for column in plan.hidden_from(role.name)}
    readable = [column.name for column in plan.columns if column.name not in hidden]
    yield _attempt("read_view", view, "SELECT * FROM {object} WHERE false", is_allowed=True)
    if readable:
        yield _attempt("read_table", base, "SELECT {column} FROM {object} WHERE false", readable[0], is_allowed=writes)
    for column in sorted(hidden):
        yield _attempt("read_hidden", base, "SELECT {column} FROM {object} WHERE false", column, is_allowed=False)
    writable = [column.name for column in plan.table.columns if column.generated is None and not column.identity]
    if writable:
        yield _attempt("insert_view", view, _INSERT, writable[0], is_allowed=False)
        yield _attempt("update_view", view, _UPDATE, writable[0], is_allowed=False)
        yield _attempt("insert_table", base, _INSERT, writable[0], is_allowed=writes)
        yield _attempt("update_table", base, _UPDATE, writable[0], is_allowed=writes)
    yield _attempt("delete_table", base, "DELETE FROM {object} WHERE false", is_allowed=False)


_INSERT = "INSERT INTO {object} ({column}) SELECT NULL WHERE false"
_UPDATE = "UPDATE {object} SET {column} = NULL WHERE false"


def _attempt(
    check: str, place: tuple[str, str], template: str, column: str | None = None, *, is_allowed: bool
) -> _Attempt:
    parts: dict[str, sql.Composable] = {"object": name(*place)}
    if column is not None:
        parts["column"] = name(column)
    subject = ".".join(part for part in (*place, column if check == "read_hidden" else None) if part)
    return _Attempt(check=check, subject=subject, statement=compose(template, **parts), is_allowed=is_allowed)


def _tried(connection: Connection, role: str, attempt: _Attempt) -> AccessFinding:
    def act() -> None:
        run(connection, attempt.statement)

    found = _outcome(connection, role, act)
    expected = "allowed" if attempt.is_allowed else "refused"
    return _finding(
        role, attempt.check, attempt.subject, expected=expected, found=found, passed=found.startswith(expected)
    )


def _outcome(connection: Connection, role: str, act: Callable[[], None]) -> str:
    """`allowed`, `refused`, or what else the database said; the session is as before afterwards."""
    savepoint = connection.begin_nested()
    try:
        run(connection, compose("SET LOCAL ROLE {role}", role=name(role)))
        act()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _REFUSED:
            return "refused"
        return f"failed: {str(error.orig).strip().splitlines()[0]}"
    else:
        return "allowed"
    finally:
        savepoint.rollback()


def _switches(connection: Connection, role: str, others: Sequence[str]) -> Iterator[AccessFinding]:
    """Whether the role may become another one: the server decides that by membership."""
    for other in others:
        may: bool = connection.execute(
            text("SELECT pg_has_role(:role, :other, 'SET') OR pg_has_role(:role, :other, 'USAGE')"),
            {"role": role, "other": other},
        ).scalar_one()
        found = "allowed" if may else "refused"
        yield _finding(role, "switch_role", other, expected="refused", found=found, passed=not may)


def _view_drift(connection: Connection, domain: Domain, plans: Sequence[ViewPlan]) -> Iterator[AccessFinding]:
    live = {schema: view_states(connection, schema) for schema in access_schemas(domain)}
    wanted = wanted_states(connection, plans)
    for plan in plans:
        state = live[plan.schema].get(plan.table.name)
        is_same = state == wanted[plan.table.qualified_name]
        found = "as planned" if is_same else ("missing" if state is None else "another definition")
        subject = f"{plan.schema}.{plan.table.name}"
        yield _finding("", "view_drift", subject, expected="the planned view", found=found, passed=is_same)


def _grant_drift(connection: Connection, domain: Domain, policies: Policies) -> Iterator[AccessFinding]:
    drift = grant_drift(connection, domain, policies)
    for kind, grants in drift.items():
        for given in grants:
            yield AccessFinding(
                role=given.grantee,
                check="grant_drift",
                subject=str(given),
                passed=False,
                expected="no such grant" if kind == "unexpected" else "the grant",
                found=f"{kind} grant",
                next_step="run the Dag `governance`, or change the contract's roles",
            )
    if not any(drift.values()):
        yield _finding("", "grant_drift", domain.name, expected="no drift", found="no drift", passed=True)


def _finding(role: str, check: str, subject: str, *, expected: str, found: str, passed: bool) -> AccessFinding:
    return AccessFinding(
        role=role,
        check=check,
        subject=subject,
        passed=passed,
        expected=expected,
        found=found,
        next_step=None if passed else "run the Dag `governance` to apply the policies, then look who changed it",
    )
