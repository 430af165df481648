"""Which code is checked and which places may do what, as the file `code.yaml` of the policies says.

Globs are those of `.gitignore`, relative to the project's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from groundwork.contracts.checked_file import CheckedFile
from groundwork.contracts.document import read_document

FILE = "code.yaml"
_KEYS = {"kind", "version", "check", "leave_out", "places"}
_PLACE_KEYS = {"what", "paths", "may"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Files that may do what rules refuse elsewhere; `what` says in words what they are."""

    what: str
    globs: tuple[str, ...]
    may: frozenset[str]

    def has(self, path: str) -> bool:
        """Whether a path of the project (with slashes) is one of these files."""
        return bool(self._spec.match_file(path))

    @cached_property
    def _spec(self) -> Any:
        return _spec(self.globs)


@dataclass(frozen=True, kw_only=True)
class CodePolicy:
    """What is checked when nothing is named, what is left out, and the places; `source` is where it was read from."""

    source: str
    check: tuple[str, ...] = ("dags", "plugins")
    leave_out: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()

    def may(self, path: str) -> frozenset[str]:
        """The rules that do not hold for a path of the project."""
        return frozenset(rule for place in self.places if place.has(path) for rule in place.may)

    def is_left_out(self, path: str) -> bool:
        """Whether a path of the project is not looked at."""
        return bool(self._left_out.match_file(path))

    @cached_property
    def _left_out(self) -> Any:
        return _spec(self.leave_out)


def read_code_policy(path: Path, *, rules: Sequence[str]) -> CodePolicy:
    """The policy in the file `path`; without such a file everything is checked and only dbt's folder writes SQL.

    Raises: ConfigError, naming file and line, when it cannot be read, a key is unknown or missing, or a place names a
    rule that is none of `rules`.
    """
    if not path.is_file():
        place = Place(what="the transform layer", globs=("dbt_project/",), may=frozenset(rules))
        return CodePolicy(source="the policy without a file", places=(place,))
    file = CheckedFile(document=read_document(path))
    file.mapping("", keys=_KEYS, required=True)
    file.word("/kind", ("code",))
    places = tuple(_place(file, f"/places/{index}", rules) for index in range(len(file.items("/places"))))
    return CodePolicy(
        source=str(path),
        check=tuple(file.texts("/check")),
        leave_out=tuple(file.texts("/leave_out")),
        places=places,
    )


def _place(file: CheckedFile, pointer: str, rules: Sequence[str]) -> Place:
    file.mapping(pointer, keys=_PLACE_KEYS, required=True)
    may = file.texts(f"{pointer}/may")
    for index, rule in enumerate(may):
        if rule not in rules:
            expected = f"one of {', '.join(rules)}"
            raise file.error(f"there is no rule `{rule}`", f"{pointer}/may/{index}", expected=expected, found=rule)
    return Place(what=file.text(f"{pointer}/what"), globs=tuple(file.texts(f"{pointer}/paths")), may=frozenset(may))


def _spec(globs: Sequence[str]) -> Any:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(globs)
