"""Verification sees what is right, and every way in which somebody made it wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from groundwork.governance.access import apply_access
from groundwork.governance.policy import Policies
from groundwork.governance.verification import verify_access
from groundwork.model.policy import AccessFinding
from tests.fix_postgres import Database
from tests.governance.clinic import ROLES, clinic, make_clinic, policies

pytestmark = pytest.mark.postgres


def failures(database: Database, rules: Policies | None = None) -> list[AccessFinding]:
    return [found for found in verify_access(database.engine, clinic(), rules or policies()) if not found.passed]


@pytest.fixture
def governed(database: Database) -> Database:
    make_clinic(database.engine, clinic())
    apply_access(database.engine, clinic(), policies())
    return database


@pytest.mark.parametrize("with_rows", [True, False])
def test_what_was_applied_holds_on_rows_and_on_empty_tables(database: Database, with_rows: bool) -> None:
    make_clinic(database.engine, clinic(), with_rows=with_rows)
    apply_access(database.engine, clinic(), policies())
    findings = verify_access(database.engine, clinic(), policies())
    assert [found for found in findings if not found.passed] == []
    masked = [found for found in findings if found.check in {"mask", "clear_value"}]
    assert {found.role for found in masked} == set(ROLES)
    guarded = 19  # columns above the reader's clearance
    assert len(masked) == guarded * len(ROLES)
    places = {"on a probe row" if "probe" in found.expected else "rows" for found in masked}
    assert places == ({"on a probe row", "rows"} if with_rows else {"on a probe row"})


def test_verifying_leaves_nothing_behind(governed: Database) -> None:
    count = text("SELECT count(*) FROM pg_class")
    with governed.engine.connect() as connection:
        before = connection.execute(count).scalar_one()
    failures(governed)
    with governed.engine.connect() as connection:
        assert connection.execute(count).scalar_one() == before
        assert connection.execute(text("SELECT current_user")).scalar_one() == "groundwork_test"


@pytest.mark.parametrize(
    ("statement", "check", "told"),
    [
        ("GRANT SELECT ON clinic.visits TO clinic_reader", "grant_drift", "SELECT on clinic.visits to clinic_reader"),
        ("GRANT SELECT (email) ON clinic.patients TO PUBLIC", "grant_drift", "clinic.patients.email to PUBLIC"),
        ("GRANT USAGE ON SCHEMA clinic TO clinic_reader", "grant_drift", "USAGE on schema clinic to clinic_reader"),
        ("GRANT SELECT ON clinic.visits_y2021 TO clinic_nurse", "grant_drift", "clinic.visits_y2021 to clinic_nurse"),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA clinic GRANT SELECT ON TABLES TO clinic_reader",
            "grant_drift",
            "SELECT on default clinic.TABLES to clinic_reader",
        ),
        (
            "GRANT SELECT ON clinic_access.visits TO clinic_reader WITH GRANT OPTION",
            "grant_drift",
            "clinic_access.visits to clinic_reader with grant option",
        ),
        ("REVOKE SELECT ON clinic_access.visits FROM clinic_nurse", "read_view", "clinic_access.visits"),
        (
            "REVOKE SELECT ON clinic_access.visits FROM clinic_nurse",
            "grant_drift",
            "clinic_access.visits to clinic_nurse",
        ),
        ("DROP VIEW clinic_access.visits", "view_drift", "clinic_access.visits"),
        (
            "CREATE OR REPLACE VIEW clinic_access.visits WITH (security_barrier) AS SELECT * FROM clinic.visits",
            "mask",
            "clinic_access.visits.symptoms",
        ),
        ("ALTER VIEW clinic_access.visits RESET (security_barrier)", "view_drift", "clinic_access.visits"),
        (
            "CREATE FUNCTION clinic.leak() RETURNS SETOF clinic.patients LANGUAGE sql SECURITY DEFINER"
            " AS 'SELECT * FROM clinic.patients'",
            "grant_drift",
            "EXECUTE on function clinic.clinic.leak() to PUBLIC",
        ),
    ],
)
def test_drift_is_found_told_and_put_right(governed: Database, statement: str, check: str, told: str) -> None:
    with governed.engine.begin() as connection:
        connection.execute(text(statement))
    found = failures(governed)
    assert [finding for finding in found if finding.check == check and told in finding.subject], found
    assert apply_access(governed.engine, clinic(), policies()).changes
    assert failures(governed) == []


def test_a_grant_on_a_table_is_also_seen_as_what_it_allows(governed: Database) -> None:
    with governed.engine.begin() as connection:
        connection.execute(text("GRANT USAGE ON SCHEMA clinic TO clinic_reader"))
        connection.execute(text("GRANT SELECT, DELETE ON clinic.patients TO clinic_reader"))
    tried = {(found.check, found.subject) for found in failures(governed) if found.role == "clinic_reader"}
    assert ("read_table", "clinic.patients") in tried
    assert ("read_hidden", "clinic.patients.diagnosis") in tried
    assert ("delete_table", "clinic.patients") in tried


@pytest.fixture
def stranger(governed: Database) -> Iterator[str]:
    with governed.server.connect() as admin:
        admin.execute("CREATE ROLE clinic_visitor NOLOGIN")
    yield "clinic_visitor"
    with governed.server.connect(governed.name) as admin:
        admin.execute("DROP OWNED BY clinic_visitor")
        admin.execute("DROP ROLE clinic_visitor")


def test_grants_to_strangers_are_reported_or_revoked_as_policy_says(governed: Database, stranger: str) -> None:
    with governed.engine.begin() as connection:
        connection.execute(text(f"GRANT SELECT ON clinic_access.patients TO {stranger}"))
    reporting = policies()
    assert apply_access(governed.engine, clinic(), reporting).changes == ()
    assert [found.role for found in failures(governed)] == [stranger]
    revoking = dataclasses.replace(reporting, access=dataclasses.replace(reporting.access, revokes_unexpected=True))
    changes = apply_access(governed.engine, clinic(), revoking).changes
    assert [change.action for change in changes] == ["grant_revoked"]
    assert failures(governed) == []


def test_memberships_are_reported_unless_policy_names_them(governed: Database, stranger: str) -> None:
    with governed.engine.begin() as connection:
        connection.execute(text(f"GRANT clinic_nurse TO {stranger}"))
    assert [(found.check, found.found) for found in failures(governed)] == [
        ("role_drift", f"{stranger} is a member of clinic_nurse")
    ]
    rules = policies()
    access = dataclasses.replace(rules.access, members={"clinic_nurse": (stranger,)})
    assert failures(governed, dataclasses.replace(rules, access=access)) == []


def test_a_role_that_was_made_a_member_of_a_higher_one_leaks_and_is_told(governed: Database) -> None:
    with governed.engine.begin() as connection:
        connection.execute(text("GRANT clinic_engineer TO clinic_reader"))
    try:
        found = failures(governed)
    finally:
        with governed.engine.begin() as connection:
            connection.execute(text("REVOKE clinic_engineer FROM clinic_reader"))
    checks = {finding.check for finding in found if finding.role == "clinic_reader"}
    assert {"mask", "switch_role", "role_drift", "read_table"} <= checks


def test_dangerous_attributes_are_told(governed: Database) -> None:
    with governed.server.connect() as admin:
        admin.execute("ALTER ROLE clinic_nurse LOGIN BYPASSRLS")
    try:
        found = {(finding.check, finding.found) for finding in failures(governed)}
    finally:  # roles are the server's, not the database's
        with governed.server.connect() as admin:
            admin.execute("ALTER ROLE clinic_nurse NOLOGIN NOBYPASSRLS")
    assert found == {("role_drift", "LOGIN"), ("role_drift", "BYPASSRLS")}


def test_a_database_that_was_never_governed_fails_in_findings_not_in_an_error(database: Database) -> None:
    domain = clinic(other="role: clinic_nurse,=>role: clinic_absent,")
    make_clinic(database.engine, domain)
    findings = [found for found in verify_access(database.engine, domain, policies()) if not found.passed]
    checks = {found.check for found in findings}
    assert {"role_exists", "view_drift", "grant_drift"} <= checks
