"""YAML text to plain values with the place of each, in one pass over the parser's events.

Owns syntax: anchors, merge keys, repeated keys, and the bounds that keep hostile text from costing more than its size
(depth, and the number of values once every alias is followed). Nothing is recursive over unbounded depth and no tag
makes anything but a plain value. The events come from libyaml; what words mean says `yaml_scalar`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]
from yaml.cyaml import CParser  # type: ignore[import-untyped]
from yaml.events import (  # type: ignore[import-untyped]
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from groundwork.contracts.yaml_scalar import plain_value, tagged_value

MOST_VALUES = 300_000  # once aliases are followed, which could otherwise multiply without end
MOST_LEVELS = 64
_COLLECTIONS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_MERGE = "<<"


class Position(NamedTuple):
    """A place in a file, both counted from 1."""

    line: int
    column: int


class YamlError(ValueError):
    """Text that is not YAML as contracts may use it; `fix` says what to do."""

    def __init__(self, message: str, position: Position, fix: str = "correct the YAML at this line") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.fix = fix


@dataclass(frozen=True, kw_only=True)
class RepeatedKey:
    """A key that its mapping already has; `first_line` is where."""

    key: str
    position: Position
    first_line: int


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The value of the one document in a text; the first of repeated keys counts."""

    value: Any
    positions: dict[str, Position]
    repeated: tuple[RepeatedKey, ...]


def parse_tree(text: str) -> Tree:
    """The value of `text`, null when it is empty.

    Raises: YamlError when it is not YAML, has several documents, or is deeper or larger than a contract can be.
    """
    return _Builder().built(text)


