"""The last good answer of each API, whole, for the day on which the API is away.

Kept are the pages as they came, with the time; never headers, credentials or parameters, of which a digest tells one
question from another. A file is private to its owner, written whole, and bounded in size, alone and with all others.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from groundwork.model.errors import RetriableError

MAX_ANSWER_BYTES = 256 << 20  # of pages as they came; a longer answer is not kept
MAX_FOLDER_BYTES = 1 << 30  # of files; the oldest go first
_SUFFIX = ".answer"
_LENGTH_BYTES = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an API is asked for: by which connection, for which table, and a digest of the rest."""

    connection: str
    table: str
    digest: str

    @classmethod
    def of(cls, connection: str, table: str, path: str, params: Mapping[str, str]) -> Question:
        """The question; parameters may hold secrets and go into the digest alone."""
        told = json.dumps([connection, table, path, sorted(params.items())])
        return cls(connection=connection, table=table, digest=hashlib.sha256(told.encode()).hexdigest()[:32])


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    """A kept answer; `at` is when it came."""

    question: Question
    at: datetime
    path: Path

    def pages(self) -> Iterator[bytes]:
        """Its pages in order. Raises: RetriableError when the file is gone or damaged."""
        try:
            with self.path.open("rb") as file:
                file.readline()
                while length := file.read(_LENGTH_BYTES):
                    page = file.read(int.from_bytes(length, "big"))
                    yield zlib.decompress(page)
        except (OSError, zlib.error) as error:
            raise RetriableError(
                "the kept answer of the API cannot be read", where=str(self.path), found=type(error).__name__
            ) from error


class KeptAnswers:
    """The folder of kept answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def writer(self, question: Question) -> AnswerWriter:
        """What takes the pages of an answer while it is read."""
        return AnswerWriter(self._folder, question)

    def find(self, connection: str, table: str | None = None) -> KeptAnswer | None:
        """The newest answer of a connection, for a table when that is named; null when none was kept."""
        found = [each for each in self._all() if each.question.connection == connection]
        found = [each for each in found if table is None or each.question.table == table]
        return max(found, key=lambda each: each.at, default=None)

    def answer_to(self, question: Question) -> KeptAnswer | None:
        """The answer to this very question; null when none was kept."""
        return _read(self._folder / f"{question.digest}{_SUFFIX}")

    def _all(self) -> Sequence[KeptAnswer]:
        return [found for path in sorted(self._folder.glob(f"*{_SUFFIX}")) if (found := _read(path)) is not None]


class AnswerWriter:
    """One answer while it comes; `keep` puts it in the place of the one before, anything else leaves that."""

    def __init__(self, folder: Path, question: Question) -> None:
        self._folder, self._question = folder, question
        self._file: BinaryIO | None = None
        self._draft = folder
        self._size = 0
        self._is_given_up = False

    def add(self, page: bytes) -> None:
        """Take the next page; a disk that refuses ends the keeping, never the reading."""
        self._size += len(page)
        if self._is_given_up or self._size > MAX_ANSWER_BYTES:
            self.drop()
            return
        try:
            if self._file is None:
                self._file = self._opened()
            packed = zlib.compress(page, 1)
            self._file.write(len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)
        except OSError as error:
            _log.warning("the answer of %s is not kept: %s", self._question.connection, type(error).__name__)
            self.drop()

    def keep(self) -> None:
        """The answer is whole."""
        if self._file is None or self._is_given_up:
            return
        file, self._file = self._file, None
        try:
            with file:
                file.flush()
                os.fsync(file.fileno())
            self._draft.replace(self._folder / f"{self._question.digest}{_SUFFIX}")
            _bound(self._folder)
        except OSError as error:
            _log.warning("the answer of %s is not kept: %s", self._question.connection, type(error).__name__)
            self._draft.unlink(missing_ok=True)

    def drop(self) -> None:
        """The answer did not come to its end, or is too long."""
        self._is_given_up = True
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()
                self._draft.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=f".{self._question.digest}.")  # private
        file = os.fdopen(descriptor, "wb")
        head = {
            "connection": self._question.connection,
            "table": self._question.table,
            "digest": self._question.digest,
            "at": datetime.now(UTC).isoformat(),
        }
        file.write(json.dumps(head).encode() + b"\n")
        self._draft = Path(name)
        return file


def _read(path: Path) -> KeptAnswer | None:
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline())
        question = Question(connection=head["connection"], table=head["table"], digest=head["digest"])
        return KeptAnswer(question=question, at=datetime.fromisoformat(head["at"]), path=path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _bound(folder: Path) -> None:
    """Take the oldest files away until the rest is small enough; drafts of dead processes go with them."""
    now = datetime.now(UTC).timestamp()
    for draft in folder.glob(".*"):
        with suppress(OSError):
            if now - draft.stat().st_mtime > 24 * 3600:
                draft.unlink()
    files = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda each: each.stat().st_mtime, reverse=True)
    size = 0
    for path in files:
        size += path.stat().st_size
        if size > MAX_FOLDER_BYTES and path != files[0]:
            path.unlink(missing_ok=True)
