"""The try of a task. A module of its own, because every try imports it, in a process of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TaskTry:
    """One try of one task instance; `map_index` is -1 when the task is not mapped, tries count from 1."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int

    @property
    def instance_digest(self) -> str:
        """A name for the task instance that a file can have; the same for all of its tries."""
        told = json.dumps([self.dag_id, self.run_id, self.task_id, self.map_index])
        return hashlib.sha256(told.encode()).hexdigest()[:32]
