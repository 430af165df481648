"""Live progress of a Dag run for a person: a table that redraws itself on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, Self

from groundwork.local.airflow_api import TaskState

_ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
_MARKS = {"success": "✓", "failed": "✗", "upstream_failed": "✗", "running": "▶", "skipped": "-", "up_for_retry": "↻"}


class Progress(Protocol):
    """Shows the tasks of a run each time it is told of them."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, tasks: Sequence[TaskState]) -> None:
        """Take note of the present states."""


def progress(write: Callable[[str], None]) -> Progress:
    """The display that fits where standard error goes."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress(write)


def in_order(tasks: Sequence[TaskState]) -> list[TaskState]:
    """The tasks as they began, those that have not begun last; copies of one task by their index."""
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(tasks, key=lambda task: (task.started_at or never, task.task, task.map_index))


class PlainProgress:
    """One line each time a task begins a try or ends."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._seen: dict[str, tuple[str | None, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, tasks: Sequence[TaskState]) -> None:
        """Tell of every task that ended or is tried again since the last call."""
        for task in in_order(tasks):
            now = (task.state, task.try_number)
            if now == self._seen.get(task.label):
                continue
            self._seen[task.label] = now
            if task.state in _ENDED or task.state == "up_for_retry":
                self._write(f"  {line(task)}")


class LiveProgress:
    """All phases with their tasks, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, tasks: Sequence[TaskState]) -> None:
        """Redraw."""
        from rich.text import Text

        self._live.update(Text("\n".join(overview(tasks))), refresh=True)


def overview(tasks: Sequence[TaskState]) -> list[str]:
    """One line per phase (a Dag's task group), with the tasks of those that are not through."""
    groups: dict[str, list[TaskState]] = {}
    for task in in_order(tasks):
        groups.setdefault(task.task.rpartition(".")[0], []).append(task)
    lines = []
    for name, members in groups.items():
        ended = sum(task.state in _ENDED for task in members)
        seconds = sum(task.seconds or 0 for task in members)
        is_through = ended == len(members) and all(task.state == "success" for task in members)
        if name:
            mark = "✓" if is_through else "▶" if any(task.state for task in members) else "·"
            lines.append(f"{mark} {name:<44} {ended}/{len(members)} tasks {seconds:8.1f} s")
        if not is_through or not name:
            lines.extend(f"{'    ' if name else ''}{line(task)}" for task in members)
    return lines


def line(task: TaskState) -> str:
    """One task on one line."""
    mark = _MARKS.get(task.state or "", "·")
    seconds = f"{task.seconds:6.1f} s" if task.seconds is not None else ""
    tries = f" (try {task.try_number})" if task.try_number > 1 else ""
    return f"{mark} {task.label:<44} {(task.state or 'waiting') + tries:<18} {seconds}".rstrip()
