"""The bytes behind a file source: a resource of an installed package or a file of the project, gzip or plain.

Nothing outside the project's folder and the named packages is ever opened.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from groundwork.model.errors import ConfigError, RetriableError

_COMPRESSIONS = (None, "gzip")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A file: `path` inside `package` when one is named, else inside `project`."""

    project: Path
    path: str
    package: str | None = None
    compression: str | None = None

    @property
    def description(self) -> str:
        """`package:path`, or the path below the project."""
        return f"{self.package}:{self.path}" if self.package else self.path

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The content, unpacked, from its first byte.

        Raises: ConfigError when it is not there or may not be read; RetriableError when it breaks off while it is read.
        """
        if self.compression not in _COMPRESSIONS:
            raise ConfigError(
                "the source's compression is not known",
                where=self.description,
                expected="gzip or none",
                found=self.compression,
                next_step="correct `source.compression` in the contract",
            )
        with ExitStack() as stack:
            try:
                raw = stack.enter_context(self._open_raw(stack))
            except OSError as error:
                raise self._missing(error) from error
            stream = cast("IO[bytes]", stack.enter_context(gzip.open(raw))) if self.compression == "gzip" else raw
            try:
                yield stream
            except (EOFError, zlib.error, OSError) as error:
                raise RetriableError(
                    "the source broke off while it was read",
                    where=self.description,
                    found=f"{type(error).__name__}: {error}",
                    next_step="run the load again when the file is whole; nothing of it was loaded",
                ) from error

    def _open_raw(self, stack: ExitStack) -> IO[bytes]:
        if self.package is None:
            return self._inside_project().open("rb")
        if find_spec(self.package) is None:
            raise ConfigError(
                "the package that holds the source is not installed",
                where=self.description,
                expected=f"the package {self.package}",
                next_step="make install",
            )
        found = resources.files(self.package).joinpath(self.path)
        return stack.enter_context(resources.as_file(found)).open("rb")

    def _inside_project(self) -> Path:
        project = self.project.resolve()
        path = (project / self.path).resolve()
        if not path.is_relative_to(project):
            raise ConfigError(
                "a source must lie inside the project",
                where=self.description,
                expected=f"a path below {project}",
                found=str(path),
                next_step="correct `source.path` in the contract",
            )
        return path

    def _missing(self, error: OSError) -> ConfigError:
        return ConfigError(
            "the source's file cannot be opened",
            where=self.description,
            found=f"{type(error).__name__}: {error.strerror or error}",
            next_step="put the file there, or correct `source` in the contract",
        )
