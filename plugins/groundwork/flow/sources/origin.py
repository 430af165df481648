"""The bytes behind a file source: a file of the project, of an installed package, or of an object storage.

Of the local disk, nothing outside the project's folder and the named packages is ever opened; packages are found
without importing them. What changes or ends while it is read is not taken for whole.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from groundwork.flow.resources import universal_storage
from groundwork.flow.sources.packing import packing, skip, unpacked
from groundwork.flow.sources.storage import forget_listing, open_place, storage_faults
from groundwork.model.errors import ConfigError, RetriableError

Storage = Callable[[str, str | None], Any]
_PART = re.compile(r"(?P<place>.*) bytes (?P<start>\d+)-(?P<end>\d*) of version (?P<version>[0-9a-f]{8})", re.DOTALL)
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A file: `path` inside `package` when one is named, a URL of an object storage, else inside `project`.

    `compression` null means what the file's suffix says. `is_listed`: it was there when the load was planned.
    """

    project: Path
    path: str
    package: str | None = None
    compression: str | None = None
    connection: str | None = None
    storage: Storage = universal_storage
    is_listed: bool = False

    @property
    def description(self) -> str:
        """`package:path`, the URL, or the path below the project."""
        return f"{self.package}:{self.path}" if self.package else self.path

    def part_description(self, start: int | None, end: int | None, version: str = "") -> str:
        """Where the file is, and which bytes of its content when only a part is meant, of which version of it."""
        if start is None and end is None:
            return self.description
        told = f" of version {version}" if version else ""
        return f"{self.description} bytes {start or 0}-{'' if end is None else end}{told}"

    @property
    def version(self) -> str:
        """A short word for the `fingerprint`; empty when there is none."""
        found = self.fingerprint
        return "" if found is None else hashlib.sha256(found.encode()).hexdigest()[:8]

    def part_named(self, description: str) -> tuple[int | None, int | None, str] | None:
        """Start, end and version that a part of the file was described by; null for no part, or of another version."""
        found = _PART.fullmatch(description)
        if found is None or found["place"] != self.description or found["version"] != self.version:
            return None
        return int(found["start"]) or None, int(found["end"]) if found["end"] else None, found["version"]

    @property
    def is_remote(self) -> bool:
        """Whether it is in an object storage."""
        return self.package is None and "://" in self.path

    @cached_property
    def packing(self) -> str:
        """`none`, `gzip`, `zstd` or `zip`; raises ConfigError for another word."""
        return packing(self.path, self.compression)

    @property
    def is_plain(self) -> bool:
        """Whether its bytes can be read from anywhere in the middle."""
        return self.packing == "none"

    @cached_property
    def place(self) -> Any:
        """Where it lies, as a path object.

        Raises: ConfigError when the package is not installed, or the path leaves what may be read.
        """
        if self.is_remote:
            return self.storage(self.path, self.connection)
        folder = package_folder(self.package, self.description) if self.package else self.project
        return inside(folder, self.path, self.description)

    @property
    def fingerprint(self) -> str | None:
        """Size and version, or time of the last change; null when the storage tells neither, or the file is not there.

        Raises: RetriableError when the storage does not answer.
        """
        try:
            found = self._facts()
        except _GONE:
            return None
        return None if found is None else f"{found[0]} bytes, {found[1]}"

    @property
    def size_bytes(self) -> int | None:
        """Bytes of the content; null for a packed file, or when it is not known."""
        if not self.is_plain:
            return None
        try:
            found = self._facts()
        except _GONE:
            return None
        return None if found is None else found[0]

    @contextmanager
    def open(self, at: int = 0) -> Iterator[IO[bytes]]:
        """The content, unpacked, from byte `at`.

        Raises: ConfigError when it is not there or may not be read; RetriableError when it breaks off or changes while
        it is read, or was there before.
        """
        compression, before = self.packing, self.fingerprint
        try:
            raw = open_place(self.place) if self.is_remote else self.place.open("rb")
        except _GONE as error:
            raise self._missing(error) from error
        except OSError as error:
            raise self._broken(error) from error
        with raw:
            try:
                with unpacked(raw, compression, self.description) as stream:
                    self._move(stream, at)
                    yield stream
            except (EOFError, zlib.error, OSError) as error:
                raise self._broken(error) from error
        if before is not None and self.fingerprint != before:
            raise RetriableError(
                "the source changed while it was read",
                where=self.description,
                expected=before,
                found=self.fingerprint or "no file",
                next_step="run the load again when nobody writes the file; nothing of it was loaded",
            )

    def _move(self, stream: IO[bytes], at: int) -> None:
        if not at:
            return
        if self.is_plain:
            stream.seek(at)
        elif skip(stream, at) < at:
            raise EOFError(f"it ends before byte {at}")

    def _facts(self) -> tuple[int, str] | None:
        found = self._stat()
        size = getattr(found, "st_size", None)
        told = found if hasattr(found, "get") else {}
        changed = told.get("ETag") or told.get("etag")  # a storage's times are whole seconds
        changed = changed or getattr(found, "st_mtime_ns", None) or getattr(found, "st_mtime", None)
        return None if size is None or not changed else (int(size), str(changed))

    def _stat(self) -> Any:
        if not self.is_remote:
            return self.place.stat()
        try:
            with storage_faults():
                forget_listing(self.place)
                return self.place.stat()
        except _GONE:
            raise
        except OSError as error:
            raise self._broken(error) from error

    def _broken(self, error: BaseException) -> RetriableError:
        return RetriableError(
            "the source broke off while it was read",
            where=self.description,
            found=f"{type(error).__name__}: {error}",
            next_step="run the load again when the file is whole; nothing of it was loaded",
        )

    def _missing(self, error: OSError) -> ConfigError | RetriableError:
        kind = RetriableError if self.is_listed else ConfigError
        return kind(
            "the source's file cannot be opened",
            where=self.description,
            found=f"{type(error).__name__}: {error.strerror or error}",
            next_step="put the file there, or correct `source` in the contract",
        )


def package_folder(package: str, where: str) -> Path:
    """The folder of an installed package, which is not imported: data must not be able to run a package's code.

    Raises: ConfigError when there is no such package.
    """
    top, *below = package.split(".")
    spec = find_spec(top)
    found = [Path(folder, *below) for folder in (spec.submodule_search_locations or ())] if spec else []
    for folder in found:
        if folder.is_dir():
            return folder
    raise ConfigError(
        "the package that holds the source is not installed",
        where=where,
        expected=f"the package {package}",
        next_step="make install",
    )


def inside(folder: Path, path: str, where: str) -> Path:
    """`path` below `folder`; raises ConfigError when it leads elsewhere, also by links."""
    root = folder.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise outside(where, root, str(found))
    return found


def outside(where: str, root: Path, found: str) -> ConfigError:
    """The error for a path that leaves what may be read."""
    return ConfigError(
        "a source must lie inside the project, or inside the package it names",
        where=where,
        expected=f"a path below {root}",
        found=found,
        next_step="correct `source.path` in the contract",
    )
