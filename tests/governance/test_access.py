"""Roles, masked views and grants: applied to a real database and tried as the roles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.governance.access import apply_access
from groundwork.governance.statements import compose, name, run
from groundwork.governance.views import access_schema, plan_views, release_views
from groundwork.model.errors import ConfigError, RetriableError
from tests.fix_postgres import Database
from tests.governance.clinic import ODD, PATIENTS, PROJECT, ROLES, clinic, make_clinic, market, policies

pytestmark = pytest.mark.postgres
CLEARED = {
    "clinic_reader": (),
    "clinic_nurse": ("confidential",),
    "clinic_clerk": ("confidential",),
    "clinic_engineer": ("confidential", "restricted"),
}
PATIENT_COLUMNS = {column.name: column for column in clinic().table("patients").columns}
MASKED = [name for name, column in PATIENT_COLUMNS.items() if column.classification != "internal"]


@contextmanager
def acting_as(database: Database, role: str) -> Iterator[Connection]:
    with database.engine.connect() as connection, connection.begin() as transaction:
        run(connection, compose("SET LOCAL ROLE {role}", role=name(role)))
        yield connection
        transaction.rollback()


def refused(database: Database, role: str, statement: str) -> bool:
    with acting_as(database, role) as connection:
        try:
            connection.execute(text(statement))
        except DBAPIError as error:
            return getattr(error.orig, "sqlstate", None) == "42501"
    return False


@pytest.fixture(scope="module")
def governed(module_database: Database) -> Database:
    make_clinic(module_database.engine, clinic())
    apply_access(module_database.engine, clinic(), PROJECT / "governance" / "policies")
    return module_database


def values(database: Database, role: str, column: str) -> Sequence[object]:
    with acting_as(database, role) as connection:
        query = compose("SELECT {c} FROM clinic_access.patients ORDER BY patient_id", c=name(column))
        return [row[0] for row in run(connection, query)]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("column", MASKED)
def test_every_role_sees_every_guarded_column_up_to_its_clearance(governed: Database, role: str, column: str) -> None:
    with governed.engine.connect() as connection:
        query = compose("SELECT {c} FROM clinic.patients ORDER BY patient_id", c=name(column))
        true = [row[0] for row in run(connection, query)]
    seen = values(governed, role, column)
    assert len(seen) == len(PATIENTS)
    if PATIENT_COLUMNS[column].classification in CLEARED[role]:
        assert seen == true
    else:
        assert all(shown is None or shown != value for shown, value in zip(seen, true, strict=True))
        assert not set(map(str, seen)) & set(map(str, true))


def test_what_is_open_to_all_roles_is_not_masked(governed: Database) -> None:
    assert values(governed, "clinic_reader", "city") == ["Berlin"] * len(PATIENTS)


def test_equal_values_keep_equal_hashes_so_that_joins_hold(governed: Database) -> None:
    with acting_as(governed, "clinic_reader") as connection:
        joined = connection.execute(
            text(
                "SELECT count(*) FROM clinic_access.patients a JOIN clinic_access.patients b"
                " ON a.insurance_ref = b.insurance_ref"
            )
        ).scalar_one()
    assert joined == len(PATIENTS)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM clinic.patients",
        "TRUNCATE clinic.patients",
        "UPDATE clinic_access.patients SET city = 'x'",
        "INSERT INTO clinic_access.patients (patient_id) VALUES (gen_random_uuid())",
        "DELETE FROM clinic_access.patients",
        "SELECT * FROM groundwork_governance.masking_key",
        "CREATE TABLE clinic.mine (a int)",
        "CREATE VIEW clinic_access.mine AS SELECT 1",
        "ALTER TABLE clinic.patients ADD COLUMN mine int",
        "CREATE ROLE mine",
    ],
)
def test_no_role_may(governed: Database, role: str, statement: str) -> None:
    assert refused(governed, role, statement)


@pytest.mark.parametrize("role", ["clinic_clerk", "clinic_engineer"])
def test_no_role_can_pass_its_rights_on(governed: Database, role: str) -> None:
    """PostgreSQL only warns when somebody grants what he may not; what counts is that nothing was given."""
    with acting_as(governed, role) as connection:
        connection.execute(text("GRANT SELECT ON clinic.patients TO clinic_reader"))
        query = text("SELECT has_any_column_privilege('clinic_reader', 'clinic.patients', 'SELECT')")
        assert not connection.execute(query).scalar_one()


@pytest.mark.parametrize("role", ["clinic_reader", "clinic_nurse"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT city FROM clinic.patients",
        "SELECT count(*) FROM clinic.patients",
        "SELECT * FROM clinic.visits_y2020",
        "UPDATE clinic.patients SET city = 'x'",
        "INSERT INTO clinic.visits VALUES (1, '2020-01-01', gen_random_uuid(), 'x')",
    ],
)
def test_read_roles_never_touch_the_tables(governed: Database, role: str, statement: str) -> None:
    assert refused(governed, role, statement)


def test_a_write_role_reads_tables_up_to_its_clearance_only(governed: Database) -> None:
    with acting_as(governed, "clinic_clerk") as connection:
        assert connection.execute(text("SELECT full_name FROM clinic.patients LIMIT 1")).scalar_one()
        connection.execute(text("UPDATE clinic.patients SET city = 'Bonn' WHERE email LIKE 'anna%'"))
        connection.execute(text("UPDATE clinic.patients SET diagnosis = 'Flu'"))
    for statement in (
        "SELECT diagnosis FROM clinic.patients",
        "SELECT * FROM clinic.patients",
        "UPDATE clinic.patients SET city = diagnosis",
        "UPDATE clinic.patients SET city = 'x' RETURNING diagnosis",
        "DELETE FROM clinic.patients WHERE diagnosis = 'Asthma'",
        "SELECT p FROM clinic.patients p",
    ):
        assert refused(governed, "clinic_clerk", statement), statement


def test_an_engineer_writes_through_the_table(governed: Database) -> None:
    with acting_as(governed, "clinic_engineer") as connection:
        connection.execute(text("UPDATE clinic.patients SET city = diagnosis"))
        connection.execute(
            text("INSERT INTO clinic.visits SELECT 99, '2024-02-02', patient_id, 'x' FROM clinic.patients LIMIT 1")
        )


@pytest.fixture
def person(governed: Database) -> Iterator[psycopg.Connection]:
    """A login of a person who is a member of the reading role, as the server sees one."""
    with governed.server.connect() as admin:
        admin.execute("CREATE ROLE clinic_person LOGIN PASSWORD 'secret' IN ROLE clinic_reader")
    connection = psycopg.connect(governed.server.url("clinic_person", "secret", governed.name).replace("+psycopg", ""))
    yield connection
    connection.close()
    with governed.server.connect() as admin:
        admin.execute("DROP ROLE clinic_person")


@pytest.mark.parametrize("other", ["clinic_nurse", "clinic_clerk", "clinic_engineer", "groundwork_test", "postgres"])
def test_a_member_of_one_role_cannot_become_another(person: psycopg.Connection, other: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        person.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(other)))


def test_a_member_reads_masked_and_cannot_read_the_table(person: psycopg.Connection) -> None:
    row = person.execute("SELECT full_name FROM clinic_access.patients ORDER BY full_name LIMIT 1").fetchone()
    assert row == ("A***",)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        person.execute("SELECT full_name FROM clinic.patients")


@pytest.mark.parametrize("has_barrier", [True, False])  # the policy as shipped last: later tests build on it
def test_a_cheap_function_in_a_query_sees_masked_values_only(
    governed: Database, person: psycopg.Connection, has_barrier: bool
) -> None:
    """A planner that runs the caller's function before the view's expressions would hand it the true values."""
    rules = policies()
    rules = dataclasses.replace(rules, access=dataclasses.replace(rules.access, has_barrier=has_barrier))
    apply_access(governed.engine, clinic(), rules)
    seen: list[str] = []
    person.add_notice_handler(lambda notice: seen.append(notice.message_primary or ""))
    person.execute(
        "CREATE FUNCTION pg_temp.tell(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001"
        " AS $$ BEGIN RAISE NOTICE 'saw %', value; RETURN true; END $$"
    )
    person.execute(
        "CREATE FUNCTION pg_temp.same(a text, b text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001"
        " AS $$ BEGIN RAISE NOTICE 'saw %', a; RETURN a = b; END $$"
    )
    person.execute("CREATE OPERATOR pg_temp.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.same)")
    for column in ("full_name", "email", "diagnosis", "ssn"):
        cast = sql.SQL("CAST({} AS text)").format(sql.Identifier(column))
        person.execute(sql.SQL("SELECT 1 FROM clinic_access.patients WHERE pg_temp.tell({})").format(cast))
        person.execute(sql.SQL("SELECT 1 FROM clinic_access.patients WHERE {} OPERATOR(pg_temp.===) 'x'").format(cast))
    true = {str(patient[column]) for patient in PATIENTS for column in ("full_name", "email", "diagnosis", "ssn")}
    assert len(seen) == 4 * 2 * len(PATIENTS)
    assert not [message for message in seen if any(value in message for value in true)]


def test_names_that_try_to_break_out_of_sql_are_only_names(governed: Database) -> None:
    with governed.engine.begin() as connection:
        run(
            connection,
            compose("INSERT INTO {t} VALUES (1, 'fifty % off', 'b', 'c', 'd')", t=name("clinic", ODD)),
        )
    query = compose("SELECT * FROM {view}", view=name("clinic_access", ODD))
    with acting_as(governed, "clinic_reader") as connection:
        seen = run(connection, query).one()
    assert (seen[0], seen[1], seen[2], seen[4]) == (1, "[redacted]", None, None)
    assert len(str(seen[3])) == 64
    with acting_as(governed, "clinic_engineer") as connection:
        assert tuple(run(connection, query).one()) == (1, "fifty % off", "b", "c", "d")


def test_views_have_the_tables_columns_types_and_order(governed: Database) -> None:
    query = text(
        "SELECT table_schema, column_name, ordinal_position, udt_name, character_maximum_length, numeric_precision,"
        " numeric_scale FROM information_schema.columns WHERE table_name = 'patients' ORDER BY 1, 3"
    )
    with governed.engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    table = [row[1:] for row in rows if row[0] == "clinic"]
    assert table == [row[1:] for row in rows if row[0] == "clinic_access"]
    assert len(table) == len(PATIENT_COLUMNS)


def test_a_second_run_changes_nothing(governed: Database) -> None:
    assert apply_access(governed.engine, clinic(), policies()).changes == ()


def test_a_dry_run_tells_and_leaves_nothing(database: Database) -> None:
    make_clinic(database.engine, clinic())
    told = apply_access(database.engine, clinic(), policies(), is_dry_run=True)
    assert "view_made" in {change.action for change in told.changes}
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT to_regnamespace('clinic_access')")).scalar() is None
    done = apply_access(database.engine, clinic(), policies())
    roles_made_before = {change for change in told.changes if change.action == "role_made"}
    assert set(told.changes) - roles_made_before == set(done.changes) - roles_made_before


def test_a_new_column_in_the_middle_appears_in_the_view(database: Database) -> None:
    make_clinic(database.engine, clinic())
    apply_access(database.engine, clinic(), policies())
    wider = clinic(
        wider="      - {name: city,=>      - {name: town, physicalType: text, classification: confidential}\n"
        "      - {name: city,"
    )
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE clinic.patients ADD COLUMN town text DEFAULT 'Pankow'"))
    changes = apply_access(database.engine, wider, policies()).changes
    assert ("view_replaced", "clinic_access.patients") in {(change.action, change.subject) for change in changes}
    with acting_as(database, "clinic_reader") as connection:
        columns = list(connection.execute(text("SELECT * FROM clinic_access.patients LIMIT 1")).keys())
        assert columns[-2:] == ["town", "city"]
        assert connection.execute(text("SELECT DISTINCT town FROM clinic_access.patients")).scalars().all() == [
            "[redacted]"
        ]
    assert apply_access(database.engine, wider, policies()).changes == ()


def test_a_column_type_changes_after_the_views_are_released(database: Database) -> None:
    make_clinic(database.engine, clinic())
    apply_access(database.engine, clinic(), policies())
    change = text("ALTER TABLE clinic.patients ALTER COLUMN email TYPE varchar(200)")
    with pytest.raises(DBAPIError, match="used by a view"), database.engine.begin() as connection:
        connection.execute(change)
    with database.engine.begin() as connection:
        assert release_views(connection, [clinic().table("patients")]) == ["clinic_access.patients"]
        connection.execute(change)
    changes = {change.action for change in apply_access(database.engine, clinic(), policies()).changes}
    assert changes == {"view_made", "grant_given"}


def test_a_table_that_left_the_contract_loses_its_view(database: Database) -> None:
    make_clinic(database.engine, clinic())
    apply_access(database.engine, clinic(), policies())
    with database.engine.begin() as connection:
        connection.execute(text("CREATE VIEW clinic_access.left_over AS SELECT full_name FROM clinic.patients"))
    changes = apply_access(database.engine, clinic(), policies()).changes
    assert [(change.action, change.subject) for change in changes] == [("view_dropped", "clinic_access.left_over")]


def test_a_view_that_others_stand_on_is_named_and_nothing_is_changed(database: Database) -> None:
    make_clinic(database.engine, clinic())
    apply_access(database.engine, clinic(), policies())
    with database.engine.begin() as connection:
        connection.execute(text("CREATE VIEW on_top AS SELECT email FROM clinic_access.patients"))
    narrower = clinic(
        narrower="      - {name: email, physicalType: varchar(80), classification: confidential,"
        " customProperties: [{property: personalData, value: email}]}\n=>"
    )
    with pytest.raises(ConfigError, match="something depends on it"):
        apply_access(database.engine, narrower, policies())
    assert apply_access(database.engine, clinic(), policies()).changes == ()


def test_a_role_that_lost_its_right_to_write_loses_the_grants(database: Database) -> None:
    make_clinic(database.engine, clinic())
    apply_access(database.engine, clinic(), policies())
    reading = clinic(less="role: clinic_clerk, access: write=>role: clinic_clerk, access: read")
    changes = apply_access(database.engine, reading, policies()).changes
    assert {change.action for change in changes} == {"grant_revoked"}
    assert refused(database, "clinic_clerk", "UPDATE clinic.patients SET city = 'x'")
    assert refused(database, "clinic_clerk", "SELECT city FROM clinic.patients")


def test_a_table_that_is_not_made_yet_is_told(database: Database) -> None:
    with pytest.raises(ConfigError, match="no column `patient_id`") as caught:
        apply_access(database.engine, clinic(), policies())
    assert "data_foundation" in str(caught.value)


def test_a_login_without_the_right_to_make_roles_is_told(database: Database) -> None:
    domain = clinic(other="role: clinic_nurse,=>role: clinic_stranger,")
    make_clinic(database.engine, domain)
    with database.server.connect() as admin:
        admin.execute("CREATE ROLE clinic_stranger NOLOGIN")
    with pytest.raises(ConfigError, match="cannot switch to the role"):
        apply_access(database.engine, domain, policies())
    with database.server.connect() as admin:
        admin.execute("DROP ROLE clinic_stranger")


def test_a_view_that_is_held_open_is_left_for_the_next_try(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    make_clinic(database.engine, clinic())
    apply_access(database.engine, clinic(), policies())
    stricter = clinic(
        stricter="name: city, physicalType: text, classification: internal=>"
        "name: city, physicalType: text, classification: restricted"
    )
    with database.engine.connect() as reader:
        reader.execute(text("SELECT 1 FROM clinic_access.patients LIMIT 1"))
        with monkeypatch.context() as hasty:
            hasty.setattr("groundwork.governance.access._LOCK_TIMEOUT", "200ms")
            with pytest.raises(RetriableError, match="could not be applied now"):
                apply_access(database.engine, stricter, policies())
        reader.rollback()
    changes = apply_access(database.engine, stricter, policies()).changes
    assert ("view_replaced", "clinic_access.patients") in {(change.action, change.subject) for change in changes}


def test_the_markets_views_hide_what_its_contracts_guard(database: Database) -> None:
    from groundwork.contracts.derive.ddl import statements

    with database.engine.begin() as connection:
        for statement in statements(market()):
            connection.exec_driver_sql(statement.sql, execution_options={"no_parameters": True})
    report = apply_access(database.engine, market(), policies())
    assert report.masked_columns == 6
    assert apply_access(database.engine, market(), policies()).changes == ()
    with database.engine.connect() as connection:
        guarded = {
            f"{plan.table.name}.{column.name}"
            for plan in plan_views(connection, market(), policies())
            for column in plan.hidden_from("market_reader")
        }
    assert guarded == {
        "news_articles.author_name", "news_articles.author_email", "strategies.config", "trading_signals.indicators",
        "orders.quantity", "orders.limit_price",
    }  # fmt: skip
    assert access_schema("market") == "market_access"
