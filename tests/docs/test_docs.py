"""What the manual says exists: links, commands, variables; and its generated pages are current."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundwork.local.ports import Ports
from tests.docs.generate import PAGES, all_commands

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MANUAL = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in MANUAL]

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"(?:^|[;|&(]|\.venv/bin/) *groundwork ((?:(?! #)[^|;&)\n])*)", re.MULTILINE)  # at a command's place
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_VARIABLE = re.compile(r"\bGROUNDWORK_[A-Z]+(?:_[A-Z]+)*\b")


def _fences(text: str) -> Iterator[str]:
    yield from _FENCE.findall(text)


def _without_fences(text: str) -> str:
    return _FENCE.sub("", text)


def _anchors(page: Path) -> set[str]:
    """Anchors as GitHub makes them from headings."""
    headings = _HEADING.findall(_without_fences(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _broken(page: Path) -> Iterator[str]:
    for target in _LINK.findall(_without_fences(page.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        is_anchored = not anchor or (found.is_file() and anchor in _anchors(found))
        if not found.exists() or not found.is_relative_to(ROOT) or not is_anchored:
            yield target


@pytest.mark.parametrize("name", NAMES)
def test_relative_links_lead_somewhere(name: str) -> None:
    assert list(_broken(ROOT / name)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[gone](nowhere.md) [here](#not-here)\n", encoding="utf-8")
    assert list(_broken(page)) == ["nowhere.md", "#not-here"]


def test_every_page_is_in_the_index() -> None:
    listed = set(_LINK.findall((DOCS / "index.md").read_text(encoding="utf-8")))
    pages = {page.name for page in DOCS.glob("*.md")} - {"index.md"}
    assert pages <= listed


def _options(parameter: Any) -> list[str]:
    """Every spelling of an option, the negative ones (`--no-…`) too."""
    return [*getattr(parameter, "opts", ()), *getattr(parameter, "secondary_opts", ())]


@pytest.fixture(scope="module")
def commands() -> dict[str, frozenset[str]]:
    """Full name of every command → its options."""
    return {
        name: frozenset(option for parameter in command.params for option in _options(parameter))
        for name, command in all_commands()
    }


def _mistakes(page: Path, commands: dict[str, frozenset[str]]) -> Iterator[str]:
    """Commands and options in the page's code that the command line does not have."""
    for fence in _fences(page.read_text(encoding="utf-8")):
        for call in _CALL.findall(fence.replace("\\\n", " ")):
            words = [word for word in call.split() if not word.startswith("-") and not word.isupper()]
            is_in_group = any(command.startswith(f"{words[0]} ") for command in commands) if words else False
            name = " ".join(words[: 2 if is_in_group else 1])
            if words and name not in commands:
                yield f"no {name}"
            options = re.findall(r"(?<![\w-])--[a-z-]+", call)
            yield from (f"no {name} {option}" for option in options if option not in commands.get(name, {option}))


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_options_in_code_exist(name: str, commands: dict[str, frozenset[str]]) -> None:
    assert list(_mistakes(ROOT / name, commands)) == []


def test_a_mistaken_command_is_found(tmp_path: Path, commands: dict[str, frozenset[str]]) -> None:
    page = tmp_path / "page.md"
    lines = ["groundwork api-key ishue x", "KEY=$(groundwork status --yaml)", "make x && groundwork nothing"]
    lines += ["groundwork audit list --limit 5  # --no", "psql -U groundwork groundwork"]
    page.write_text("\n".join(["```", *lines, "```"]), encoding="utf-8")
    assert list(_mistakes(page, commands)) == ["no api-key ishue", "no status --yaml", "no nothing"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_pages_are_current(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run: .venv/bin/python -m tests.docs.generate"


def test_the_page_of_commands_names_each(commands: dict[str, frozenset[str]]) -> None:
    headings = _HEADING.findall(_without_fences((DOCS / "commands.md").read_text(encoding="utf-8")))
    assert {f"groundwork {name}" for name in commands} <= set(headings)


def test_variables_in_the_manual_are_read_by_something() -> None:
    sources = [ROOT / name for name in ("docker-compose.yml", "Dockerfile", ".env.example", "Makefile")]
    sources += [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "deploy").iterdir(), ROOT / "dbt_project" / "profiles.yml"]
    known = {name for path in sources if path.is_file() for name in _VARIABLE.findall(path.read_text(encoding="utf-8"))}
    known |= {f"GROUNDWORK_{field.name.upper()}_PORT" for field in dataclasses.fields(Ports)}
    told = {name for page in MANUAL for name in _VARIABLE.findall(page.read_text(encoding="utf-8"))}
    assert told - known == set()
    assert {"GROUNDWORK_HOME", "GROUNDWORK_PROJECT", "GROUNDWORK_DEBUG"} <= told
