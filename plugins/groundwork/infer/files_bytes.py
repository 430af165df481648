"""The bytes of a file, unpacked, and as UTF-8 whatever they were, with what they tell on their way.

A stream is read once from start to end; nothing is held but one chunk. Owns the questions that only bytes answer:
whether they are text at all, in which encoding, and whether a quote is left open at the end.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from groundwork.flow.sources.packing import packing, unpacked
from groundwork.model.errors import ConfigError

_CHUNK_BYTES = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def compression_of(path: Path) -> str | None:
    """`gzip`, `zstd`, `zip` or null, by the file's name."""
    found = packing(path.name, None)
    return None if found == "none" else found


def plain_suffix(path: Path) -> str:
    """The suffix that tells the format, small, without the one for compression.

    >>> plain_suffix(Path("prices.CSV.gz"))
    '.csv'
    """
    return (path.with_suffix("") if compression_of(path) else path).suffix.lower()


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The file's content, unpacked.

    Raises: ConfigError when it cannot be opened or breaks off while it is read, or is a zip file of several.
    """
    compression = packing(path.name, None)
    try:
        with path.open("rb") as raw, unpacked(raw, compression, str(path)) as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(
            "the file cannot be read",
            where=str(path),
            expected=f"a {'plain' if compression == 'none' else compression} file",
            found=f"{type(error).__name__}: {error}",
            next_step="check that the file is there and whole",
        ) from error


def encoding_of(head: bytes) -> str:
    """The encoding that the first bytes show: a mark, zero bytes of UTF-16, else UTF-8 or Windows-1252."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if len(head) >= 4 and head[:200:2].count(0) + head[1:200:2].count(0) > len(head[:200]) // 4:
        return "utf-16-le" if head[1:200:2].count(0) > head[:200:2].count(0) else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


class Utf8Stream(io.RawIOBase):
    """A stream of UTF-8 made from `source`; reading raises UnicodeDecodeError where `encoding` turns out wrong.

    After the last byte `quotes` counts the quote characters and `has_nul` tells whether a NUL character came by.
    """

    def __init__(self, source: IO[bytes], encoding: str, quote: str | None) -> None:
        super().__init__()
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._quote = (quote or '"').encode()
        self._pending = b""
        self._is_done = False
        self.quotes = 0
        self.has_nul = False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as one chunk reaches; 0 at the end."""
        while not self._pending and not self._is_done:
            chunk = self._source.read(_CHUNK_BYTES)
            self._is_done = not chunk
            self._pending = self._decoder.decode(chunk, final=self._is_done).encode("utf-8")
            self.quotes += self._pending.count(self._quote)
            self.has_nul = self.has_nul or b"\x00" in self._pending
        size = min(len(buffer), len(self._pending))
        buffer[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size
