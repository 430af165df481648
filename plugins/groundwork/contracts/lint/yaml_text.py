"""Reads a contract file that may not even be YAML, and tells of every repeated key.

A repeated key is a mistake that leaves the rest readable, so the rest is linted with the first of the values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.document import MOST_BYTES, Document, Position, document_of
from groundwork.contracts.edits import ReplaceText
from groundwork.contracts.lint.subject import Problem
from groundwork.contracts.yaml_tree import Tree, YamlError, parse_tree
from groundwork.model.errors import ConfigError

_START = Position(1, 1)
_INDENT = re.compile(r"^[ \t]*\t[ \t]*", re.MULTILINE)
_TAB = "  "  # how far contracts indent
_MARK = "\ufeff"  # at a file's begin: says that it is UTF-8, and is no part of the text


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file as it was read: its text (null when it could not be), its document, and what is wrong with its YAML."""

    path: Path
    text: str | None
    document: Document | None
    problems: tuple[Problem, ...] = ()


def read_leniently(path: Path) -> Source:
    """The file at `path`, as far as it can be read."""
    try:
        if not path.is_file():
            return _unread(path, "this is not a file", "name a file that exists")
        if path.stat().st_size > MOST_BYTES:
            return _unread(path, f"the file has more than {MOST_BYTES:,} bytes, too many for a contract", "split it")
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return _unread(path, f"the file cannot be read: {error}", "write it as UTF-8 text")
    return parse_leniently(text, path)


def parse_leniently(text: str, path: Path) -> Source:
    """A text that is known by the name `path`, as far as it can be read."""
    try:
        tree = parse_tree(text.removeprefix(_MARK))
        document = document_of(tree, path)
    except YamlError as error:
        better = _untabbed(text)
        edit = None if better is None else ReplaceText(text=better)
        return Source(
            path=path,
            text=text,
            document=None,
            problems=(_problem(path, error.position, error.message, error.fix, edit),),
        )
    except ConfigError as error:
        problem = _problem(path, _START, f"{error.what}: {error.found}", "write a YAML mapping")
        return Source(path=path, text=text, document=None, problems=(problem,))
    return Source(path=path, text=text, document=document, problems=tuple(_repeated(tree, path)))


def _repeated(tree: Tree, path: Path) -> list[Problem]:
    return [
        _problem(
            path,
            key.position,
            f"the key `{key.key}` is here for the second time, first in line {key.first_line}",
            "keep one of the two",
        )
        for key in tree.repeated
    ]


def _untabbed(text: str) -> str | None:
    """The text with spaces for tabs at the begin of lines, null when that does not make it YAML."""
    better = _INDENT.sub(lambda found: found.group().replace("\t", _TAB), text)
    if better == text:
        return None
    try:
        parse_tree(better.removeprefix(_MARK))
    except YamlError:
        return None
    return better


def _unread(path: Path, message: str, fix: str) -> Source:
    return Source(path=path, text=None, document=None, problems=(_problem(path, _START, message, fix),))


def _problem(path: Path, place: Position, message: str, fix: str, edit: ReplaceText | None = None) -> Problem:
    document = Document(path=path, data={}, positions={"": place})
    return Problem(document=document, pointer="", message=message, fix=fix, edit=edit)
