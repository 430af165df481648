"""What an unquoted YAML word means, and how a text must be written to stay one.

The core schema of YAML 1.2: `yes`, `on`, `12:30` and dates are text. A number of more than a hundred signs stays text
as well, because nothing that a contract counts is that large.

Source: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Scalar = str | int | float | bool | None

_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_TRUE = frozenset(["true", "True", "TRUE"])
_FALSE = frozenset(["false", "False", "FALSE"])
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER = frozenset([".nan", ".NaN", ".NAN"])
_LONGEST_NUMBER = 100  # characters; longer ones would cost time and mean nothing
_NUMERIC_STARTS = frozenset("0123456789+-.")
_PREFIX = "tag:yaml.org,2002:"


def plain_value(text: str) -> Scalar:
    """The value of an unquoted word.

    >>> plain_value("yes"), plain_value("0o17"), plain_value("1e3"), plain_value("~")
    ('yes', 15, 1000.0, None)
    """
    if text[:1] in _NUMERIC_STARTS and len(text) <= _LONGEST_NUMBER:
        return _number(text)
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    return False if text in _FALSE else text


def _number(text: str) -> Scalar:
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float("-inf" if text.startswith("-") else "inf")
    return float("nan") if text in _NOT_A_NUMBER else text


def tagged_value(tag: str, text: str) -> Scalar:
    """The value of a word with an explicit tag; raises ValueError when the tag is not known or does not fit."""
    kind = tag.removeprefix(_PREFIX)
    read = _TAGS.get(kind) if tag.startswith(_PREFIX) else None
    if read is None:
        raise ValueError(f"the tag `{tag}` is not read in contracts")
    if kind in ("str", "timestamp"):
        return text
    value = plain_value(text)
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"`{text[:_LONGEST_NUMBER]}` is no {kind}")
    return read(value)


_TAGS: dict[str, Callable[..., Scalar]] = {
    "str": str,
    "timestamp": str,
    "int": int,
    "float": float,
    "bool": bool,
    "null": lambda _: None,
}
_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "null": (type(None),),
}


def is_text_when_plain(text: str) -> bool:
    """Whether `text` without quotes would be read as this very text."""
    return isinstance(plain_value(text), str)
