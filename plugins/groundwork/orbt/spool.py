"""Strikes that could not reach the store wait here: one small file each, written whole or not at all.

One file per strike keeps writers apart without a lock. Draining may run in two processes at once and may die half-way:
the store counts a strike once however often it arrives.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from groundwork.model.fault import Strike, strike_from_json

_log = logging.getLogger(__name__)
_PATTERN = "*.jsonl"


class Spool:
    """The folder of waiting strikes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, strike: Strike) -> Path:
        """Keep a strike until the store is back; the file it waits in.

        Raises: OSError when even the disk refuses.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{strike.at:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex}.jsonl"
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as sink:
            sink.write(json.dumps(strike.to_json()) + "\n")
            sink.flush()
            os.fsync(sink.fileno())
        part.replace(path)
        return path

    def waiting(self) -> list[Path]:
        """The files that wait, oldest first."""
        return sorted(self._folder.glob(_PATTERN))

    def drain(self, keep: Callable[[Strike], object]) -> int:
        """Hand every waiting strike to `keep`, oldest first, and forget those it took; how many.

        What `keep` raises passes through and leaves the rest waiting. A file nobody can read is set aside as `.bad`.
        """
        drained = 0
        for path in self.waiting():
            strike = _read(path)
            if strike is not None:
                keep(strike)
                path.unlink(missing_ok=True)
                drained += 1
        return drained


def _read(path: Path) -> Strike | None:
    try:
        return strike_from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:  # another process drained it
        return None
    except (ValueError, KeyError, TypeError):
        _log.exception("this waiting strike cannot be read and is set aside: %s", path)
        path.replace(path.with_suffix(".bad"))
        return None
