"""Why a task failed, read from the log that Airflow wrote for it: one JSON object per line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.local.airflow_api import TaskState
from groundwork.local.layout import Layout


@dataclass(frozen=True, kw_only=True)
class TaskFailure:
    """The last error in a task's newest log; both are null when there is none that reads."""

    log: Path | None
    error: str | None


def failure(layout: Layout, dag_id: str, run_id: str, task: TaskState) -> TaskFailure:
    """What the log of a failed task says."""
    folder = layout.logs / "airflow" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task.task}"
    if task.map_index >= 0:
        folder /= f"map_index={task.map_index}"
    logs = sorted(folder.glob("attempt=*.log"), key=lambda path: path.stat().st_mtime)
    return TaskFailure(log=logs[-1], error=_last_error(logs[-1])) if logs else TaskFailure(log=None, error=None)


def _last_error(log: Path) -> str | None:
    found = None
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in {"error", "critical"}:
            found = _exception(entry) or entry.get("event") or found
    return found


def _exception(entry: dict[str, Any]) -> str | None:
    details = entry.get("error_detail") or entry.get("exception")
    if not isinstance(details, list) or not details or not isinstance(details[0], dict):
        return None
    return f"{details[0].get('exc_type')}: {details[0].get('exc_value')}"
