"""The command line starts fast, says what it can, and tells errors as sentences."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from groundwork.cli import commands
from groundwork.local.layout import Layout
from groundwork.model.errors import FatalError
from tests.fix_stack import run_command

_HEAVY = {"airflow", "sqlalchemy", "pandas", "great_expectations", "dbt", "fastapi", "psycopg", "pydantic"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A home where nothing is installed."""
    return Layout(project=tmp_path / "project", home=tmp_path / "home")


def _processor_seconds(what: Callable[[], object]) -> float:
    """What the processes that `what` runs take of a processor: of several times the least."""
    taken = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        what()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def test_help_lists_every_command_and_costs_little(layout: Layout) -> None:
    library = (sys.executable, "-c", "import typer, rich.console")
    usual = _processor_seconds(lambda: subprocess.run(library, check=True))
    assert _processor_seconds(lambda: run_command(layout, "--help")) < 2.5 * usual, "than what it is made with"
    shown = run_command(layout, "--help")
    assert shown.returncode == 0
    assert all(f"\n  {name} " in shown.stdout for name in commands.COMMANDS)
    assert "..." not in shown.stdout.partition("Commands:")[2]  # no help text is cut


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom groundwork.cli.main import application\nimport typer\n"
        "try:\n    typer.main.get_command(application)(['--help'], prog_name='groundwork')\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    shown = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)
    assert not _HEAVY & set(json.loads(shown.stdout.splitlines()[-1].replace("'", '"')))


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_explains_itself(layout: Layout, name: str) -> None:
    shown = run_command(layout, name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert f"groundwork {name}" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command"),
        (["status", "--nonsense"], "No such option"),
        (["status", "surplus"], "unexpected extra argument"),
        (["api", "--port", "0"], "port"),
        (["demo", "--domain"], "requires an argument"),
    ],
)
def test_wrong_input_is_refused(layout: Layout, arguments: list[str], message: str) -> None:
    shown = run_command(layout, *arguments)
    assert shown.returncode == 2
    assert message in shown.stderr
    assert shown.stdout == ""
    assert not layout.home.exists()


def test_nothing_installed_is_told_with_code_3(layout: Layout) -> None:
    shown = run_command(layout, "status")
    assert shown.returncode == 3
    assert "make demo" in shown.stdout
    as_json = run_command(layout, "status", "--json")
    assert as_json.returncode == 3
    assert json.loads(as_json.stdout)["is_installed"] is False


def test_down_before_the_first_start_is_fine(layout: Layout) -> None:
    shown = run_command(layout, "down")
    assert (shown.returncode, shown.stdout) == (0, "")
    assert not layout.home.exists()


def test_an_error_is_told_without_a_traceback(layout: Layout) -> None:
    shown = run_command(layout, "password")
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: there is no user `admin`")
    assert "next: groundwork up" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert "Traceback" in run_command(layout, "--debug", "password").stderr


def test_versions_are_json(layout: Layout) -> None:
    found = json.loads(run_command(layout, "version", "--json").stdout)
    assert {"groundwork", "python", "airflow", "dbt"} <= set(found)


def test_an_absent_module_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands.COMMANDS, "not-there", "Help.")
    with pytest.raises(FatalError, match="no command `not-there`") as caught:
        commands.load("not-there")
    assert caught.value.where == "groundwork.cli.not_there"


def test_a_module_without_its_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands.COMMANDS, "commands", "Help.")
    with pytest.raises(FatalError, match="no command `commands`"):
        commands.load("commands")


def test_erasing_asks_first(layout: Layout) -> None:
    layout.prepare()
    (layout.home / "kept").touch()
    shown = run_command(layout, "down", "--erase")
    assert shown.returncode == 1
    assert (layout.home / "kept").exists()
    assert run_command(layout, "down", "--erase", "--yes").returncode == 0
    assert not layout.home.exists()
