"""`infer`: where the contract goes, exit codes, what is told where, and the way to checked data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groundwork.access.check import check_rows
from groundwork.change.apply import migrate_domain
from groundwork.cli.main import application
from groundwork.contracts.read import read_domain
from groundwork.contracts.yaml_tree import parse_tree
from groundwork.flow.loads.load import load_table
from groundwork.model.errors import GroundworkError
from tests.fix_postgres import Database
from tests.infer.shop_files import CUSTOMERS, ORDERS, email, shop_files

_LEFT_OUT_FILE = "name,size\nx,1\nx,1\ny,2\n"  # nothing identifies a row


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    shop_files(tmp_path / "data")
    (tmp_path / "data" / "odd.csv").write_text(_LEFT_OUT_FILE)
    return tmp_path


def run(*arguments: str, command: str = "infer") -> Result:
    return CliRunner().invoke(application, [command, *arguments])


def refused(*arguments: str) -> str:
    done = run(*arguments)
    assert isinstance(done.exception, GroundworkError), done.output
    assert done.stdout == ""
    return str(done.exception)


def files(project: Path) -> list[str]:
    return sorted(str(path.relative_to(project)) for path in project.rglob("*.yaml"))


def test_the_contract_is_printed_and_the_guesses_are_told(project: Path) -> None:
    done = run("data/orders.csv", "data/customers.csv")
    assert done.exit_code == 0, done.output
    assert parse_tree(done.stdout).value["domain"] == "data"
    assert "reading data/orders.csv, data/customers.csv" in done.stderr
    assert "guesses, the least sure first:" in done.stderr
    assert "orders.amount physicalType: numeric(8,2) (all values fit numeric(5,2)" in done.stderr
    assert "surer ones; --json lists all" in done.stderr
    assert email(1) not in done.output
    assert files(project) == []
    plain = run("data/orders.csv", "--domain", "shop", "--table", "sales", "--name", "first", "--unmarked")
    document = parse_tree(plain.stdout).value
    told = [document["id"], document["status"], document["schema"][0]["name"]]
    assert (plain.exit_code, told) == (0, ["shop-first", "draft", "sales"])
    assert "evidence" not in plain.stdout


def test_what_is_left_out_exits_1(project: Path) -> None:
    done = run("data/odd.csv", "--json", "--into", "shop")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert list(told) == ["document", "guesses", "left_out", "written"]
    assert "nothing identifies a row" in told["left_out"][0]
    assert "1 left out, because a contract cannot say it:" in done.stderr
    assert told["written"] == [str(project / "governance" / "contracts" / "shop" / "odd.odcs.yaml")]
    assert parse_tree(Path(told["written"][0]).read_text()).value == told["document"]
    assert set(told["guesses"][0]) == {"pointer", "what", "evidence", "confidence"}


def test_files_are_written_once(project: Path) -> None:
    done = run("data/orders.csv", "--output", "orders.yaml")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "wrote orders.yaml" in done.stderr
    before = (project / "orders.yaml").read_text()
    assert "nothing is ever overwritten" in refused("data/customers.csv", "--output", "orders.yaml")
    assert (project / "orders.yaml").read_text() == before
    assert run("data/orders.csv", "--output", "-").stdout == before
    assert "cannot be written" in refused("data/orders.csv", "--output", "no/orders.yaml")


def test_a_dry_run_shows_and_writes_nothing(project: Path) -> None:
    done = run("data/orders.csv", "data/customers.csv", "--into", "shop", "--split", "--dry-run")
    assert done.exit_code == 0, done.output
    shown = done.stdout.split("---\n")
    assert [parse_tree(text).value["id"] for text in shown] == ["shop-orders", "shop-customers"]
    assert shown[0].startswith(f"# {project}/governance/contracts/shop/orders.odcs.yaml\n")
    assert f"would write {project}/governance/contracts/shop/customers.odcs.yaml" in done.stderr
    assert run("data/orders.csv", "--output", "x.yaml", "--dry-run").stdout
    assert files(project) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data/no.csv"], "there is no such file"),
        (["data"], "can be a schema or what lies here"),
        (["data/orders.csv", "--into", "A b"], "no name for a domain"),
        (["data/orders.csv", "--into", "a", "--domain", "b"], "the contract is of one domain"),
        (["data/orders.csv", "--into", "a", "--output", "b"], "the contract goes to one place"),
        (["data/orders.csv", "--split"], "needs a domain to write into"),
        (["data/orders.csv", "--dry-run"], "nothing would be written"),
        (["data/orders.csv", "data/customers.csv", "--table", "a"], "several files cannot all be one table"),
        (["data/orders.csv", "--no-profile"], "--no-profile says nothing here"),
    ],
)
def test_what_cannot_be_done(project: Path, arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)
    assert files(project) == []


@pytest.mark.postgres
def test_from_files_to_checked_rows(project: Path, database: Database) -> None:
    done = run("data/customers.csv", "data/orders.csv", "--into", "shop")
    assert done.exit_code == 0, done.output
    assert run("shop", command="validate-schema").exit_code == 0
    domain = read_domain("shop", project / "governance" / "contracts")
    assert migrate_domain(database.engine, domain).remaining.is_empty
    for table, rows in (("customers", CUSTOMERS), ("orders", ORDERS)):  # orders refer to customers
        path = project / "data" / f"{table}.csv"
        offline = run(table, str(path), "--offline", command="validate-data")
        assert offline.exit_code == 0, offline.output
        with database.engine.connect() as connection:
            report = check_rows(connection, domain, domain.table(table), path)
        assert (report.is_good, report.rows, report.errors) == (True, rows, ())
        loaded = load_table(database.engine, domain, domain.table(table), project=project, run_id="test")
        assert loaded.loaded == rows
    again = refused("data/customers.csv", "--into", "shop")
    assert "the table shop.customers is there" in again
