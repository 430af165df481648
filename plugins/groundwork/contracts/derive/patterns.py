r"""Regular expressions of contracts (ECMA-262) → PostgreSQL's advanced regular expressions.

Most of the two syntaxes is the same text with the same meaning; this module rewrites what differs (`.`, `\d`, `\w`,
`\b`, `\x41`, `[` inside brackets) and refuses what PostgreSQL cannot say, so that no pattern silently changes its
meaning. Source: ECMA-262 5.1 section 15.10; PostgreSQL manual section 9.7.3.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

_ANY = r"[^\n\r\u2028\u2029]"  # ECMA's dot stops at line ends, PostgreSQL's does not
_OUTSIDE = {"d": "[0-9]", "D": "[^0-9]", "w": "[A-Za-z0-9_]", "W": "[^A-Za-z0-9_]", "b": r"\y", "B": r"\Y"}
_INSIDE = {"d": "0-9", "w": "A-Za-z0-9_", "s": r"\s", "b": r"\u0008"}
_LARGEST_BOUND = 255  # PostgreSQL's limit on {n,m}
_BOUND = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_HEX = {"x": 2, "u": 4}


class UntranslatablePatternError(ValueError):
    """The pattern is broken or says something that PostgreSQL cannot."""


@dataclass
class _Reader:
    """The pattern and how far it has been read."""

    pattern: str
    place: int = 0

    def take(self, count: int = 1) -> str:
        taken = self.pattern[self.place : self.place + count]
        self.place += len(taken)
        return taken

    def starts(self, prefix: str) -> bool:
        return self.pattern.startswith(prefix, self.place)

    @property
    def is_done(self) -> bool:
        return self.place >= len(self.pattern)


def to_postgresql(pattern: str) -> str:
    r"""The PostgreSQL pattern that matches exactly what the ECMA `pattern` does.

    Raises: UntranslatablePatternError with the reason.

    >>> to_postgresql(r"^[^@\s]+@\d$")
    '^[^@\\s]+@[0-9]$'
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # Python plans nested sets for `[[`, ECMA-262 does not
            re.compile(pattern)  # the two grammars agree on what is broken
    except re.error as error:
        raise UntranslatablePatternError(f"not a regular expression: {error}") from error
    reader, parts = _Reader(pattern), []
    while not reader.is_done:
        parts.append(_next(reader))
    return "".join(parts)


def _next(reader: _Reader) -> str:
    character = reader.take()
    match character:
        case "\\":
            return _escape(reader.take(), reader, _OUTSIDE)
        case ".":
            return _ANY
        case "[":
            return _bracket(reader)
        case "(" if reader.starts("?"):
            return _group(reader)
        case "{":
            reader.place -= 1
            return _bound(reader)
        case _:
            return character


def _escape(letter: str, reader: _Reader, classes: dict[str, str]) -> str:
    if letter in classes:
        return classes[letter]
    if letter in _HEX:
        digits = reader.take(_HEX[letter])
        if not re.fullmatch("[0-9A-Fa-f]" * _HEX[letter], digits):
            raise UntranslatablePatternError(f"`\\{letter}` needs {_HEX[letter]} hexadecimal digits")
        return f"\\u{int(digits, 16):04x}"
    if letter in "sSfnrtv" or not letter.isalnum():
        return f"\\{letter}"
    if letter.isdigit() and letter != "0" and classes is _OUTSIDE:
        return f"\\{letter}"
    raise UntranslatablePatternError(f"`\\{letter}` has no counterpart in PostgreSQL here")


def _group(reader: _Reader) -> str:
    for opening in ("?:", "?=", "?!"):
        if reader.starts(opening):
            return f"({reader.take(2)}"
    raise UntranslatablePatternError("only (?:…), (?=…) and (?!…) are groups of ECMA-262 5.1")


def _bound(reader: _Reader) -> str:
    found = _BOUND.match(reader.pattern, reader.place)
    if not found:
        reader.place += 1
        return r"\{"
    largest = max(int(number) for number in found.groups() if number)
    if largest > _LARGEST_BOUND:
        raise UntranslatablePatternError(f"PostgreSQL repeats at most {_LARGEST_BOUND} times, found {found[0]}")
    return reader.take(len(found[0]))


def _bracket(reader: _Reader) -> str:
    parts = ["[", reader.take() if reader.starts("^") else ""]
    if reader.starts("]"):
        raise UntranslatablePatternError("an empty bracket means nothing, or anything, in ECMA-262 only")
    while not reader.is_done:
        character = reader.take()
        if character == "]":
            return "".join([*parts, "]"])
        if character == "\\":
            parts.append(_escape(reader.take(), reader, _INSIDE))
        else:
            parts.append(r"\[" if character == "[" else character)
    raise UntranslatablePatternError("a bracket is not closed")
