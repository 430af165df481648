"""Plain data as YAML text that `yaml_tree` reads back as the same data."""

from __future__ import annotations

import io
from typing import Any

import yaml  # type: ignore[import-untyped]

from groundwork.contracts.yaml_scalar import is_text_when_plain

_WIDTH = 120
_ENDLESS = 10_000_000  # characters: nothing is folded
_ONE_LINE = 96  # characters of a list or mapping that stands on one line
_DEEPEST = 2  # collections in one another on one line
_OPEN = frozenset(["schema", "properties", "roles"])  # what is in these lists is read line by line
_MERGE = "<<"
_BREAKS = frozenset("\r\x85\u2028\u2029\ufeff")  # these would end a line, or vanish, when written as they are


class _Writer(yaml.SafeDumper):  # type: ignore[misc]
    """Quotes each text that would not be read as text otherwise; indents lists below their key; makes no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if is_text_when_plain(text) and text != _MERGE and _BREAKS.isdisjoint(text) else '"'
    if "\n" in text and text == text.strip() and _BREAKS.isdisjoint(text):
        style = "|"
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)


class _InlineWriter(_Writer):
    """Writes no text over several lines."""


def _inline(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = is_text_when_plain(text) and text != _MERGE and _BREAKS.isdisjoint(text) and "\n" not in text
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_InlineWriter.add_representer(str, _inline)


def yaml_text(data: Any) -> str:
    """The YAML of `data`, which is made of dicts, lists and scalars."""
    return str(yaml.dump(data, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH))


def inline_text(data: Any) -> str:
    """The YAML of `data` on one line, to stand anywhere in a file."""
    text = str(
        yaml.dump(
            data, Dumper=_InlineWriter, sort_keys=False, allow_unicode=True, width=_ENDLESS, default_flow_style=True
        )
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()


def readable_text(data: Any) -> str:
    """The YAML of `data` as people write contracts: a table or column over several lines, small values on one."""
    node = _Writer(io.StringIO(), sort_keys=False).represent_data(data)
    _arrange(node, level=0)
    return str(yaml.serialize(node, Dumper=_Writer, allow_unicode=True, width=_WIDTH))


def _arrange(node: yaml.Node, *, level: int, key: str = "", is_item: bool = False) -> tuple[int, int]:
    """Choose one line or several for all in `node`; its width on one line and how deep it is.

    `key` is the key that the node, or the list it is in, stands at.
    """
    if isinstance(node, yaml.ScalarNode):
        return (_ENDLESS if "\n" in node.value else len(node.value)), 0
    if isinstance(node, yaml.MappingNode):
        inner = [_arrange(value, level=level + 1, key=name.value) for name, value in node.value]
        width = sum(len(name.value) + 2 for name, _ in node.value)
        is_open = level <= 1 or (is_item and key in _OPEN)
    else:
        inner = [_arrange(item, level=level + 1, key=key, is_item=True) for item in node.value]
        width = 0
        parts = [item for item in node.value if isinstance(item, yaml.MappingNode)]
        is_open = len(parts) > 1 and any(len(item.value) > 1 for item in parts)
    width += sum(each + 2 for each, _ in inner)
    depth = 1 + max((each for _, each in inner), default=0)
    node.flow_style = not node.value or (width <= _ONE_LINE and depth <= _DEEPEST and not is_open)
    return (width if node.flow_style else _ENDLESS), depth
