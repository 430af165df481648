"""Alternatives that could not reach the store wait here, and are read here while it is away: a file per task instance.

Only the machine that chose them knows them until the store is back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from groundwork.model.fault import Alternative, TaskTry, alternative_from
from groundwork.whole_file import write_whole

_log = logging.getLogger(__name__)
Waiting = list[tuple[int, Alternative]]


class WaitingAlternatives:
    """The folder of waiting alternatives below Groundwork's home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "alternatives"

    def add(self, task_try: TaskTry, alternative: Alternative) -> None:
        """Keep one that the try chose for the tries behind it. Raises: OSError when the disk refuses."""
        self._folder.mkdir(parents=True, exist_ok=True)
        told = [[task_try.try_number, asdict(alternative)]]
        told += [[since, asdict(each)] for since, each in self.of(task_try) if each != alternative]
        write_whole(self._path(task_try), json.dumps(told))

    def of(self, task_try: TaskTry) -> Waiting:
        """What waits for a task instance, with the try that chose it; nothing when the file cannot be read."""
        try:
            told = json.loads(self._path(task_try).read_text(encoding="utf-8"))
            return [(int(since), alternative_from(each)) for since, each in told]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError):
            _log.warning("the waiting alternatives of %s.%s cannot be read", task_try.dag_id, task_try.task_id)
            return []

    def drain(self, task_try: TaskTry, keep: Callable[[TaskTry, Alternative], None]) -> None:
        """Hand what waits for a task instance to `keep` and forget it; what `keep` raises leaves it waiting."""
        for since, alternative in self.of(task_try):
            keep(replace(task_try, try_number=since), alternative)
        self.forget(task_try)

    def forget(self, task_try: TaskTry) -> None:
        """Nothing waits for the task instance any more."""
        self._path(task_try).unlink(missing_ok=True)

    def _path(self, task_try: TaskTry) -> Path:
        return self._folder / f"{task_try.instance_digest}.json"
