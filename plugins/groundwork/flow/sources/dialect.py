"""How a CSV file is written, and its text as COPY reads it: commas, double quotes, UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from groundwork.flow import csv_text
from groundwork.flow.sources.packing import read_whole
from groundwork.model.errors import ConfigError

_UTF8 = ("utf-8", "utf-8-sig")
_CHUNK = 1 << 18
_BROKEN = "groundwork-broken"  # bytes that are no text become one that UTF-8 has not, so that their record is told
codecs.register_error(_BROKEN, lambda error: ("\udcff", getattr(error, "end", 0)))


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Delimiter and quote are one ASCII character each; an empty quote means that nothing is quoted.

    `header` names the fields of a file without a header line. `nulls` are words that stand for null where they are not
    quoted, beside the empty field.
    """

    delimiter: str = ","
    quote: str = '"'
    header: tuple[str, ...] | None = None
    nulls: frozenset[str] = frozenset()
    encoding: str = "utf-8"

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes of the file are those that are read."""
        return self.encoding in _UTF8

    @property
    def is_plain(self) -> bool:
        """Whether commas, double quotes and empty fields are what they are for COPY."""
        return (self.delimiter, self.quote) == (",", '"') and not self.nulls - {""}

    def split(self, text: str) -> list[str | None]:
        """The fields of one record."""
        if self.is_plain:
            return csv_text.split_record(text)
        return csv_text.split_record(text, self.delimiter, self.quote, self.nulls | {""})

    def canonical(self, block: bytes, width: int) -> bytes | None:
        """The records of a block as COPY reads them; null when one is broken, or cannot be written so."""
        if self.is_plain:
            return block
        if width < 2:
            return None
        foreign = [b'"', b",", self.quote.encode(), *(word.encode() for word in self.nulls)]
        if not any(text and text in block for text in foreign if text != self.delimiter.encode()):
            return block.replace(self.delimiter.encode(), b",")
        lines: list[str] = []
        for _, fields, reason in csv_text.records(block, width, self.split, self.quote.encode()):
            if fields is None or reason is not None:
                return None
            lines.append(csv_text.write_record(fields))
        return "".join(lines).encode()


USUAL = Dialect()


class Utf8:
    """A stream of text in another encoding, as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors=_BROKEN)
        self._ready = b""
        self._is_over = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        while len(self._ready) < size and self._more():
            pass
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    def readline(self, size: int) -> bytes:
        """The next line, or its first `size` bytes."""
        while b"\n" not in self._ready and len(self._ready) < size and self._more():
            pass
        return self.read(min(self._ready.find(b"\n") + 1 or size, size))

    def _more(self) -> bool:
        """Decode what comes next; False at the end."""
        if not self._is_over:
            data = read_whole(self._stream, _CHUNK)
            self._is_over = not data
            text = self._decoder.decode(data, final=self._is_over)
            self._ready += text.encode("utf-8", "surrogateescape")
        return not self._is_over


def declared_dialect(declared: Mapping[str, Any], where: str) -> Dialect:
    """The dialect that a source declares.

    Raises: ConfigError when it cannot be read that way.
    """
    delimiter, quote = str(declared.get("delimiter", ",")), declared.get("quote", '"')
    quote = "" if quote in (None, "", "none") else str(quote)
    for key, found in (("delimiter", delimiter), ("quote", quote)):
        if key == "quote" and not found:
            continue
        if len(found) != 1 or not found.isascii() or found in "\r\n\\" or found.isalnum():
            raise _wrong(where, key, "one ASCII character that is no letter, digit, backslash or line end", found)
    if delimiter == quote:
        raise _wrong(where, "quote", "another character than the delimiter", quote)
    header = declared.get("header", True)
    if not (header is True or (isinstance(header, list) and header and all(isinstance(each, str) for each in header))):
        raise _wrong(where, "header", "true, or the list of the fields' names", header)
    nulls = declared.get("null", [])
    return Dialect(
        delimiter=delimiter,
        quote=quote,
        header=None if header is True else tuple(header),
        nulls=frozenset(str(word) for word in (nulls if isinstance(nulls, list) else [nulls])) - {""},
        encoding=_encoding(str(declared.get("encoding", "utf-8")), where),
    )


def _encoding(name: str, where: str) -> str:
    try:
        found = codecs.lookup(name)
        codecs.getincrementaldecoder(name)
        is_text = isinstance("".encode(name), bytes)
    except (LookupError, TypeError) as error:
        raise _wrong(where, "encoding", "an encoding that Python knows, such as utf-8 or latin-1", name) from error
    if not is_text:
        raise _wrong(where, "encoding", "an encoding of text", name)
    return found.name


def _wrong(where: str, key: str, expected: str, found: object) -> ConfigError:
    return ConfigError(
        f"the {key} of the CSV source cannot be used",
        where=f"{where}, source.{key}",
        expected=expected,
        found=found,
        next_step="correct it in the contract",
    )
