"""What the tries of a task run on instead of their first choice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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
