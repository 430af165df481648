"""Texts of JSON values, cut out of a stream one by one, and read strictly one by one."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any

from groundwork.access.check_blocks import Broken, Given, broken_object

MAX_OBJECT_BYTES = 16 << 20
_SPACE = " \t\r\n"


class _RepeatedKeyError(ValueError):
    """An object has a key twice."""


def parsed(text: bytes) -> Given:
    """The object that `text` is, decimals kept exact; or what is wrong with it."""
    try:
        found = _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        return _broken(f"bytes that are not UTF-8: {error.reason} at byte {error.start + 1}")
    except RecursionError:
        return _broken("brackets nested too deeply")
    except ValueError as error:
        return _broken(str(error))
    return found if isinstance(found, dict) else broken_object(found)


def _broken(found: str) -> Broken:
    return Broken(expected="one JSON object", found=found, suggestion='write {"column": value, …}')


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise _RepeatedKeyError(f"the key {repeated[:100]!a} twice")
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"{word}, which is not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_unrepeated)
_CUTTER = json.JSONDecoder()


class Spans:
    """The values of a stream one by one as texts, with their lines; `broken` says why it ended too early."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._text = ""
        self._place = 0
        self._is_over = False
        self.line = 1
        self.broken: Broken | None = None

    def __iter__(self) -> Iterator[tuple[str, int]]:
        in_list = self._next() == "["
        if in_list:
            self._skip(1)
        while (letter := self._next()) and not (in_list and letter == "]"):
            end = self._end_of_value()
            if end is None:
                return
            yield self._text[self._place : end], self.line
            self._skip(end - self._place)
            if in_list and not self._separated():
                return
        if in_list and letter == "]":
            self._skip(1)
            if self._next():
                self.broken = _broken("something after the end of the list")
        elif in_list:
            self.broken = _broken("the end of the input inside the list")

    def _separated(self) -> bool:
        """Take the comma after a value of the list."""
        letter = self._next()
        if letter == ",":
            self._skip(1)
        elif letter != "]":
            self.broken = _broken(f"{letter!a} where a comma should be" if letter else "the end of the input")
        return self.broken is None

    def _end_of_value(self) -> int | None:
        while True:
            try:
                end = _CUTTER.raw_decode(self._text, self._place)[1]
            except (ValueError, RecursionError) as error:
                if not self._is_over and len(self._text) - self._place < MAX_OBJECT_BYTES:
                    self._read()
                    continue
                self.broken = _broken(str(error)[:200])
                return None
            if end < len(self._text) or self._is_over:
                return end
            self._read()  # a number at the end of what was read may go on

    def _next(self) -> str:
        """The next letter that is no space; empty at the end."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in _SPACE:
                self._skip(1)
            if self._place < len(self._text):
                return self._text[self._place]
            if self._is_over:
                return ""
            self._read()

    def _skip(self, letters: int) -> None:
        self.line += self._text.count("\n", self._place, self._place + letters)
        self._place += letters

    def _read(self) -> None:
        """Read as much again as is waiting, so that a long value is not looked at once per chunk."""
        chunk = self._stream.read(max(1 << 20, len(self._text) - self._place))
        self._is_over = not chunk
        self._text = self._text[self._place :] + self._decode.decode(chunk, final=self._is_over)
        self._place = 0
