"""The shop of the cases, and the cases as a tree of files with the findings that are expected in each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from groundwork.contracts.contract import Domain
from groundwork.contracts.document import read_document
from groundwork.contracts.read import read_contract
from groundwork.rules.check import check_paths
from groundwork.rules.finding import Report
from groundwork.rules.policy import CodePolicy

CASES = Path(__file__).parent / "cases"
SHOP = CASES / "shop.odcs.yaml"
STRICT = CodePolicy(source="a policy without places")
RULES_WITH_CASES = ("raw_sql", "direct_driver", "own_engine", "own_session", "undeclared_table", "undeclared_column")
_MARK = re.compile(r"#! (?P<rules>[\w -]+)$")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case: its files by name, and (file, line, rule) of each finding that is expected."""

    kind: str
    name: str
    folder: str
    files: dict[str, str]
    expected: frozenset[tuple[str, int, str]]
    says: str | None


def shop() -> Domain:
    """The domain of the cases."""
    return Domain(name="shop", contracts=(read_contract(read_document(SHOP)),))


def read_cases() -> list[Case]:
    """All cases, those of the look-alikes with nothing expected."""
    found = []
    for kind in (*RULES_WITH_CASES, "look_alikes"):
        entries: list[dict[str, Any]] = yaml.safe_load((CASES / f"{kind}.yaml").read_text(encoding="utf-8"))
        for number, entry in enumerate(entries):
            files = {"case.py": str(entry["code"]), **entry.get("files", {})}
            folder = f"{kind}_{number:03}"
            expected = {
                (f"{folder}/{name}", line, rule) for name, text in files.items() for line, rule in _marked(text)
            }
            expected |= {(f"{folder}/case.py", line, rule) for line, rule in entry.get("at", {}).items()}
            found.append(
                Case(
                    kind=kind,
                    name=str(entry["name"]),
                    folder=folder,
                    files=files,
                    expected=frozenset(expected),
                    says=entry.get("says"),
                )
            )
    return found


def _marked(text: str) -> list[tuple[int, str]]:
    """The rules that the marks `#! rule` name, with their lines."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        mark = _MARK.search(line)
        found += [(number, rule) for rule in mark["rules"].split() if rule != "-"] if mark else []
    return found


def plant(cases: list[Case], folder: Path) -> None:
    """Write the files of the cases below a folder."""
    for case in cases:
        for name, text in case.files.items():
            path = folder / case.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def checked(folder: Path, source: str, *, name: str = "case.py", domains: tuple[Domain, ...] = ()) -> Report:
    """What the rules say of one source that is written into `folder`."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return check_paths([path], project=folder, domains=domains, policy=STRICT)


def told(report: Report) -> list[tuple[int, str]]:
    """Line and rule of each finding."""
    return [(finding.line, finding.rule) for finding in report.findings]
