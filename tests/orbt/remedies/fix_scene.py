"""A scene for a remedy: the failure of a task on a database of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.model.fault import Circumstances, Fault, TaskTry
from groundwork.orbt.remedies.remedy import Scene


def scene_on(target: Engine, folder: Path = Path(), **options: Any) -> Scene:
    """A connection failure of the task `load` on `target`, which is the connection `warehouse`; options replace."""
    whole: dict[str, Any] = {
        "fault": Fault(fault_class="connection_failures", exception="ConnectionError", message="gone"),
        "task_try": TaskTry(dag_id="drill", run_id="r1", task_id="load", try_number=1),
        "circumstances": Circumstances(engine="postgresql", target="warehouse"),
        "target": target,
        "engine_of": lambda _: target,
        "store": None,
        "project": folder,
        "home": folder,
        **options,
    }
    return Scene(**whole)
