"""What a command may not import before it answers: that costs more than the answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from groundwork.cli import commands
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

_HEAVY = {
    "airflow",
    "alembic",
    "dbt",
    "duckdb",
    "fastapi",
    "great_expectations",
    "pandas",
    "pglast",
    "polars",
    "sqlglot",
}
_DRIVERS = {"sqlalchemy", "psycopg"}
_HELP = """
import sys
import typer
from groundwork.cli.main import application
command = typer.main.get_command(application)
for name in {names!r}:
    command([name, "--help"], prog_name="groundwork", standalone_mode=False)
    loaded = {{each.partition(".")[0] for each in sys.modules}} & {heavy!r}
    assert not loaded, (name, sorted(loaded))
"""
_RUN = """
import atexit, sys
from groundwork.cli.main import main
def tell():
    print("loaded:", *sorted({each.partition(".")[0] for each in sys.modules}), file=sys.stderr)
atexit.register(tell)
main()
"""


def _environment(home: Path, **connections: str) -> dict[str, str]:
    """Of a process with no deployment, no secrets backend and the connections given."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    named = {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()}
    return {**own, **named, "AIRFLOW_HOME": str(home / "airflow"), "GROUNDWORK_HOME": str(home / "groundwork")}


def test_no_help_of_a_command_loads_airflow_or_a_driver(tmp_path: Path) -> None:
    program = _HELP.format(names=list(commands.COMMANDS), heavy=_HEAVY | _DRIVERS)
    shown = subprocess.run(
        (sys.executable, "-c", program), env=_environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("Usage: groundwork") == len(commands.COMMANDS)


@pytest.fixture(scope="module")
def store(module_database: Database) -> str:
    """The address of an empty store, as a connection of Airflow's is written."""
    migrate(module_database.engine)
    return module_database.url.replace("postgresql+psycopg", "postgres")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("incidents list", 0, "nothing waits"),
        ("incidents figures", 0, ""),
        ("health", 0, "datasets: 9 build"),
        ("breakers list", 0, "every breaker is closed"),
        ("knowledge search timeout", 1, "nothing is known"),
        ("remedies list", 0, "validate_data"),
        ("notify list", 0, ""),
        ("audit list", 0, ""),
        ("api-key list", 0, "KEY ID"),
        ("quarantine list", 0, "nothing is in quarantine"),
        ("policies check", 0, ""),
        ("status", 3, "nothing is installed"),
    ],
)
def test_what_asks_the_store_does_not_load_airflow(
    store: str, tmp_path: Path, words: str, code: int, told: str
) -> None:
    shown = subprocess.run(
        (sys.executable, "-c", _RUN, *words.split()),
        env=_environment(tmp_path, groundwork_store=store, warehouse=store),
        capture_output=True,
        text=True,
        check=False,
    )
    *_, loaded = shown.stderr.splitlines()
    assert (shown.returncode, told in shown.stdout + shown.stderr) == (code, True), shown.stdout + shown.stderr
    assert loaded.startswith("loaded: ")
    assert not _HEAVY & set(loaded.split())
