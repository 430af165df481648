"""What form a CSV file has: encoding, delimiter, quote, header and width, judged from its first records."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundwork.infer.files_bytes import encoding_of, open_bytes
from groundwork.model.errors import ConfigError

_HEAD_BYTES = 1 << 20
_HEAD_RECORDS = 1_000
_DELIMITERS = (",", ";", "\t", "|")
_DATA_LIKE = re.compile(
    r"^\s*([+-]?[\d.,]*\d[\d.,]*([eE][+-]?\d+)?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|\d{1,2}:\d{2}(:\d{2}.*)?"
    r"|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[^@\s]+@[^@\s]+\.[^@\s]+|true|false|null|n/?a)\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class CsvForm:
    """How to read a CSV file; `names` are the fields of the header, empty texts where it has none."""

    encoding: str
    delimiter: str
    quote: str | None
    has_header: bool
    names: tuple[str, ...]

    @property
    def width(self) -> int:
        """Fields of a record."""
        return len(self.names)


def sniff_csv(path: Path) -> CsvForm:
    """The form of the file at `path`.

    Raises: ConfigError when it cannot be read, is empty, or holds bytes that are no text.
    """
    with open_bytes(path) as stream:
        head = stream.read(_HEAD_BYTES)
    encoding = encoding_of(head)
    text = head.decode(encoding, "ignore" if encoding.startswith(("utf-8", "utf-16")) else "replace")
    if not text.strip():
        raise ConfigError(
            "the file is empty",
            where=str(path),
            expected="a header line and records",
            found=f"{len(head):,} bytes without any text",
            next_step="infer from a file that has records",
        )
    is_whole = len(head) < _HEAD_BYTES
    quote = _quote(text)
    delimiter = max(_DELIMITERS, key=lambda each: _consistency(_records(text, each, quote, is_whole=is_whole)))
    records = _records(text, delimiter, quote, is_whole=is_whole)
    first, rest = records[0], records[1:]
    has_header = _is_header(first, rest)
    names = tuple(first) if has_header else ("",) * len(first)
    return CsvForm(encoding=encoding, delimiter=delimiter, quote=quote, has_header=has_header, names=names)


def _quote(text: str) -> str | None:
    """The quote character: double quotes wherever they start a field, single ones where only they do."""
    starts = re.compile(r"(?:^|[,;\t|])\s?\"", re.MULTILINE)
    if starts.search(text):
        return '"'
    if re.search(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", text, re.MULTILINE) and '"' not in text:
        return "'"
    return None if '"' in text else '"'


def _records(text: str, delimiter: str, quote: str | None, *, is_whole: bool) -> list[list[str]]:
    """The first records; the last one is left out where the text was cut off."""
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    if quote is None:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    found: list[list[str]] = []
    try:
        for record in reader:
            if record:
                found.append(record)
            if len(found) > _HEAD_RECORDS:
                return found
    except csv.Error:
        return found or [[text[:80]]]
    return found if is_whole or len(found) < 2 else found[:-1]


def _consistency(records: Sequence[Sequence[str]]) -> tuple[float, int]:
    """How many records have the same number of fields, where that is more than one, and that number."""
    widths = Counter(len(record) for record in records)
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    if width == 1:
        return 0.0, 0
    starts_alike = 1.0 if len(records[0]) == width else 0.5
    return count / len(records) * starts_alike, 1


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns: nothing in it looks like data or comes again below it."""
    if not any(field.strip() for field in first) or any(_DATA_LIKE.match(field) for field in first):
        return False
    for place, name in enumerate(first):
        column = [record[place] for record in rest if len(record) > place]
        if name.strip() and name in column:
            return False
    return True
