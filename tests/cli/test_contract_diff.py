"""`contract-diff` on real files and real git repositories: sides, exit codes, JSON, Markdown, and refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.samples import SHOP_TEXT
from tests.patience import PROCESS_SECONDS

PLACE = "governance/contracts/shop/shop.odcs.yaml"
NARROWED = SHOP_TEXT.replace("numeric(12,2)", "numeric(8,2)")
_IDENTITY = {
    f"GIT_{who}_{what}": f"{what.lower()}@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _IDENTITY


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "init.defaultBranch=main", "-c", "commit.gpgSign=false", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=PROCESS_SECONDS
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a repository, on a branch that left `main` at the shop as it is."""
    folder = tmp_path / "project"
    (folder / PLACE).parent.mkdir(parents=True)
    (folder / PLACE).write_text(SHOP_TEXT, encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "checkout", "-q", "-b", "work")
    return folder


def run(project: Path, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    variables = {**ENVIRONMENT, "GROUNDWORK_PROJECT": str(project), "GROUNDWORK_HOME": str(project / "home")}
    command = [sys.executable, "-m", "groundwork.cli", "contract-diff", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_SECONDS,
        env=variables,
        cwd=folder or project,
    )


def test_an_unannounced_breaking_change_is_refused_against_main(project: Path) -> None:
    (project / PLACE).write_text(NARROWED, encoding="utf-8")
    done = run(project, "--against", "main", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    (change,) = found["domains"][0]["contracts"][0]["changes"]
    assert (found["is_announced"], change["impact"], change["column"], change["bump"]) == (
        False,
        "breaking",
        "balance",
        "major",
    )
    assert change["new_where"].startswith(f"{PLACE}:")
    (project / PLACE).write_text(NARROWED.replace("version: 1.0.0", "version: 2.0.0"), encoding="utf-8")
    done = run(project, "--against", "main", "shop")
    assert (done.returncode, "ok: announced: major, due: major" in done.stdout) == (0, True), done.stdout


def test_main_may_have_gone_on(project: Path) -> None:
    git(project, "checkout", "-q", "main")
    (project / PLACE).write_text(NARROWED, encoding="utf-8")
    git(project, "commit", "-q", "-a", "-m", "main went on")
    git(project, "checkout", "-q", "work")
    done = run(project, "--against", "main")
    assert (done.returncode, done.stdout) == (0, "no difference between the contracts\n")
    assert run(project, "main:", "shop").returncode == 1


def test_files_that_are_new_moved_and_gone(project: Path) -> None:
    second = SHOP_TEXT.replace("id: shop-sales", "id: shop-copy").replace("name: customers\n", "name: people\n", 1)
    second = second[: second.index("  - name: sales\n")].replace('"customers, sales"', "people")
    (project / PLACE).with_name("copy.odcs.yaml").write_text(second, encoding="utf-8")
    git(project, "mv", PLACE, "governance/contracts/shop/moved.odcs.yaml")
    done = run(project, "--against", "main")
    assert done.returncode == 0, done.stdout
    assert "shop-copy  not there → 1.0.0" in done.stdout
    git(project, "rm", "-q", "-f", "governance/contracts/shop/moved.odcs.yaml")
    done = run(project, "--against", "main", "--markdown")
    assert done.returncode == 1
    assert "❌ removed while its tables were promised" in done.stdout.replace("&#95;", "_")


@pytest.mark.parametrize(
    "sides",
    [
        ["main:" + PLACE, PLACE],
        ["main:", "governance"],
        ["main", "shop"],
        ["main:shop", "governance/contracts"],
        ["HEAD~0:governance/contracts/shop", "shop"],
        ["old.yaml", PLACE],
    ],
)
def test_every_way_to_name_a_side(project: Path, sides: list[str]) -> None:
    (project / "old.yaml").write_text(SHOP_TEXT, encoding="utf-8")
    assert run(project, *sides).returncode == 0
    (project / PLACE).write_text(NARROWED, encoding="utf-8")
    done = run(project, *sides, "--json")
    assert done.returncode == 1, done.stderr
    (contract,) = json.loads(done.stdout)["domains"][0]["contracts"]
    assert [change["attribute"] for change in contract["changes"]] == ["physicalType"]


def test_consumers_are_named(project: Path) -> None:
    (project / "dags").mkdir()
    (project / "dags" / "ask.py").write_text('Ask(sql="SELECT balance FROM shop.customers")\n', encoding="utf-8")
    (project / PLACE).write_text(SHOP_TEXT.replace("name: balance", "name: saldo"), encoding="utf-8")
    done = run(project, "--against", "main")
    assert "hits dag ask (dags/ask.py:1): holds a query of it" in done.stdout
    assert "hits role shop_reader" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shop"], "two sides are needed"),
        (["shop", "nowhere"], "is no path, no domain and no revision"),
        (["nothing:", "shop"], "names no commit"),
        (["--output=x:", "shop"], "No such option"),
        (["main:no/such/folder", "shop"], "there is no contract"),
        (["--against", "nothing"], "names no commit"),
        (["--against", "main", "market"], "is on neither side"),
        (["--against", "--upload-pack=x"], "names no commit"),
    ],
)
def test_what_cannot_be_compared_exits_2(project: Path, arguments: list[str], words: str) -> None:
    done = run(project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_contract_on_either_side_is_named(project: Path) -> None:
    (project / PLACE).write_text("id: [unclosed\n", encoding="utf-8")
    git(project, "commit", "-q", "-a", "-m", "broken")
    assert f"HEAD:{PLACE}" in run(project, "HEAD", "main:").stderr
    done = run(project, "--against", "main")
    assert (done.returncode, PLACE in done.stderr) == (2, True)


def test_without_a_repository(tmp_path: Path) -> None:
    (tmp_path / PLACE).parent.mkdir(parents=True)
    (tmp_path / PLACE).write_text(SHOP_TEXT, encoding="utf-8")
    (tmp_path / "new.yaml").write_text(NARROWED, encoding="utf-8")
    assert run(tmp_path, PLACE, "new.yaml").returncode == 1
    done = run(tmp_path, "--against", "main")
    assert done.returncode == 2
    assert "git repository" in done.stderr
    assert "compare two files or folders instead" in done.stderr


def test_a_shallow_clone_says_what_to_fetch(project: Path, tmp_path: Path) -> None:
    (project / "more").write_text("x", encoding="utf-8")
    git(project, "add", "more")
    git(project, "commit", "-q", "-m", "more")
    git(project, "checkout", "-q", "main")
    (project / "less").write_text("x", encoding="utf-8")
    git(project, "add", "less")
    git(project, "commit", "-q", "-m", "less")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", "--no-single-branch", "-b", "work", project.as_uri(), str(clone))
    done = run(clone, "--against", "main")
    assert (done.returncode, "fetch-depth: 0" in done.stderr) == (2, True), done.stderr
    git(clone, "fetch", "-q", "--unshallow")
    assert run(clone, "--against", "main").returncode == 0  # finds origin/main
