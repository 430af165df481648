"""Grants in a comparison: each one given or taken by hand is exactly that difference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.governance.access import apply_access, grant_drift
from groundwork.governance.grant_comparison import compare_grants, grants_of_table
from tests.fix_postgres import Database
from tests.governance.clinic import PROJECT, clinic, make_clinic, policies

pytestmark = pytest.mark.postgres


def numbered() -> Domain:
    """The clinic with a serial column, which its writers need the sequence for."""
    return clinic(
        a="      - {name: balance,=>      - {name: ticket, physicalType: serial, classification: internal}\n"
        "      - {name: balance,"
    )


@pytest.fixture(scope="module")
def governed(module_database: Database) -> Database:
    make_clinic(module_database.engine, numbered(), with_rows=False)
    apply_access(module_database.engine, numbered(), PROJECT / "governance" / "policies")
    return module_database


@pytest.fixture
def connection(governed: Database) -> Iterator[Connection]:
    with governed.engine.connect() as connection:
        yield connection
        connection.rollback()


def test_after_access_was_applied_nothing_differs(connection: Connection) -> None:
    found = compare_grants(connection, numbered(), policies())
    assert found.is_empty, found.to_text()
    drift = grant_drift(connection, numbered(), policies())
    assert drift == {"unexpected": [], "missing": []}


def test_a_writer_may_draw_numbers_and_a_reader_may_not(connection: Connection) -> None:
    def may(role: str) -> bool:
        question = text("SELECT has_sequence_privilege(:role, 'clinic.patients_ticket_seq', 'USAGE')")
        return bool(connection.execute(question, {"role": role}).scalar_one())

    assert (may("clinic_engineer"), may("clinic_reader")) == (True, False)


CASES = [
    (
        "GRANT SELECT ON clinic.visits TO clinic_reader",
        [("extra", "clinic", "visits", "clinic_reader", None, "SELECT on clinic.visits to clinic_reader")],
    ),
    (
        "REVOKE SELECT ON clinic_access.patients FROM clinic_nurse",
        [
            (
                "missing",
                "clinic_access",
                "patients",
                "clinic_nurse",
                "SELECT on clinic_access.patients to clinic_nurse",
                None,
            )
        ],
    ),
    (
        "REVOKE USAGE ON SCHEMA clinic_access FROM clinic_reader",
        [
            (
                "missing",
                "clinic_access",
                "",
                "clinic_reader",
                "USAGE on schema clinic_access to clinic_reader",
                None,
            )
        ],
    ),
    (
        "GRANT CREATE ON SCHEMA clinic TO PUBLIC",
        [("extra", "clinic", "", "PUBLIC", None, "CREATE on schema clinic to PUBLIC")],
    ),
    (
        "GRANT SELECT (email) ON clinic.patients TO clinic_reader",
        [("extra", "clinic", "patients", "clinic_reader", None, "SELECT on clinic.patients.email to clinic_reader")],
    ),
    (
        "REVOKE USAGE ON SEQUENCE clinic.patients_ticket_seq FROM clinic_engineer",
        [
            (
                "missing",
                "clinic",
                "patients_ticket_seq",
                "clinic_engineer",
                "USAGE on clinic.patients_ticket_seq to clinic_engineer",
                None,
            )
        ],
    ),
    (
        "GRANT INSERT ON clinic.visits TO clinic_engineer WITH GRANT OPTION",
        [
            (
                "changed",
                "clinic",
                "visits",
                "clinic_engineer",
                "INSERT on clinic.visits to clinic_engineer",
                "INSERT on clinic.visits to clinic_engineer with grant option",
            )
        ],
    ),
]


@pytest.mark.parametrize(("by_hand", "expected"), CASES, ids=[case[0][:60] for case in CASES])
def test_each_grant_by_hand_is_the_whole_difference(
    connection: Connection, by_hand: str, expected: list[tuple[str, str, str, str, str | None, str | None]]
) -> None:
    run(connection, by_hand)
    found = compare_grants(connection, numbered(), policies())
    assert [
        (each.kind, each.schema, each.table, each.name, each.declared, each.observed) for each in found.changes
    ] == expected
    assert {each.object_type for each in found.changes} == {"grant"}
    assert compare_domain(connection, numbered()).is_empty
    of_patients = grants_of_table(found, numbered(), "patients")
    assert len(of_patients.changes) == sum(table.startswith("patients") for _, _, table, *_ in expected)


def test_a_grant_to_a_stranger_counts_where_the_policy_says_so(governed: Database, connection: Connection) -> None:
    stranger = f"{governed.name}_stranger"
    run(connection, f'CREATE ROLE "{stranger}"')
    run(connection, f'GRANT SELECT ON clinic.visits TO "{stranger}"')
    found = compare_grants(connection, numbered(), policies())
    assert found.is_empty is not policies().access.revokes_unexpected


def test_what_is_not_there_has_no_grants_to_compare(connection: Connection) -> None:
    run(connection, "DROP VIEW clinic_access.visits")
    assert compare_grants(connection, numbered(), policies()).is_empty
    run(connection, "DROP VIEW clinic_access.patients")
    run(connection, "ALTER TABLE clinic.patients DROP COLUMN balance")
    assert compare_grants(connection, numbered(), policies()).is_empty


def test_roles_that_nobody_made_are_missing_grants_on_what_is_there(database: Database) -> None:
    domain = clinic()
    make_clinic(database.engine, domain, with_rows=False)
    with database.engine.connect() as connection:
        found = compare_grants(connection, domain, PROJECT / "governance" / "policies")
        assert not connection.in_transaction()
    assert {each.kind for each in found.changes} == {"missing"}
    assert "INSERT on clinic.visits to clinic_engineer" in {each.declared for each in found.changes}
    assert "clinic_reader" not in {each.name for each in found.changes}
