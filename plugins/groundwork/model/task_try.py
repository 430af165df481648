"""The try of a task, and what it runs on instead of its first choice: all that has to be known before each try.

A module of its own, because every try imports it, in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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


class AlternativeKind(StrEnum):
    """What the next try can run on instead of what failed."""

    REPLICA = "replica"
    FALLBACK = "fallback"
    CACHED_RESPONSE = "cached_response"
    STATEMENT = "statement"


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """What the next tries of a task instance run on: `instead` of what they name.

    Replica and fallback: two Airflow connection ids. Cached response: the source's connection or address, and the
    place of the kept answer. Statement: a digest of the SQL that failed, and the SQL that does the same.
    """

    kind: AlternativeKind
    names: str
    instead: str
    reason: str


def alternative_from(data: Mapping[str, Any]) -> Alternative:
    """The alternative in a mapping of its fields' names; raises KeyError or ValueError when it is none."""
    return Alternative(
        kind=AlternativeKind(data["kind"]),
        names=str(data["names"]),
        instead=str(data["instead"]),
        reason=str(data["reason"]),
    )


def statement_digest(statement: str) -> str:
    """The name of a statement in an `Alternative`: the same for the same text, however its white space is.

    >>> statement_digest("SELECT 1 ;") == statement_digest("  SELECT   1")
    True
    """
    return hashlib.sha256(" ".join(statement.split()).rstrip("; ").encode()).hexdigest()
