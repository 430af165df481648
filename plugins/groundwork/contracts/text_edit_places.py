"""Where in a YAML text the parts of an edit stand, and the text with them replaced.

Places are offsets of characters. A place that cannot be written to (behind an alias, an anchor or a tag) raises
KeyError; whether the new text means what it should is checked by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode  # type: ignore[import-untyped]

from groundwork.contracts.edits import AddEntry, AppendItem, Edit, RemoveItem, RenameKey, SetValue
from groundwork.contracts.yaml_tree import escaped
from groundwork.contracts.yaml_writing import inline_text

_DECORATED = ("&", "*", "!")


@dataclass(frozen=True, kw_only=True)
class _Replacement:
    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class _Place:
    key: Node | None
    value: Node


def replaced(text: str, edits: Sequence[Edit]) -> str:
    """`text` with the parts that `edits` speak of replaced; raises KeyError where that cannot be done."""
    places = dict(_places(yaml.compose(text, Loader=yaml.CBaseLoader), "", set()))
    newline = "\r\n" if "\r\n" in text else "\n"
    parts = [_replacement(text, places, edit, newline) for edit in edits]
    parts.sort(key=lambda each: each.start)
    for part in reversed(parts):  # of equal places the last first, so that they come to stand in order
        text = f"{text[: part.start]}{part.text}{text[part.end :]}"
    return text


def _places(node: Any, pointer: str, inside: set[int]) -> Iterator[tuple[str, _Place]]:
    if not pointer:
        yield pointer, _Place(key=None, value=node)
    if id(node) in inside:  # an alias: what it stands for is written elsewhere
        return
    inside.add(id(node))
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                child = f"{pointer}/{escaped(key.value)}"
                yield child, _Place(key=key, value=value)
                yield from _places(value, child, inside)
    elif isinstance(node, SequenceNode):
        for position, value in enumerate(node.value):
            yield f"{pointer}/{position}", _Place(key=None, value=value)
            yield from _places(value, f"{pointer}/{position}", inside)


def _replacement(text: str, places: dict[str, _Place], edit: Edit, newline: str) -> _Replacement:
    place = places[edit.pointer]
    if isinstance(edit, SetValue):
        node = place.value
        start = node.start_mark.index
        if not isinstance(node, ScalarNode) or node.style in ("|", ">") or text[start : start + 1] in _DECORATED:
            raise KeyError(edit.pointer)
        space = " " if start == node.end_mark.index and text[start - 1 : start] == ":" else ""
        return _Replacement(start=start, end=node.end_mark.index, text=space + inline_text(edit.value))
    if isinstance(edit, RenameKey):
        if place.key is None:
            raise KeyError(edit.pointer)
        return _Replacement(start=place.key.start_mark.index, end=place.key.end_mark.index, text=inline_text(edit.name))
    if isinstance(edit, AddEntry):
        return _added_entry(text, place.value, edit, newline)
    if isinstance(edit, AppendItem):
        return _appended(text, place.value, edit, newline)
    return _removed(text, places[edit.pointer.rpartition("/")[0]].value, edit)


def _added_entry(text: str, node: Node, edit: AddEntry, newline: str) -> _Replacement:
    written = f"{inline_text(edit.key)}: {inline_text(edit.value)}"
    if not isinstance(node, MappingNode):
        raise KeyError(edit.pointer)
    if node.flow_style:
        return _into_flow(node, [value for _, value in node.value], written)
    first = node.value[0][0]
    indent = " " * first.start_mark.column
    if not edit.is_first:
        for key, value in node.value:
            if isinstance(value, ScalarNode) and value.style not in ("|", ">") and _is_on_one_line(key, value):
                end = _line_end(text, value.end_mark.index)
                return _Replacement(start=end, end=end, text=f"{newline}{indent}{written}")
    start = first.start_mark.index
    return _Replacement(start=start, end=start, text=f"{written}{newline}{indent}")


def _appended(text: str, node: Node, edit: AppendItem, newline: str) -> _Replacement:
    if not isinstance(node, SequenceNode):
        raise KeyError(edit.pointer)
    written = inline_text(edit.value)
    if node.flow_style:
        return _into_flow(node, node.value, written)
    line = f"{' ' * node.start_mark.column}- {written}"
    end = _end(text, node.value[-1])
    if text[end - 1 : end] == "\n":  # behind a block of text, which ends with its line
        return _Replacement(start=end, end=end, text=f"{line}{newline}")
    return _Replacement(start=end, end=end, text=f"{newline}{line}")


def _into_flow(node: Node, values: Sequence[Node], written: str) -> _Replacement:
    """Behind the last part of `[…]` or `{…}`."""
    if not values:
        start = node.start_mark.index + 1
        return _Replacement(start=start, end=start, text=written)
    end = values[-1].end_mark.index
    return _Replacement(start=end, end=end, text=f", {written}")


def _removed(text: str, node: Node, edit: RemoveItem) -> _Replacement:
    if not isinstance(node, SequenceNode) or len(node.value) < 2:
        raise KeyError(edit.pointer)
    position = int(edit.pointer.rpartition("/")[2])
    item = node.value[position]
    if node.flow_style:
        if position:
            return _Replacement(start=node.value[position - 1].end_mark.index, end=item.end_mark.index, text="")
        return _Replacement(start=item.start_mark.index, end=node.value[1].start_mark.index, text="")
    start = text.rfind("\n", 0, item.start_mark.index) + 1
    if text[start : item.start_mark.index].strip() != "-":
        raise KeyError(edit.pointer)
    end = _end(text, item)
    if text[end - 1 : end] != "\n":
        end += 2 if text.startswith("\r\n", end) else 1
    return _Replacement(start=start, end=end, text="")


def _end(text: str, node: Node) -> int:
    """Where the last line of `node` ends; behind its newline after a block of text."""
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return int(node.end_mark.index)
    return _line_end(text, node.end_mark.index)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    if end < 0:
        return len(text)
    return end - 1 if text[end - 1 : end] == "\r" else end


def _is_on_one_line(key: Node, value: Node) -> bool:
    return bool(key.start_mark.line == value.end_mark.line)
