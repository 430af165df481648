"""CSV as PostgreSQL's COPY reads it, taken apart without losing a byte.

Owns two things: cutting a stream of bytes into blocks that end where a record ends, and reading the records of one
block with a reason for each that is broken. Python's `csv` is not used, because it cannot tell an empty field (null)
from a quoted empty one (empty text), and reads stray quotes differently from the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from groundwork.flow.record import Reason, Rule

MAX_RECORD_BYTES = 1 << 20  # a quote that stays open longer is taken for a broken line, so that memory stays bounded
_SPECIAL = re.compile(r'[",\n\r\\]')  # a field of them is quoted
_EMPTY = frozenset({""})
Split = Callable[[str], list[str | None]]


class Readable(Protocol):
    """What blocks are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def blocks(stream: Readable, block_bytes: int, quote: bytes = b'"') -> Iterator[bytes]:
    """Runs of whole records of about `block_bytes`; a line whose quote never closes comes as a block of its own.

    Every byte of the stream is in exactly one block. Where a block ends follows from the bytes behind its beginning
    alone: who starts at the end of any block gets the very blocks that follow it.
    """
    data, is_over = b"", False
    while True:
        reach = block_bytes
        cut = 0
        while not cut:
            if not is_over and len(data) <= reach:
                wanted = reach + 1 - len(data)  # one more tells whether there is more
                more = _read_whole(stream, wanted)
                is_over = len(more) < wanted
                data += more
            end = min(reach, len(data))
            if is_over and end == len(data) and not (quote and data.count(quote) % 2):
                cut = end
            else:
                cut = _last_boundary(data, end, quote)
            if cut or (is_over and end == len(data)) or reach > MAX_RECORD_BYTES:
                break
            reach *= 2
        if not data:
            return
        # Too much behind an open quote, at the end or not: give up the first line and look again behind it.
        cut = cut or (_first_line(data) if quote and data.count(quote, 0, end) % 2 else end)
        yield data[:cut]
        data = data[cut:]


def _read_whole(stream: Readable, size: int) -> bytes:
    """`size` bytes, fewer only at the end: some streams hand out less than they were asked for."""
    pieces: list[bytes] = []
    while size and (data := stream.read(size)):
        pieces.append(data)
        size -= len(data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _last_boundary(data: bytes, end: int, quote: bytes) -> int:
    """Length of the longest head of `data[:end]` that ends with a newline outside quotes; 0 when there is none."""
    cut = data.rfind(b"\n", 0, end) + 1
    inside = data.count(quote, 0, cut) % 2 if quote else 0
    while cut and inside:
        previous = data.rfind(b"\n", 0, cut - 1) + 1
        inside = (inside - data.count(quote, previous, cut)) % 2
        cut = previous
    return cut


def _first_line(data: bytes) -> int:
    return data.find(b"\n") + 1 or len(data)


def records(
    block: bytes, width: int, split: Split | None = None, quote: bytes = b'"'
) -> Iterator[tuple[bytes, list[str | None] | None, Reason | None]]:
    """Each record's bytes with its fields, or with the reason why it has none; blank lines are no records.

    A record of several lines that has not `width` fields is taken for a line with a stray quote: that line alone is
    given up, and reading goes on with the next, so that one quote cannot swallow its neighbours. `split` divides the
    text of a record; null stands for `split_record`.
    """
    divide = split or split_record
    lines = block.splitlines(keepends=True) if b"\r" not in block else _lines(block)
    start = 0
    while start < len(lines):
        end = start + 1
        quotes = lines[start].count(quote) if quote else 0
        while quotes % 2 and end < len(lines):
            quotes += lines[end].count(quote)
            end += 1
        raw = _without_newline(b"".join(lines[start:end]))
        fields, reason = _fields(raw, width, divide) if quotes % 2 == 0 else (None, _open_quote())
        if reason is not None and end - start > 1:
            end = start + 1
            raw, fields, reason = _without_newline(lines[start]), None, _open_quote()
        start = end
        if raw:
            yield raw, fields, reason


def _lines(block: bytes) -> list[bytes]:
    """Lines ended by a newline only: a lone carriage return is data."""
    parts = block.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _without_newline(raw: bytes) -> bytes:
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def _open_quote() -> Reason:
    return Reason(rule=Rule.UNTERMINATED_QUOTE, message="a quote is opened and not closed in the record")


def _fields(raw: bytes, width: int, divide: Split) -> tuple[list[str | None] | None, Reason | None]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, Reason(rule=Rule.ENCODING, message=f"not UTF-8: {error.reason} at byte {error.start + 1}")
    if "\x00" in text:
        return None, Reason(rule=Rule.NUL_BYTE, message=f"a NUL byte at character {text.index(chr(0)) + 1}")
    fields = divide(text)
    if len(fields) != width:
        return None, Reason(rule=Rule.COLUMN_COUNT, message=f"expected {width} fields, found {len(fields)}")
    return fields, None


def split_record(
    text: str, delimiter: str = ",", quote: str = '"', nulls: Collection[str] = _EMPTY
) -> list[str | None]:
    """The fields of one record whose quotes are balanced; a field of `nulls` without quotes is null.

    An empty `quote` means that nothing is quoted.

    >>> split_record('a,,"","say ""hi"", please"')
    ['a', None, '', 'say "hi", please']
    """
    if not quote or quote not in text:
        if nulls is _EMPTY:
            return [field or None for field in text.split(delimiter)]
        return [None if field in nulls else field for field in text.split(delimiter)]
    fields: list[str | None] = []
    parts: list[str] = []
    is_quoted = False
    segments = text.split(quote)
    for number, segment in enumerate(segments):
        if number % 2:  # between two quotes
            parts.append(segment)
            is_quoted = True
            continue
        if segment == "" and 0 < number < len(segments) - 1:
            parts.append(quote)  # two quotes side by side inside a quoted field
            continue
        first, *others = segment.split(delimiter)
        parts.append(first)
        for other in others:
            fields.append(_joined(parts, nulls, is_quoted=is_quoted))
            parts, is_quoted = [other], False
    fields.append(_joined(parts, nulls, is_quoted=is_quoted))
    return fields


def _joined(parts: Sequence[str], nulls: Collection[str], *, is_quoted: bool) -> str | None:
    found = "".join(parts)
    return None if not is_quoted and found in nulls else found


def write_record(fields: Sequence[str | None]) -> str:
    """The fields as one line that COPY reads as them: null is an empty field, empty text a quoted one.

    >>> write_record(["a", None, "", 'say "hi", you']).rstrip()
    'a,,"","say ""hi"", you"'
    """
    return ",".join("" if field is None else _written(field) for field in fields) + "\n"


def _written(field: str) -> str:
    if field and not _SPECIAL.search(field):
        return field
    return '"' + field.replace('"', '""') + '"'