def escaped(key: object) -> str:
    """`key` as a step of a JSON pointer."""
    return str(key).replace("~", "~0").replace("/", "~1")


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come; `pointer` is null where places are not kept."""

    value: dict[str, Any] | list[Any]
    pointer: str | None
    anchor: str | None
    values_before: int
    key: str | None = None
    places: dict[str, int] = field(default_factory=dict)
    merged: list[Any] = field(default_factory=list)
    depth: int = 1  # levels inside, with those of aliases


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchored:
    value: Any
    pointer: str | None
    count: int
    depth: int


class _Builder:
    def __init__(self) -> None:
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Anchored] = {}
        self.positions: dict[str, Position] = {}
        self.repeated: list[RepeatedKey] = []
        self.count = 0
        self.root: Any = None
        self.documents = 0

    def built(self, text: str) -> Tree:
        try:
            parser = _Events(text)
            while True:
                event = parser.get_event()
                if isinstance(event, StreamEndEvent):
                    break
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YamlError(f"this is not YAML: {error.problem}", _place(mark)) from error
        except (yaml.YAMLError, UnicodeError) as error:
            reason = getattr(error, "reason", None) or error
            raise YamlError(f"this is not YAML: {reason}", _line_of(text, getattr(error, "position", 0))) from error
        return Tree(value=self.root, positions=self.positions, repeated=tuple(self.repeated))

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is ScalarEvent:
            self._scalar(event)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self._open(event, {} if kind is MappingStartEvent else [])
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self._close()
        elif kind is AliasEvent:
            self._alias(event)
        elif kind is DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                raise YamlError("a contract is one YAML document, and a second begins here", _place(event.start_mark))

    def _scalar(self, event: ScalarEvent) -> None:
        mark = event.start_mark
        position = Position(mark.line + 1, mark.column + 1)
        if "\0" in event.value:
            raise YamlError("a text has a NUL character, which PostgreSQL cannot keep", position, "remove it")
        top = self.stack[-1] if self.stack else None
        is_plain = event.tag is None and not event.style
        if top is not None and top.key is None and type(top.value) is dict:
            self._key(top, event.value, position, is_plain=is_plain)
            return
        value = plain_value(event.value) if is_plain else event.value
        if event.tag not in (None, "!"):
            try:
                value = tagged_value(event.tag, event.value)
            except ValueError as error:
                raise YamlError(str(error), position, "write the value without a tag") from error
        pointer = self._next_place(position)
        self._put(value, position)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value=value, pointer=pointer, count=1, depth=0)

    def _key(self, top: _Open, key: str, position: Position, *, is_plain: bool) -> None:
        top.key = key
        if key == _MERGE and is_plain:
            return
        if key in top.places:
            self.repeated.append(RepeatedKey(key=key, position=position, first_line=top.places[key]))
            return
        top.places[key] = position.line
        if top.pointer is not None:
            self.positions[f"{top.pointer}/{escaped(key)}"] = position

    def _next_place(self, position: Position, count: int = 1) -> str | None:
        """The pointer of the value that comes now, null when places are not kept; counts it."""
        self.count += count
        if self.count > MOST_VALUES:
            raise YamlError(
                f"this has more than {MOST_VALUES:,} values once aliases are followed",
                position,
                "split the contract, and write values out instead of aliasing them",
            )
        if not self.stack:
            return ""
        top = self.stack[-1]
        if isinstance(top.value, list):
            pointer = None if top.pointer is None else f"{top.pointer}/{len(top.value)}"
            if pointer is not None:
                self.positions[pointer] = position
            return pointer
        if top.key is None:
            raise YamlError("a key is one text, not a list or mapping", position)
        is_kept = top.pointer is not None and top.key in top.places and top.key not in top.value
        return f"{top.pointer}/{escaped(top.key)}" if is_kept else None

    def _put(self, value: Any, position: Position) -> None:
        """Store `value` in the innermost open collection."""
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
            return
        key, top.key = str(top.key), None
        if key == _MERGE and key not in top.places:
            top.merged.append((value, position))
        else:
            top.value.setdefault(key, value)  # of repeated keys the first counts

    def _open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        position = _place(event.start_mark)
        if event.tag not in _COLLECTIONS:
            raise YamlError(f"the tag `{event.tag}` is not read in contracts", position, "write it without a tag")
        if len(self.stack) >= MOST_LEVELS:
            raise YamlError(f"this is nested more than {MOST_LEVELS} levels deep", position, "make it flatter")
        before = self.count
        pointer = self._next_place(position)
        self._put(value, position)
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
        self.stack.append(_Open(value=value, pointer=pointer, anchor=event.anchor, values_before=before))

    def _close(self) -> None:
        done = self.stack.pop()
        for value, position in done.merged:
            _merge(done.value, value, position)
        if self.stack:
            self.stack[-1].depth = max(self.stack[-1].depth, done.depth + 1)
        if done.anchor is not None:
            self.anchors[done.anchor] = _Anchored(
                value=done.value, pointer=done.pointer, count=self.count - done.values_before, depth=done.depth
            )

    def _alias(self, event: AliasEvent) -> None:
        position = _place(event.start_mark)
        found = self.anchors.get(event.anchor)
        if found is None:
            is_open = any(each.anchor == event.anchor for each in self.stack)
            what = "contains itself" if is_open else "has no anchor before it"
            raise YamlError(f"the alias `*{event.anchor}` {what}", position, "write the value out")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            if isinstance(found.value, dict | list):
                raise YamlError("a key is one text, not a list or mapping", position)
            self._key(top, str(found.value), position, is_plain=False)
            return
        if len(self.stack) + found.depth > MOST_LEVELS:
            raise YamlError(f"this is nested more than {MOST_LEVELS} levels deep", position, "make it flatter")
        pointer = self._next_place(position, found.count)
        self._put(self._copied(found.value, found.pointer, pointer), position)
        if top is not None:
            top.depth = max(top.depth, found.depth + 1)

    def _copied(self, value: Any, source: str | None, target: str | None) -> Any:
        """A copy of an anchored value whose parts have the places of the original's."""
        if isinstance(value, dict):
            return {key: self._part(item, escaped(key), source, target) for key, item in value.items()}
        if isinstance(value, list):
            return [self._part(item, str(place), source, target) for place, item in enumerate(value)]
        return value

    def _part(self, value: Any, step: str, source: str | None, target: str | None) -> Any:
        if source is None or target is None:
            return self._copied(value, None, None)
        old, new = f"{source}/{step}", f"{target}/{step}"
        if old in self.positions:
            self.positions[new] = self.positions[old]
        return self._copied(value, old, new)


class _Events(CParser):  # type: ignore[misc]
    """libyaml's parser, used for its events only."""


def _merge(own: Any, value: Any, position: Position) -> None:
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise YamlError("a merge (`<<`) takes a mapping or a list of mappings", position)
    for source in sources:
        for key, item in source.items():
            own.setdefault(key, item)


def _place(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)


def _line_of(text: str, index: object) -> Position:
    before = text[: index if isinstance(index, int) else 0]
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
