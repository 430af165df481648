"""A contract file as plain data together with the place of every value in the file.

Owns reading and writing contract files as data; knows nothing of what the values mean. A pointer is a JSON pointer
(`/schema/0/properties/2/name`). Syntax is the business of `yaml_tree`; changing a file that a person wrote, that of
`text_edit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.contracts.yaml_tree import Position, Tree, YamlError, parse_tree
from groundwork.model.errors import ConfigError

__all__ = ["MOST_BYTES", "Document", "Position", "document_of", "document_text", "parse_document", "read_document"]

MOST_BYTES = 5_000_000  # a contract is text that people write


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
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if size <= MOST_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot read the contract file", where=str(path), found=error) from error
    if size > MOST_BYTES:
        raise ConfigError(
            "the file is too large for a contract",
            where=str(path),
            expected=f"at most {MOST_BYTES:,} bytes",
            found=f"{size:,} bytes",
            next_step="split it into several contracts of the domain",
        )
    return parse_document(text, path)


def parse_document(text: str, path: Path, *, allow_duplicate_keys: bool = False) -> Document:
    """Parse YAML `text` that is known by the name `path`; raises as `read_document` does.

    With `allow_duplicate_keys` the first value of a repeated key counts.
    """
    try:
        tree = parse_tree(text)
        if tree.repeated and not allow_duplicate_keys:
            key = tree.repeated[0]
            raise YamlError(f"the key `{key.key}` stands here twice, first in line {key.first_line}", key.position)  # noqa: TRY301
        return document_of(tree, path)
    except YamlError as error:
        raise ConfigError(
            "the file is not valid YAML",
            where=f"{path}:{error.position.line}:{error.position.column}",
            found=error.message,
            next_step=error.fix,
        ) from error


def document_of(tree: Tree, path: Path) -> Document:
    """The document of a parsed text; raises ConfigError when it is not a mapping."""
    if not isinstance(tree.value, dict):
        raise ConfigError("a contract is a YAML mapping", where=f"{path}:1:1", found=type(tree.value).__name__)
    return Document(path=path, data=tree.value, positions=tree.positions)


def document_text(data: Mapping[str, Any]) -> str:
    """`data` as YAML text in the order of its keys; parsed again it gives equal data."""
    from groundwork.contracts.yaml_writing import yaml_text

    return yaml_text(data)
