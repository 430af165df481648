"""Strikes, and successes after them, that could not reach the store wait here: one small file each, written whole.

One file per entry keeps writers apart without a lock. Draining may run in two processes at once and may die half-way:
the store counts a strike once however often it arrives.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.exc import DataError, IntegrityError

from groundwork.model.fault import Strike, TaskTry, strike_from_json

_log = logging.getLogger(__name__)
_PATTERN = "*.jsonl"
_SUCCEEDED = "succeeded"
_BAD = ".bad"
_REFUSED = (DataError, IntegrityError, ValueError, TypeError)  # what the entry itself is to blame for


class Book(Protocol):
    """Where strikes and successes are kept; the same one twice changes nothing."""

    def keep(self, strike: Strike) -> object:
        """Record a strike."""

    def succeeded(self, task_try: TaskTry) -> object:
        """Mark the strikes of a task instance healed."""


class Spool:
    """The folder of waiting strikes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, strike: Strike) -> Path:
        """Keep a strike until the store is back; the file it waits in.

        Raises: OSError when even the disk refuses.
        """
        return self._write(strike.at, strike.to_json())

    def add_success(self, task_try: TaskTry, at: datetime) -> Path:
        """Keep that a task succeeded which had failed, behind its strikes; raises as `add` does."""
        return self._write(at, {_SUCCEEDED: asdict(task_try)})

    def _write(self, at: datetime, entry: Mapping[str, Any]) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{at:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex}.jsonl"
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as sink:
            sink.write(json.dumps(entry) + "\n")
            sink.flush()
            os.fsync(sink.fileno())
        part.replace(path)
        return path

    def waiting(self) -> list[Path]:
        """The files that wait, oldest first."""
        return sorted(self._folder.glob(_PATTERN))

    def drain(self, book: Book) -> int:
        """Hand all that waits to the book, oldest first, and forget what it took; how many.

        What the book raises because the store is away passes through and leaves the rest waiting. A file that nobody
        can read, or whose content the store does not take, is set aside as `.bad`.
        """
        drained = 0
        for path in self.waiting():
            entry = _read(path)
            if entry is None:
                continue
            try:
                if isinstance(entry, Strike):
                    book.keep(entry)
                else:
                    book.succeeded(entry)
            except _REFUSED:
                _log.exception("the store does not take this waiting entry, it is set aside: %s", path)
                path.replace(path.with_suffix(_BAD))
                continue
            path.unlink(missing_ok=True)
            drained += 1
        return drained


def _read(path: Path) -> Strike | TaskTry | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return TaskTry(**data[_SUCCEEDED]) if _SUCCEEDED in data else strike_from_json(data)
    except FileNotFoundError:  # another process drained it
        return None
    except (ValueError, KeyError, TypeError):
        _log.exception("this waiting entry cannot be read and is set aside: %s", path)
        path.replace(path.with_suffix(_BAD))
        return None
