"""Reads a contract file that may not even be YAML, and tells of every repeated key.

A repeated key is a mistake that leaves the rest readable, so the rest is linted with the first of the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from groundwork.contracts.document import Document, Position, parse_document
from groundwork.contracts.lint.subject import Problem
from groundwork.model.errors import ConfigError

_MOST_BYTES = 5_000_000  # a contract is text that people write
_MOST_NODES = 200_000  # after following aliases, which could otherwise multiply without end


def read_leniently(path: Path) -> tuple[Document | None, list[Problem]]:
    """The document, null when nothing can be read, with what is wrong with its YAML."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None, [_problem(path, Position(1, 1), "the file is too large for a contract", "split it")]
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [_problem(path, Position(1, 1), f"the file cannot be read: {error}", "write it as UTF-8 text")]
    try:
        repeated = list(_repeated_keys(YAML(typ="rt", pure=True).compose(text), path))
        return parse_document(text, path, allow_duplicate_keys=bool(repeated)), repeated
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        return None, [_problem(path, place, f"this is not YAML: {error.problem}", "correct the YAML at this line")]
    except ConfigError as error:
        found = f"{error.what}: {error.found}" if error.found else error.what
        return None, [_problem(path, Position(1, 1), found, error.next_step or "write a YAML mapping")]
    except RecursionError:
        return None, [_problem(path, Position(1, 1), "an alias contains itself", "remove the alias")]


def _repeated_keys(root: Node | None, path: Path) -> Iterator[Problem]:
    waiting, count = [root], 0
    while waiting:
        node = waiting.pop()
        count += 1
        if count > _MOST_NODES:
            raise ConfigError("aliases make this file endless", next_step="write the values out instead of aliasing")
        if isinstance(node, SequenceNode):
            waiting.extend(node.value)
        if not isinstance(node, MappingNode):
            continue
        seen: dict[str, int] = {}
        for key, value in node.value:
            waiting.append(value)
            if not isinstance(key, ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in seen:
                place = Position(line, key.start_mark.column + 1)
                message = f"the key `{key.value}` is here for the second time, first in line {seen[key.value]}"
                yield _problem(path, place, message, "keep one of the two")
            else:
                seen[str(key.value)] = line


def _problem(path: Path, place: Position, message: str, fix: str) -> Problem:
    document = Document(path=path, data={}, positions={"": place})
    return Problem(document=document, pointer="", message=message, fix=fix)
