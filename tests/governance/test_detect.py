"""Classification of live tables, comparison with the contract, and people's decisions."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from groundwork.contracts.contract import Domain
from groundwork.governance.classification.compare import compare_with_contract, override
from groundwork.governance.classification.detect import detect_columns
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification, PersonalData
from groundwork.store.audit import AuditTrail
from groundwork.store.classification import ClassificationResults
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.governance.clinic import clinic, make_clinic, market

pytestmark = pytest.mark.postgres


def detected(database: Database, domain: Domain) -> dict[str, PersonalData | None]:
    overrides = ClassificationResults(database.engine).overrides()
    with database.engine.connect() as connection:
        found = detect_columns(connection, domain, overrides=overrides)
    return {f"{detection.table}.{detection.column}": detection.personal_data for detection in found}


@pytest.fixture
def store(database: Database) -> Database:
    migrate(database.engine)
    return database


def test_the_clinics_personal_data_is_found_and_agrees(store: Database) -> None:
    domain = clinic()
    make_clinic(store.engine, domain)
    with store.engine.connect() as connection:
        comparisons = compare_with_contract(domain, detect_columns(connection, domain))
    by_column = {found.detection.column: found for found in comparisons if found.detection.table == "patients"}
    for column in ("full_name", "email", "phone", "home_address", "card_number", "iban", "ssn", "date_of_birth"):
        assert by_column[column].detection.personal_data == by_column[column].declared_personal_data, column
        assert by_column[column].agrees, by_column[column].difference
    assert by_column["email"].detection.sampled == 6
    assert by_column["city"].detection.personal_data is None


def test_tables_that_are_empty_or_not_made_yet_are_judged_by_name(store: Database) -> None:
    absent = detected(store, clinic())
    make_clinic(store.engine, clinic(), with_rows=False)
    empty = detected(store, clinic())
    assert absent == empty
    assert empty["patients.email"] is PersonalData.EMAIL
    assert empty["patients.ssn"] is PersonalData.NATIONAL_ID


def test_a_contract_that_declares_too_little_is_told(store: Database) -> None:
    domain = clinic(
        weaker="email, physicalType: varchar(80), classification: confidential, customProperties: [{property:"
        " personalData, value: email}]=>email, physicalType: varchar(80), classification: public"
    )
    make_clinic(store.engine, domain)
    with store.engine.connect() as connection:
        comparisons = compare_with_contract(domain, detect_columns(connection, domain))
    found = next(found for found in comparisons if found.detection.column == "email")
    assert found.is_under_classified
    assert found.difference == (
        "declared public, the evidence demands confidential; declared no personal data, detected personal data (email)"
    )


def test_the_market_has_one_author_and_no_other_persons(store: Database) -> None:
    found = detected(store, market())
    personal = {column for column, kind in found.items() if kind is not None}
    assert personal == {"news_articles.author_name", "news_articles.author_email"}


def test_a_large_table_is_sampled_from_all_over(store: Database) -> None:
    domain = clinic()
    make_clinic(store.engine, domain, with_rows=False)
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO clinic.patients (patient_id, full_name, diagnosis) SELECT gen_random_uuid(),"
                " 'Anna Berg', CASE WHEN n > 20000 THEN 'call ' || n || '@example.com' END"
                " FROM generate_series(1, 40000) n"
            )
        )
        connection.execute(text("ANALYZE clinic.patients"))
    with store.engine.connect() as connection:
        found = detect_columns(connection, domain, 200)
    diagnosis = next(detection for detection in found if detection.column == "diagnosis")
    assert diagnosis.sampled > 10  # the first 20000 rows hold none


def test_a_decision_counts_for_the_column_and_for_like_names(store: Database) -> None:
    domain = clinic(
        second="physicalType: text, classification: internal}=>physicalType: text, classification: internal}"
    )
    make_clinic(store.engine, domain)
    override(
        store.engine,
        domain,
        table="patients",
        column="city",
        personal_data=PersonalData.ADDRESS,
        classification=Classification.CONFIDENTIAL,
        reason="with the name it finds a person",
        by="a.steward",
    )
    assert detected(store, domain)["patients.city"] is PersonalData.ADDRESS
    other = clinic(renamed="{name: symptoms,=>{name: City2,")
    assert detected(store, other)["visits.City2"] is PersonalData.ADDRESS
    event = AuditTrail(store.engine).latest(1)[0]
    assert (event["action"], event["actor"]) == ("classification_overridden", "a.steward")


def test_the_latest_decision_wins_and_says_who_and_why(store: Database) -> None:
    domain = clinic()
    make_clinic(store.engine, domain)
    for kind, who in ((PersonalData.NAME, "first"), (None, "second")):
        override(
            store.engine,
            domain,
            table="clinic.patients",
            column="email",
            personal_data=kind,
            classification=Classification.PUBLIC,
            reason=f"because {who}",
            by=who,
        )
    with store.engine.connect() as connection:
        overrides = ClassificationResults(store.engine).overrides()
        found = detect_columns(connection, domain, overrides=overrides)
    email = next(detection for detection in found if detection.column == "email")
    assert (email.personal_data, email.overridden_by, email.confidence) == (None, "second", 1.0)
    assert "because second" in str(email.evidence[0])


@pytest.mark.parametrize(("column", "reason"), [("no_such_column", "why"), ("email", " ")])
def test_a_decision_without_a_column_or_a_reason_is_refused(store: Database, column: str, reason: str) -> None:
    with pytest.raises(ConfigError):
        override(
            store.engine,
            clinic(),
            table="patients",
            column=column,
            personal_data=None,
            classification=Classification.PUBLIC,
            reason=reason,
            by="a.steward",
        )
    assert ClassificationResults(store.engine).overrides() == []


def test_results_are_stored_and_a_repeated_run_replaces_them(store: Database) -> None:
    domain = clinic()
    results = ClassificationResults(store.engine)
    with store.engine.connect() as connection:
        comparisons = compare_with_contract(domain, detect_columns(connection, domain))
    results.record("run-1", domain.name, comparisons)
    results.record("run-1", domain.name, comparisons)
    rows = results.latest("clinic")
    assert len(rows) == sum(len(table.columns) for table in domain.tables)
    assert rows == results.of_run("run-1", "clinic")
    assert {row["column_name"] for row in rows if not row["is_agreed"]} >= {"nothing_declared"}
    assert results.latest("elsewhere") == []
