"""Every gate opens on a domain that is in order, closes on the defect it is for, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.catalog.postgres_programs import program_folder, run_program
from groundwork.change.apply import migrate_domain
from groundwork.contracts.contract import Domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract, read_domain
from groundwork.foundation.release.backup_verified import backup_verified
from groundwork.foundation.release.data_validated import data_validated
from groundwork.foundation.release.gates import GATES, decide, measure_gate, override_gate
from groundwork.foundation.release.migration_tested import migration_tested
from groundwork.foundation.release.performance_tested import performance_tested
from groundwork.foundation.release.schema_review import schema_reviewed
from groundwork.foundation.release.scratch_database import PREFIX, scratch_database
from groundwork.foundation.release.subject import Budgets, ReleaseSubject
from groundwork.model.errors import ConfigError, DataQualityError, RetriableError
from groundwork.quality.run import validate_domain
from groundwork.store.audit import AuditTrail
from groundwork.store.contract_version import ContractVersions
from groundwork.store.migrate import migrate
from groundwork.store.release import Releases
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: library-books
name: Books
version: 1.0.0
status: active
domain: library
description: {purpose: Books and who borrowed them., usage: Read a book by its number., limitations: None.}
team: {name: library, members: [{username: ana@example.org, role: owner}]}
customProperties:
  - {property: databaseSchema, value: shelf}
schema:
  - name: books
    physicalType: table
    logicalType: object
    description: One row per book.
    dataGranularityDescription: one row per book
    properties:
      - {name: book_id, logicalType: integer, physicalType: bigint, required: true, primaryKey: true,
         primaryKeyPosition: 1, classification: internal, description: Number of the book.}
      - {name: title, logicalType: string, physicalType: text, required: true, classification: public,
         description: What is on the cover.}
      - {name: price, logicalType: number, physicalType: "numeric(10,2)", classification: internal,
         description: Paid for it in euros., logicalTypeOptions: {minimum: 0}}
    customProperties:
      - property: accessPatterns
        value:
          - {name: one_book, query: "SELECT title FROM shelf.books WHERE book_id = 1"}
"""
COLUMN = """      - {name: shelf_mark, logicalType: string, physicalType: text, classification: public,
         description: Where it stands.}
    customProperties:
"""


def library(folder: Path, contract: str = CONTRACT) -> Domain:
    (folder / "library").mkdir(exist_ok=True)
    (folder / "library" / "library.odcs.yaml").write_text(contract, encoding="utf-8")
    return read_domain("library", folder)


@pytest.fixture
def scratch(database: Database) -> Iterator[Engine]:
    server = database.server
    engine = create_engine(server.url("postgres", server.superuser_password, "postgres"))
    yield engine
    with engine.connect() as connection:
        left = connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE :p"), {"p": PREFIX + "%"})
        assert left.all() == []
    engine.dispose()


@pytest.fixture
def subject(database: Database, scratch: Engine, tmp_path: Path) -> ReleaseSubject:
    """The library, made and filled, in a database that is its store too."""
    migrate(database.engine)
    domain = library(tmp_path)
    migrate_domain(database.engine, domain)
    with database.engine.begin() as connection:
        rows = "INSERT INTO shelf.books SELECT i, 'Book ' || i, i FROM generate_series(1, 2000) AS i"
        connection.execute(text(rows))
    return ReleaseSubject(
        domain=domain,
        contracts=tmp_path,
        warehouse=database.engine,
        store=database.engine,
        scratch=scratch,
        target="warehouse",
        budgets=Budgets(slowest_query_seconds=60),  # whatever else the machine has to do
    )


def _run(subject: ReleaseSubject, statement: str) -> None:
    with subject.warehouse.begin() as connection:
        connection.execute(text(statement))


def _validate(subject: ReleaseSubject) -> None:
    validate_domain(
        subject.warehouse,
        subject.store,
        subject.domain,
        expectations=subject.contracts / "none",
        run_id="r",
        stage="scheduled",
        use_great_expectations=False,
    )


def test_a_domain_in_order_passes_every_gate(subject: ReleaseSubject) -> None:
    _validate(subject)
    Releases(subject.store).start("one", "library", "test")
    found = {gate: measure_gate(subject, gate, run_id="one") for gate in GATES}
    assert {gate: result.passed for gate, result in found.items()} == dict.fromkeys(GATES, True), found
    decision = decide(subject.store, "library", run_id="one", actor="test")
    assert decision.is_passed
    assert decision.why == "passed: all 5 gates let it pass"
    decision.raise_if_blocked()
    assert [row["state"] for row in Releases(subject.store).latest(["library"])] == ["passed"]
    assert AuditTrail(subject.store).latest(1)[0]["action"] == "release_passed"


