"""Packed files: which packing a file has, and a stream of its content."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from groundwork.model.errors import ConfigError

COMPRESSIONS = ("none", "gzip", "zstd", "zip")
_SUFFIXES = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".zip": "zip"}


def packing(path: str, declared: str | None) -> str:
    """One of `COMPRESSIONS`: as declared, else as the file's suffix tells.

    Raises: ConfigError for a word that is none of them.
    """
    if declared is None:
        return next((found for suffix, found in _SUFFIXES.items() if path.lower().endswith(suffix)), "none")
    if declared not in COMPRESSIONS:
        raise ConfigError(
            "the source's compression is not known",
            where=path,
            expected=", ".join(COMPRESSIONS),
            found=declared,
            next_step="correct `source.compression` in the contract",
        )
    return declared


@contextmanager
def unpacked(raw: IO[bytes], compression: str, where: str) -> Iterator[IO[bytes]]:
    """The content of `raw`; what is cut off raises EOFError or OSError while it is read, what is broken zlib.error too.

    Raises: ConfigError for a zip file that does not hold exactly one file.
    """
    if compression == "gzip":
        with gzip.open(raw) as stream:
            yield cast("IO[bytes]", stream)
    elif compression == "zstd":
        import pyarrow as pa

        with pa.input_stream(raw, compression="zstd") as packed:
            yield cast("IO[bytes]", io.BufferedReader(packed))  # which has lines
    elif compression == "zip":
        with _only_member(raw, where) as member:
            yield member
    else:
        yield raw


@contextmanager
def _only_member(raw: IO[bytes], where: str) -> Iterator[IO[bytes]]:
    try:
        archive = zipfile.ZipFile(raw)
    except zipfile.BadZipFile as error:
        raise EOFError(str(error)) from error
    with archive:
        members = [each for each in archive.infolist() if not each.is_dir() and not _is_attribute(each)]
        if len(members) != 1 or members[0].flag_bits & 1:
            raise ConfigError(
                "a zip file is a source only when it holds exactly one file, without a password",
                where=where,
                expected="one file",
                found=", ".join(each.filename for each in members[:5]) or "no file",
                next_step="unpack it, and name its files by a glob",
            )
        with archive.open(members[0]) as stream:
            try:
                yield stream
            except zipfile.BadZipFile as error:
                raise EOFError(str(error)) from error


def _is_attribute(member: Any) -> bool:
    """What some systems add beside a file of their own accord."""
    return str(member.filename).startswith("__MACOSX/")


def read_whole(stream: Any, size: int) -> bytes:
    """`size` bytes, fewer only at the end: some streams hand out less than they were asked for."""
    data: bytes = stream.read(size)
    if len(data) in (0, size):
        return data
    pieces = [data]
    left = size - len(data)
    while left and (data := stream.read(left)):
        pieces.append(data)
        left -= len(data)
    return b"".join(pieces)


def skip(stream: Any, size: int) -> int:
    """Read past `size` bytes; returns how many there were."""
    left = size
    while left and (data := stream.read(min(left, 1 << 20))):
        left -= len(data)
    return size - left
