"""From a path, a stream or rows to a source, by suffix, by name of the format, or by its first bytes.

Read as they are: CSV, JSON lines and JSON, plain or packed by gzip or zstd; Parquet.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, cast

from groundwork.access.check_blocks import RowSource, Source
from groundwork.access.check_csv import CsvSource
from groundwork.access.check_json import JsonSource
from groundwork.access.check_parquet import ParquetSource
from groundwork.model.errors import ConfigError


class FileFormat(StrEnum):
    """The formats that can be read."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Bytes that are read once, such as the standard input."""

    file: IO[bytes]
    description: str = "standard input"


Rows = Path | Stream | Iterable[Mapping[str, object]]
_SUFFIXES = {
    ".csv": FileFormat.CSV,
    ".json": FileFormat.JSON,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
}
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_KNOWN = f"{', '.join(_SUFFIXES)}, all but Parquet also with {' or '.join(_PACKED)} behind"


@contextmanager
def open_source(rows: Rows, file_format: FileFormat | None = None) -> Iterator[Source]:
    """The source of `rows`; `file_format` overrides what the suffix says.

    Raises: ConfigError when the file cannot be read, is of no known format, or breaks off.
    """
    with ExitStack() as stack:
        if isinstance(rows, Path):
            try:
                yield _of_file(rows, file_format, stack)
            except (OSError, EOFError, zlib.error) as error:
                raise _unreadable(str(rows), error) from error
        elif isinstance(rows, Stream):
            yield _of_stream(rows, file_format)
        else:
            yield RowSource(rows=rows)


def _of_file(path: Path, file_format: FileFormat | None, stack: ExitStack) -> Source:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = _PACKED.get(suffixes[-1]) if suffixes else None
    plain = suffixes[:-1] if packed else suffixes
    found = file_format or (_SUFFIXES.get(plain[-1]) if plain else None)
    if found is None:
        raise ConfigError(
            "the name of the file does not tell its format",
            where=str(path),
            expected=_KNOWN,
            found=path.name,
            next_step="name it by --format csv, json, jsonl or parquet",
        )
    raw = stack.enter_context(path.open("rb"))
    if found is FileFormat.PARQUET:
        return ParquetSource(file=raw, description=str(path))
    return _of_text(_unpacked(raw, packed, stack), str(path), found)


def _of_stream(stream: Stream, file_format: FileFormat | None) -> Source:
    if file_format is FileFormat.PARQUET:
        raise ConfigError(
            "Parquet is read from its end, which a stream does not have",
            where=stream.description,
            next_step="write it into a file and name the file",
        )
    if file_format is not None:
        return _of_text(stream.file, stream.description, file_format)
    ahead = _Ahead(stream.file)
    first = ahead.peek().lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    guessed = FileFormat.JSON if first in (b"{", b"[") else FileFormat.CSV
    return _of_text(cast("IO[bytes]", ahead), stream.description, guessed)


def _of_text(stream: IO[bytes], description: str, file_format: FileFormat) -> Source:
    if file_format is FileFormat.CSV:
        return CsvSource(stream=stream, description=description)
    return JsonSource(stream=stream, description=description, by_lines=file_format is FileFormat.JSONL)


def _unpacked(raw: IO[bytes], packed: str | None, stack: ExitStack) -> IO[bytes]:
    if packed == "gzip":
        return cast("IO[bytes]", stack.enter_context(gzip.open(raw)))
    if packed == "zstd":
        import io

        import pyarrow as pa

        return cast("IO[bytes]", io.BufferedReader(stack.enter_context(pa.CompressedInputStream(raw, "zstd"))))
    return raw


class _Ahead:
    """A stream whose first bytes can be looked at before they are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._head = b""

    def peek(self) -> bytes:
        """The first bytes."""
        self._head = self._head or self._stream.read(4096)
        return self._head

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, none at the end."""
        if not self._head:
            return self._stream.read(size)
        if size < 0:
            found, self._head = self._head + self._stream.read(), b""
            return found
        found, self._head = self._head[:size], self._head[size:]
        return found

    def readline(self, size: int = -1) -> bytes:
        """One line with its end, at most `size` bytes of it."""
        end = self._head.find(b"\n") + 1
        if end:
            return self.read(end)
        found = self.read(len(self._head)) if self._head else b""
        return found + self._stream.readline(size)


def _unreadable(where: str, error: Exception) -> ConfigError:
    told: Any = getattr(error, "strerror", None) or error
    return ConfigError(
        "the file cannot be read",
        where=where,
        expected="a whole, readable file",
        found=f"{type(error).__name__}: {told}",
        next_step="check the path, the permissions and whether the file is complete",
    )