def test_a_change_that_would_have_to_be_refused_closes_the_review(subject: ReleaseSubject) -> None:
    narrower = CONTRACT.replace("physicalType: text, required: true", "physicalType: integer, required: true")
    found = schema_reviewed(replace(subject, domain=library(subject.contracts, narrower)))
    assert not found.passed
    assert found.next_step
    assert found.details["refusals"] or found.details["errors"]


def test_a_harmless_change_that_is_due_passes_the_review_and_is_tried_with_the_live_rows(
    subject: ReleaseSubject,
) -> None:
    wider = replace(subject, domain=library(subject.contracts, CONTRACT.replace("    customProperties:\n", COLUMN)))
    assert schema_reviewed(wider).passed
    found = migration_tested(wider)
    assert found.passed, found.found
    assert found.details["start"] == "a copy of the live tables with their rows"
    assert found.details["steps"] == ["up: 1 stages", "down: 1 stages", "up again: 1 stages"]
    with subject.warehouse.connect() as connection:  # the trial was elsewhere
        columns = text("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'shelf'")
        assert connection.execute(columns).scalar_one() == 3


def test_a_migration_that_the_live_rows_do_not_fit_closes_the_gate(subject: ReleaseSubject) -> None:
    stricter = CONTRACT.replace("logicalTypeOptions: {minimum: 0}}", "logicalTypeOptions: {minimum: 0}, unique: true}")
    _run(subject, "UPDATE shelf.books SET price = 5 WHERE book_id IN (1, 2)")
    found = migration_tested(replace(subject, domain=library(subject.contracts, stricter)))
    assert not found.passed
    assert found.next_step == "groundwork generate-migration explain library"


def test_without_anything_due_the_step_from_the_contracts_before_is_tried(subject: ReleaseSubject) -> None:
    assert migration_tested(subject).details["start"] == "an empty database"
    versions = ContractVersions(subject.store)
    for number, contract in enumerate((CONTRACT.replace("title, logicalType", "name, logicalType"), CONTRACT)):
        document = parse_document(contract, Path("library.odcs.yaml"))
        found = read_contract(document)
        versions.record("library", "warehouse", [(found.id, f"{number}", "library.odcs.yaml", document.data)])
    found_now = migration_tested(subject)
    assert found_now.details["start"] == "the tables of the contracts before, empty"
    assert found_now.passed, found_now.found


def test_a_query_over_the_budget_or_without_an_index_closes_the_gate(subject: ReleaseSubject) -> None:
    assert performance_tested(subject).passed
    slow = performance_tested(replace(subject, budgets=Budgets(slowest_query_seconds=1e-9)))
    assert not slow.passed
    assert "too slow: shelf.books.one_book" in slow.found
    by_title = CONTRACT.replace("WHERE book_id = 1", "WHERE title = 'Book 7'")
    unserved = performance_tested(replace(subject, domain=library(subject.contracts, by_title)))
    assert not unserved.passed
    assert "without an index: shelf.books.one_book" in unserved.found


def test_data_that_was_not_validated_or_broke_its_contract_closes_the_gate(subject: ReleaseSubject) -> None:
    assert "it was never validated" in data_validated(subject).found
    _validate(subject)
    assert data_validated(subject).passed
    old = data_validated(replace(subject, budgets=Budgets(oldest_validation_seconds=-1)))
    assert "hours old" in old.found
    _run(subject, "ALTER TABLE shelf.books DROP CONSTRAINT IF EXISTS books_price_check")
    _run(subject, "UPDATE shelf.books SET price = -1 WHERE book_id = 1")
    _validate(subject)
    broken = data_validated(subject)
    assert not broken.passed
    assert "1 checks failed: shelf.books.price.between" in broken.found


def test_a_backup_is_restored_and_compared_row_by_row(subject: ReleaseSubject) -> None:
    found = backup_verified(subject)
    assert found.passed, found.found
    assert found.details["tables"] == {"shelf.books": 2000}
    assert "2,000 rows restored" in found.found


def test_a_backup_without_a_declared_table_closes_the_gate(subject: ReleaseSubject) -> None:
    _run(subject, "DROP TABLE shelf.books")
    found = backup_verified(subject)
    assert not found.passed
    assert "shelf.books" in found.found


def test_a_domain_too_large_for_the_gate_is_told_so(subject: ReleaseSubject) -> None:
    found = backup_verified(replace(subject, budgets=Budgets(largest_backup_bytes=10)))
    assert not found.passed
    assert found.next_step
    assert "override" in found.next_step


