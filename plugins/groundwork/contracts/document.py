"""A contract file as plain data together with the place of every value in the file.

Owns YAML parsing and positions; knows nothing of what the values mean. A pointer is a JSON pointer
(`/schema/0/properties/2/name`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from groundwork.model.errors import ConfigError


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """One parsed file: `data` is plain dicts, lists and scalars."""

    path: Path
    data: dict[str, Any]
    positions: Mapping[str, Position]

    def position(self, pointer: str) -> Position:
        """The place of the value at `pointer`, or of its nearest enclosing value that has one."""
        while pointer and pointer not in self.positions:
            pointer = pointer.rpartition("/")[0]
        return self.positions.get(pointer, Position(1, 1))


def read_document(path: Path) -> Document:
    """Parse one YAML file.

    Raises: ConfigError when the file is missing, is not YAML, repeats a key or is not a mapping; it names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot read the contract file", where=str(path), found=error) from error
    return parse_document(text, path)


def parse_document(text: str, path: Path, *, allow_duplicate_keys: bool = False) -> Document:
    """Parse YAML `text` that is known by the name `path`; raises as `read_document` does.

    With `allow_duplicate_keys` the first value of a repeated key counts.
    """
    parser = YAML(typ="rt", pure=True)
    parser.allow_duplicate_keys = allow_duplicate_keys
    try:
        tree = parser.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(
            "the file is not valid YAML", where=where, found=error.problem, next_step="correct the YAML at that line"
        ) from error
    if not isinstance(tree, CommentedMap):
        raise ConfigError("a contract is a YAML mapping", where=f"{path}:1:1", found=type(tree).__name__)
    return Document(path=path, data=_plain(tree), positions=dict(_positions(tree, "")))


def _positions(node: object, pointer: str) -> Iterator[tuple[str, Position]]:
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            child = f"{pointer}/{_escape(str(key))}"
            if key in (node.lc.data or {}):  # a key that came in by a merge (`<<`) has no place of its own
                line, column = node.lc.key(key)
                yield child, Position(line + 1, column + 1)
            yield from _positions(value, child)
    elif isinstance(node, CommentedSeq):
        for index, value in enumerate(node):
            line, column = node.lc.item(index)
            child = f"{pointer}/{index}"
            yield child, Position(line + 1, column + 1)
            yield from _positions(value, child)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _plain(node: Any) -> Any:
    """`node` without the parser's own types, so that JSON Schema and equality see ordinary values."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (str, int, float):
        if isinstance(node, kind):
            return kind(node)
    return str(node)  # dates and times: JSON Schema knows only their text
