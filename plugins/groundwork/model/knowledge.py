"""What was tried against faults and how it ended: the values of which institutional knowledge is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from groundwork.model.fault import Circumstances, Fault

WAITING = "wait_and_retry"  # the remedy of a strike before which nothing but time was spent


class Verdict(StrEnum):
    """What is known of a remedy: it helps, it does not, or it does harm and must not run by itself."""

    WORKS = "works"
    FAILS = "fails"
    HARMFUL = "harmful"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One remedy tried once, or taught by a person.

    `origin` is `strike 17` or `lesson 4`; `share` the part of a strike's outcome that is this remedy's when several ran
    together (of a lesson: how many trials a person's word counts for); `cost_seconds` what it took, waiting included.
    """

    origin: str
    fault: Fault
    circumstances: Circumstances
    remedy: str
    verdict: Verdict
    at: datetime
    share: float = 1.0
    cost_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """A fault for which a remedy is sought, where it happened."""

    fault: Fault
    circumstances: Circumstances = field(default_factory=Circumstances)
