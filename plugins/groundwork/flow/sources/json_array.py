"""The elements of one JSON array, one by one, without reading the whole of it.

Elements are told apart by their brackets and quotes alone; whether one is right JSON is judged later, so that a broken
element has good neighbours. Where all that was read is right, a parser tells many of them apart at once. Arrays that do
not end have broken off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from groundwork.flow.csv_text import MAX_RECORD_BYTES
from groundwork.flow.sources.digesting import Digesting
from groundwork.model.errors import DataQualityError

_CHUNK = 1 << 18
_FIRST_KEY = re.compile(rb'\{\s*"[^"\\]{1,100}"')
_TRIES = 4  # places that may be the end of an element, from the last one on
_STRUCTURE = re.compile(rb'["{}\[\],]')
_STRING_END = re.compile(rb'(?:[^"\\]|\\.)*+"', re.DOTALL)
_BLANK = b" \t\r\n"


def elements(stream: Digesting, offset: int, where: str) -> Iterator[tuple[bytes, int]]:
    """Each element's text with the byte behind it; `offset` 0 is the beginning, else the end of some element.

    Raises: EOFError when the array does not end; DataQualityError when there is no array, more behind it, or an element
    larger than a record may be.
    """
    reader = _Reader(stream, offset, where)
    if offset == 0:
        reader.skip_blank()
        if reader.take(3) == b"\xef\xbb\xbf":
            reader.drop(3)
            reader.skip_blank()
        if reader.take(1) != b"[":
            raise reader.wrong("an array of objects", reader.take(20))
        reader.drop(1)
    is_first = offset == 0
    while True:
        reader.skip_blank()
        found = reader.take(1)
        if found == b"]":
            reader.drop(1)
            reader.skip_blank(at_end=True)
            if rest := reader.take(20, at_end=True):
                raise reader.wrong("nothing behind the array", rest)
            return
        if not is_first:
            if found != b",":
                raise reader.wrong("a comma or the end of the array", reader.take(20))
            reader.drop(1)
            reader.skip_blank()
        is_first = False
        yield from reader.certain() or [reader.element()]


class _Reader:
    """What of a stream was read and not yet used."""

    def __init__(self, stream: Digesting, offset: int, where: str) -> None:
        self._stream = stream
        self._where = where
        self._data = b""
        self._at = 0
        self._offset = offset
        self._unsure_until = 0

    def take(self, size: int, *, at_end: bool = False) -> bytes:
        """The next `size` bytes, fewer before the end; raises EOFError when there is none, unless `at_end`."""
        while len(self._data) - self._at < size and self._more():
            pass
        found = self._data[self._at : self._at + size]
        if not found and not at_end:
            raise EOFError("the array does not end")
        return found

    def drop(self, size: int) -> None:
        """Go on behind `size` bytes."""
        self._at += size
        self._offset += size

    def skip_blank(self, *, at_end: bool = False) -> None:
        """Go on at the next byte that is not blank."""
        while (found := self.take(1, at_end=at_end)) and found in _BLANK:
            rest = self._data[self._at :]
            self.drop(len(rest) - len(rest.lstrip(_BLANK)))

    def certain(self) -> list[tuple[bytes, int]]:
        """Elements from here on, as `element` would find them; none where that is not certain.

        A text that is an array when brackets are put around it can only have ended with an element.
        """
        if self._offset < self._unsure_until:
            return []
        if len(self._data) - self._at < _CHUNK:
            self._more()
        first = _FIRST_KEY.match(self._data, self._at)
        end = len(self._data)
        for _ in range(_TRIES if first else 0):
            end = self._data.rfind(first[0], self._at + 1, end)  # type: ignore[index]  # mypy forgets the condition
            if end < 0:
                break
            text = self._data[self._at : end].rstrip(_BLANK)
            if text.endswith(b",") and (found := _divided(text[:-1])):
                return self._taken(found)
        self._unsure_until = self._offset + len(self._data) - self._at
        return []

    def _taken(self, found: list[bytes]) -> list[tuple[bytes, int]]:
        place, before = self._at, self._offset - self._at
        taken = []
        for text in found:
            place = self._data.index(text, place) + len(text)
            taken.append((text, before + place))
        self.drop(place - self._at)
        return taken

    def element(self) -> tuple[bytes, int]:
        """The text up to the comma or bracket that ends it, and the byte behind it."""
        depth, place = 0, self._at
        while True:
            match = _STRUCTURE.search(self._data, place)
            if match is None:
                place = self._grown(len(self._data))
                continue
            sign = match[0]
            if depth == 0 and sign in b",]}":
                break
            place = match.end()
            if sign == b'"':
                place = self._behind_string(place)
            elif sign in b"{[":
                depth += 1
            elif sign in b"}]":
                depth -= 1
        text = self._data[self._at : match.start()].rstrip(_BLANK)
        self.drop(len(text))
        return text, self._offset

    def _behind_string(self, place: int) -> int:
        while (match := _STRING_END.match(self._data, place)) is None:
            place = self._grown(place)
        return match.end()

    def _grown(self, place: int) -> int:
        """`place` after more was read; what was used is let go."""
        if len(self._data) - self._at > MAX_RECORD_BYTES:
            raise self.wrong(f"elements of at most {MAX_RECORD_BYTES} bytes", self._data[self._at : self._at + 20])
        before = self._at
        if not self._more():
            raise EOFError("the array does not end")
        return place - before

    def _more(self) -> bool:
        data = self._stream.read(_CHUNK)
        self._data = self._data[self._at :] + data
        self._at = 0
        return bool(data)

    def wrong(self, expected: str, found: bytes) -> DataQualityError:
        """The error for text that is no array of objects."""
        return DataQualityError(
            "the source is not the JSON that was declared",
            where=f"{self._where}, byte {self._offset + 1}",
            expected=expected,
            found=found.decode("utf-8", "backslashreplace"),
            next_step="correct the file, or `source.format` in the contract",
        )


@cache
def _divider() -> Callable[[bytes], Sequence[bytes]]:
    import msgspec

    return msgspec.json.Decoder(list[msgspec.Raw]).decode


def _divided(text: bytes) -> list[bytes]:
    """The elements between the brackets of an array; none when it is no right one."""
    try:
        return [bytes(each) for each in _divider()(b"[" + text + b"]")]
    except (ValueError, RecursionError):
        return []
