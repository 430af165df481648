"""`authority check` and `who` on real repositories: ranges, the index, the working tree, links, merges, authors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.authority.test_policy import POLICY
from tests.cli.test_contract_diff import ENVIRONMENT, git
from tests.patience import PROCESS_SECONDS

FILE = "governance/policies/authority.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write(folder, FILE, POLICY)
    write(folder, "data/old.sql")
    write(folder, "docs/old.md")
    git(folder, "init", "-q")
    commit(folder)
    return folder


def write(folder: Path, name: str, text: str = "x\n") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def commit(folder: Path, author: str = "ada@example.org") -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "change", f"--author=A <{author}>")


def run(project: Path, *arguments: str, email: str = "ada@example.org") -> subprocess.CompletedProcess[str]:
    variables = {
        **ENVIRONMENT,
        "GROUNDWORK_PROJECT": str(project),
        "GROUNDWORK_HOME": str(project.parent / "home"),
        "GIT_AUTHOR_EMAIL": email,
    }
    command = [sys.executable, "-m", "groundwork.cli", "authority", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PROCESS_SECONDS, env=variables, cwd=project
    )


def refused(done: subprocess.CompletedProcess[str]) -> list[tuple[Any, ...]]:
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert found["is_allowed"] is (done.returncode == 0)
    return [(path["path"], path["decision"], path["what"]) for path in found["paths"] if not path["is_allowed"]]


def test_the_working_tree(project: Path) -> None:
    assert refused(run(project, "check", "--as", "web", "--json")) == []
    write(project, "data/new.sql")
    write(project, "data/old.sql", "y\n")
    write(project, "docs/new.md")
    write(project, ".gitignore", "ignored/\n")
    write(project, "ignored/data/x")
    done = run(project, "check", "--as", "web", "--json")
    assert refused(done) == [("data/old.sql", "exclusive", "changed"), ("data/new.sql", "exclusive", "added")]
    assert run(project, "check", "--as", "data").returncode == 0


def test_staged_only(project: Path) -> None:
    write(project, "data/staged.sql")
    git(project, "add", "-A")
    write(project, "data/later.sql")
    assert refused(run(project, "check", "--staged", "--as", "web", "--json")) == [
        ("data/staged.sql", "exclusive", "added")
    ]


def test_both_names_of_a_rename_count(project: Path) -> None:
    git(project, "mv", "data/old.sql", "docs/moved.sql")
    assert refused(run(project, "check", "--staged", "--as", "web", "--json")) == [
        ("data/old.sql", "exclusive", "removed")
    ]
    git(project, "mv", "docs/moved.sql", "docs/moved_again.sql")
    git(project, "mv", "docs/old.md", "data/old.md")
    found = refused(run(project, "check", "--staged", "--as", "web", "--json"))
    assert sorted(found) == [("data/old.md", "exclusive", "added"), ("data/old.sql", "exclusive", "removed")]


@pytest.mark.parametrize("stored", [True, False])
def test_links_that_lead_out(project: Path, stored: bool) -> None:
    for name, target in {
        "docs/in": "../data/old.sql",
        "docs/out": "../../else",
        "docs/abs": "/etc",
        "docs/git": "../.git",
    }.items():
        (project / name).symlink_to(target)
    if stored:
        commit(project)
    arguments = ["HEAD"] if stored else []
    found = refused(run(project, "check", *arguments, "--as", "web", "--json"))
    assert found == [(f"docs/{name}", "outside", "added") for name in ("abs", "git", "out")]


def test_each_commit_is_judged_by_its_author(project: Path) -> None:
    for number, author in enumerate(["ada@example.org", "eve@example.org", "mallory@else.org", "bob@data.example.org"]):
        write(project, f"data/{number}.sql")
        write(project, f"docs/{number}.md")
        commit(project, author)
    done = run(project, "check", "HEAD~4..HEAD", "--json")
    assert refused(done) == [("data/1.sql", "exclusive", "added"), ("data/2.sql", "exclusive", "added")]
    authors = {path["path"]: (path["team"], path["author"]) for path in json.loads(done.stdout)["paths"]}
    assert authors["data/1.sql"] == ("web", "eve@example.org")
    assert authors["data/2.sql"] == (None, "mallory@else.org")
    done = run(project, "check", "HEAD~4..HEAD")
    assert "data/2.sql: exclusive: added in" in done.stdout
    assert f"rule: **/data/ ({git(project, 'rev-parse', 'HEAD~4')[:12]}:{FILE}:6)" in done.stdout
    assert refused(run(project, "check", "HEAD~4..HEAD", "--as", "data", "--json")) == []


def test_what_was_written_and_taken_back_counts(project: Path) -> None:
    write(project, "data/brief.sql")
    commit(project, "eve@example.org")
    (project / "data/brief.sql").unlink()
    commit(project, "eve@example.org")
    assert [path for path, *_ in refused(run(project, "check", "HEAD~2..HEAD", "--json"))] == ["data/brief.sql"]


def test_a_merge_counts_by_what_it_changes_itself(project: Path) -> None:
    git(project, "checkout", "-q", "-b", "side")
    write(project, "data/side.sql")
    commit(project, "ada@example.org")
    git(project, "checkout", "-q", "main")
    write(project, "docs/main.md")
    commit(project, "eve@example.org")
    git(project, "merge", "-q", "--no-commit", "--no-ff", "side")
    git(project, "commit", "-q", "-m", "merge", "--author=E <eve@example.org>")
    assert refused(run(project, "check", "HEAD~1..HEAD", "--json")) == []
    git(project, "reset", "-q", "--hard", "HEAD~1")
    git(project, "merge", "-q", "--no-commit", "--no-ff", "side")
    write(project, "data/side.sql", "slipped in\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "merge", "--author=E <eve@example.org>")
    found = json.loads(run(project, "check", "HEAD~1..HEAD", "--json").stdout)
    assert [path["author"] for path in found["paths"] if not path["is_allowed"]] == ["eve@example.org"]


def test_a_change_cannot_give_itself_authority(project: Path) -> None:
    write(project, FILE, POLICY.replace('["**/data/", docker-compose.data.yml]', "[docker-compose.data.yml]"))
    write(project, "data/mine.sql")
    assert [path for path, *_ in refused(run(project, "check", "--as", "web", "--json"))] == ["data/mine.sql"]
    assert refused(run(project, "check", "--as", "web", "--policy", FILE, "--json")) == []
    commit(project, "eve@example.org")
    assert [path for path, *_ in refused(run(project, "check", "HEAD~1..HEAD", "--json"))] == ["data/mine.sql"]


def test_the_first_commit_of_all(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    write(folder, FILE, POLICY)
    write(folder, "data/a.sql")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    assert [path for path, *_ in refused(run(folder, "check", "--staged", "--as", "web", "--json"))] == ["data/a.sql"]
    commit(folder, "eve@example.org")
    assert [path for path, *_ in refused(run(folder, "check", "HEAD", "--json"))] == ["data/a.sql"]


def test_names_that_are_odd(project: Path) -> None:
    odd = ["data/-n", "data/a b", 'data/"q"', "data/é\n.sql", "data/:(glob)x", os.fsdecode(b"data/\xff.sql")]
    for name in odd:
        write(project, name)
    commit(project, "eve@example.org")
    done = run(project, "check", "HEAD", "--json")
    assert sorted(path for path, *_ in refused(done)) == sorted(odd)
    assert run(project, "check", "HEAD").returncode == 1


def test_the_present_author_counts_without_a_team(project: Path) -> None:
    write(project, "data/new.sql")
    assert run(project, "check").returncode == 0
    assert run(project, "check", email="eve@example.org").returncode == 1


def test_who(project: Path) -> None:
    done = run(project, "who", "data/new.sql", "--json")
    found = json.loads(done.stdout)
    assert [(team["team"], team["is_allowed"]) for team in found["teams"]] == [
        ("data", True),
        ("web", False),
        (None, False),
    ]
    done = run(project, "who", "data")
    assert done.stdout.splitlines()[0].startswith("data                 yes  it is exclusive to the team data")
    assert f"({'**/data/'}, {FILE}:6)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "nothing..HEAD"], "names no commit"),
        (["check", "--as", "ops"], "no team is called"),
        (["check", "HEAD", "--staged"], "a range is committed and not staged"),
        (["check", "--policy", "nowhere.yaml"], "nowhere.yaml"),
        (["who", "../else"], "not in the repository"),
        (["check", "HEAD..--output=x"], "names no commit"),
    ],
)
def test_what_cannot_be_checked_exits_2(project: Path, arguments: list[str], words: str) -> None:
    done = run(project, *arguments)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_a_policy_without_people_needs_a_team(project: Path) -> None:
    write(project, FILE, "\n".join(line for line in POLICY.splitlines() if "members" not in line))
    commit(project)
    done = run(project, "check")
    assert (done.returncode, "--as TEAM" in done.stderr) == (2, True)