def test_a_role_that_may_not_make_databases_closes_the_gate_with_the_way_out(subject: ReleaseSubject) -> None:
    poor = replace(subject, scratch=subject.warehouse)
    with pytest.raises(ConfigError, match="may not make a database"), scratch_database(poor.scratch):
        pass
    Releases(subject.store).start("two", "library", "test")
    found = measure_gate(poor, "backup_verified", run_id="two")
    assert not found.passed
    assert found.next_step
    assert "CREATEDB" in found.next_step
    assert "groundwork_test" not in str(found.details)


def test_a_closed_gate_blocks_until_a_person_overrides_it(subject: ReleaseSubject) -> None:
    Releases(subject.store).start("three", "library", "test")
    for gate in ("schema_reviewed", "data_validated"):
        measure_gate(subject, gate, run_id="three")
    chosen = ("schema_reviewed", "data_validated")
    blocked = decide(subject.store, "library", run_id="three", actor="test", gates=chosen)
    with pytest.raises(DataQualityError, match="never validated"):
        blocked.raise_if_blocked()
    override_gate(
        subject.store,
        "library",
        "data_validated",
        person="Ana Lima",
        reason="the validation runs tonight",
        actor="test",
        hours=1,
    )
    passed = decide(subject.store, "library", run_id="three", actor="test", gates=chosen)
    assert passed.is_passed
    assert "Ana Lima" in passed.why
    assert "let through by Ana Lima" in passed.to_text()
    actions = [event["action"] for event in AuditTrail(subject.store).latest(3)]
    assert actions == ["release_passed", "gate_overridden", "release_blocked"]


def test_an_override_does_not_open_a_gate_that_was_not_measured(subject: ReleaseSubject) -> None:
    Releases(subject.store).start("four", "library", "test")
    override_gate(
        subject.store, "library", "backup_verified", person="A", reason="a reason long enough", actor="t", hours=1
    )
    decision = decide(subject.store, "library", run_id="four", actor="test", gates=("backup_verified",))
    assert not decision.is_passed
    assert "not measured" in decision.why


@pytest.mark.parametrize(
    ("person", "reason", "hours", "gate"),
    [
        ("  ", "a reason long enough", 1, "data_validated"),
        ("Ana", "short", 1, "data_validated"),
        ("Ana", "a reason long enough", 0, "data_validated"),
        ("Ana", "a reason long enough", 721, "data_validated"),
        ("Ana", "a reason long enough", 1, "luck"),
    ],
)
def test_an_override_needs_a_person_a_reason_and_an_end(
    subject: ReleaseSubject, person: str, reason: str, hours: float, gate: str
) -> None:
    with pytest.raises(ConfigError):
        override_gate(subject.store, "library", gate, person=person, reason=reason, actor="test", hours=hours)
    assert AuditTrail(subject.store).latest(1) == []


def test_a_database_that_a_killed_trial_left_is_dropped_by_the_next(subject: ReleaseSubject) -> None:
    old, young = f"{PREFIX}1000000000_abandoned", f"{PREFIX}9000000000_busy"
    automatic = subject.scratch.execution_options(isolation_level="AUTOCOMMIT")
    with automatic.connect() as connection:
        for name in (old, young):
            connection.execute(text(f"CREATE DATABASE {name}"))
        with scratch_database(subject.scratch) as trial:
            found = connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE 'groundwork_trial%'"))
            assert set(found.scalars()) == {young, trial.url.database}
        connection.execute(text(f"DROP DATABASE {young}"))


def test_without_programs_for_the_server_there_is_no_backup(
    subject: ReleaseSubject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert program_folder(10_000) is None
    monkeypatch.setenv("GROUNDWORK_POSTGRES_PROGRAMS", str(tmp_path))  # a folder without programs is passed over
    assert backup_verified(subject).passed
    monkeypatch.setattr("groundwork.catalog.postgres_programs.program_folder", lambda _: None)
    with pytest.raises(ConfigError, match="no pg_dump"):
        backup_verified(subject)


def test_a_program_that_fails_or_hangs_is_told_without_the_password(subject: ReleaseSubject, tmp_path: Path) -> None:
    with subject.warehouse.connect() as connection:
        major = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
    folder = program_folder(major)
    assert folder is not None
    url = subject.warehouse.url
    with pytest.raises(ConfigError) as failed:
        run_program(folder, "pg_dump", ["--schema=nowhere"], url, timeout_seconds=240)
    assert url.password
    assert url.password not in str(failed.value)
    hanging = tmp_path / "pg_dump"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    hanging.chmod(0o755)
    with pytest.raises(RetriableError, match="longer than it may"):
        run_program(tmp_path, "pg_dump", [], url, timeout_seconds=0.1)
