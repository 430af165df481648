"""Reads the case files of rules: replacements in the shop's contract, with what the rule says of the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tests.contracts.samples import CASES, SHOP_TEXT

FOLDER = CASES / "lint"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One variant of the shop; `finds` are parts of the messages expected, in order of line (empty: none)."""

    rule: str
    name: str
    text: str
    at: str | None
    finds: tuple[str, ...]


def cases() -> Iterator[Case]:
    """Every case of every file, the bad ones and the good ones."""
    for path in sorted(FOLDER.glob("*.yaml")):
        for entry in YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")):
            yield _case(path, entry)


def _case(path: Path, entry: dict[str, object]) -> Case:
    text = SHOP_TEXT
    replacements = entry.get("replace", [])
    assert isinstance(replacements, list)
    for old, new, *times in replacements:
        assert old in text, f"{path.name}: `{old}` is not in the shop's contract"
        if times:
            new = "".join(new.replace("#", str(number + 1)) for number in range(times[0]))  # noqa: PLW2901
        text = text.replace(old, new, 1)
    finds = entry.get("finds", [])
    assert isinstance(finds, list)
    at = entry.get("at")
    return Case(rule=path.stem, name=str(entry["name"]), text=text, at=str(at) if at else None, finds=tuple(finds))
