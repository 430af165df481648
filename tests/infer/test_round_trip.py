"""From a live schema to a contract, to an empty database, and compared: nothing is different on either side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from groundwork.catalog.session import run
from groundwork.change.apply import migrate_domain
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.lint import lint_files
from groundwork.contracts.read import assembled, read_contract, read_domain
from groundwork.infer.database import infer_schema
from groundwork.infer.ddl import infer_ddl
from groundwork.infer.document import to_yaml
from groundwork.infer.profile import Proposal
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.model.vocabulary import Severity
from tests.fix_postgres import Database, _fresh_database

pytestmark = pytest.mark.postgres
PROJECT = Path(__file__).resolve().parents[2]
# Errors of validate-schema that are true of the database itself.
ASKS_FOR_A_DECISION = {"foreign_key_index", "required_cycle", "primary_key", "index_redundancy", "name_form"}
SCHEMAS = ("chinook_like", "ledger", "odd", "sakila_like")


def script(name: str) -> str:
    shared, own = PROJECT / "tests" / "cases" / "schemas", PROJECT / "tests" / "infer" / "cases"
    return ((own if name == "odd" else shared) / f"{name}.sql").read_text(encoding="utf-8")


def inferred(connection: Connection, schema: str, folder: Path, **options: bool) -> tuple[Proposal, Domain]:
    """The proposal, and the domain as it is read back from the written file."""
    proposal = infer_schema(connection, schema, domain="music", **options)
    path = folder / "music" / "all.odcs.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(to_yaml(proposal), encoding="utf-8")
    return proposal, assembled("music", [read_contract(parse_document(path.read_text(encoding="utf-8"), path))])


def differences(connection: Connection, domain: Domain) -> str:
    diff = compare_domain(connection, domain)
    return "" if diff.is_empty else diff.to_text()


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[Database]:
    yield from _fresh_database(postgres)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_there_and_back(database: Database, empty: Database, schema: str, tmp_path: Path) -> None:
    with database.engine.begin() as connection:
        run(connection, script(schema))
    with database.engine.connect() as connection:
        proposal, domain = inferred(connection, schema, tmp_path)
        assert differences(connection, domain) == ""
    assert migrate_domain(empty.engine, domain).remaining.is_empty
    with empty.engine.connect() as connection:
        assert differences(connection, domain) == ""
        again, _ = inferred(connection, schema, tmp_path, profile=False)
    with database.engine.connect() as connection:
        first, _ = inferred(connection, schema, tmp_path, profile=False)
    assert again.document == first.document
    found = lint_files([tmp_path / "music" / "all.odcs.yaml"])
    assert [
        str(each) for each in found if each.severity is Severity.ERROR and each.rule not in ASKS_FOR_A_DECISION
    ] == []
    assert all(line for line in proposal.left_out)


def test_the_market_domain_is_inferred_as_it_is_declared(database: Database, tmp_path: Path) -> None:
    market = read_domain("market", PROJECT / "governance" / "contracts")
    migrate_domain(database.engine, market)
    with database.engine.connect() as connection:
        _, domain = inferred(connection, "market", tmp_path)
        assert differences(connection, domain) == ""
    assert {table.name for table in domain.tables} == {table.name for table in market.tables}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_its_sql_says_the_same_as_the_live_schema(database: Database, schema: str) -> None:
    with database.engine.connect() as connection:
        written = infer_ddl(connection, script(schema), domain="music", where=f"{schema}.sql")
        connection.rollback()
        assert not connection.execute(
            text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'groundwork_scratch%'")
        ).scalar_one()
    with database.engine.begin() as connection:
        run(connection, script(schema))
    with database.engine.connect() as connection:
        live = infer_schema(connection, schema, domain="music", profile=False)
    assert written.document["schema"] == live.document["schema"]
    assert written.document["customProperties"] == live.document["customProperties"]
