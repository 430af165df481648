"""Plain data as YAML text that `yaml_tree` reads back as the same data."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]

from groundwork.contracts.yaml_scalar import is_text_when_plain

_WIDTH = 120
_ENDLESS = 10_000_000  # characters: nothing is folded
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
