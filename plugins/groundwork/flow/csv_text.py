"""CSV as PostgreSQL's COPY reads it, taken apart without losing a byte.

Owns two things: cutting a stream of bytes into blocks that end where a record ends, and reading the records of one
block with a reason for each that is broken. Python's `csv` is not used, because it cannot tell an empty field (null)
from a quoted empty one (empty text), and reads stray quotes differently from the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from groundwork.flow.record import Reason, Rule

MAX_RECORD_BYTES = 1 << 20  # a quote that stays open longer is taken for a broken line, so that memory stays bounded


class Readable(Protocol):
    """What blocks are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def blocks(stream: Readable, block_bytes: int) -> Iterator[bytes]:
    """Runs of whole records of about `block_bytes`; a line whose quote never closes comes as a block of its own.

    Every byte of the stream is in exactly one block.
    """
    pending = b""
    while True:
        chunk = stream.read(block_bytes)
        pending += chunk
        cut = _last_boundary(pending)
        if cut:
            yield pending[:cut]
            pending = pending[cut:]
        if chunk and len(pending) <= MAX_RECORD_BYTES:
            continue
        while pending and (not chunk or len(pending) > MAX_RECORD_BYTES):
            # At the end of the stream, or with too much behind an open quote: give up the first line and look again.
            cut = (_last_boundary(pending) or _first_line(pending)) if pending.count(b'"') % 2 else len(pending)
            yield pending[:cut]
            pending = pending[cut:]
        if not chunk:
            return


def _last_boundary(data: bytes) -> int:
    """Length of the longest head of `data` that ends with a newline outside quotes; 0 when there is none."""
    cut = data.rfind(b"\n") + 1
    if b'"' not in data:
        return cut
    inside = data.count(b'"', 0, cut) % 2
    while cut and inside:
        previous = data.rfind(b"\n", 0, cut - 1) + 1
        inside = (inside - data.count(b'"', previous, cut)) % 2
        cut = previous
    return cut


def _first_line(data: bytes) -> int:
    return data.find(b"\n") + 1 or len(data)


def records(block: bytes, width: int) -> Iterator[tuple[bytes, list[str | None] | None, Reason | None]]:
    """Each record's bytes with its fields, or with the reason why it has none; blank lines are no records.

    A record of several lines that has not `width` fields is taken for a line with a stray quote: that line alone is
    given up, and reading goes on with the next, so that one quote cannot swallow its neighbours.
    """
    lines = block.splitlines(keepends=True) if b"\r" not in block else _lines(block)
    start = 0
    while start < len(lines):
        end = start + 1
        quotes = lines[start].count(b'"')
        while quotes % 2 and end < len(lines):
            quotes += lines[end].count(b'"')
            end += 1
        raw = _without_newline(b"".join(lines[start:end]))
        fields, reason = _fields(raw, width) if quotes % 2 == 0 else (None, _open_quote())
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


def _fields(raw: bytes, width: int) -> tuple[list[str | None] | None, Reason | None]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, Reason(rule=Rule.ENCODING, message=f"not UTF-8: {error.reason} at byte {error.start + 1}")
    if "\x00" in text:
        return None, Reason(rule=Rule.NUL_BYTE, message=f"a NUL byte at character {text.index(chr(0)) + 1}")
    fields = split_record(text)
    if len(fields) != width:
        return None, Reason(rule=Rule.COLUMN_COUNT, message=f"expected {width} fields, found {len(fields)}")
    return fields, None


def split_record(text: str) -> list[str | None]:
    """The fields of one record whose quotes are balanced; an empty field without quotes is null.

    >>> split_record('a,,"","say ""hi"", please"')
    ['a', None, '', 'say "hi", please']
    """
    if '"' not in text:
        return [field or None for field in text.split(",")]
    fields: list[str | None] = []
    parts: list[str] = []
    is_quoted = False
    segments = text.split('"')
    for number, segment in enumerate(segments):
        if number % 2:  # between two quotes
            parts.append(segment)
            is_quoted = True
            continue
        if segment == "" and 0 < number < len(segments) - 1:
            parts.append('"')  # two quotes side by side inside a quoted field
            continue
        first, *others = segment.split(",")
        parts.append(first)
        for other in others:
            fields.append("".join(parts) if is_quoted or any(parts) else None)
            parts, is_quoted = [other], False
    fields.append("".join(parts) if is_quoted or any(parts) else None)
    return fields
