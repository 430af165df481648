"""What one run told: its changes, kept in the store before each is made, its report, and what it wants of others."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from groundwork.model.fault import Alternative, Change
from groundwork.orbt.remedies.confinement import Confinement, RemedyStoppedError
from groundwork.store.remedy_run import RemedyRuns


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to run, as the store knows it."""

    runs: RemedyRuns
    run_id: int
    holder: str


class RunJournal:
    """The journal of one run; without a lease (the store is away) it lives as long as the process."""

    def __init__(self, confinement: Confinement, lease: Lease | None) -> None:
        self._confinement = confinement
        self._lease = lease
        self.changes: list[Change] = []
        self.lines: list[str] = []
        self.alternative: Alternative | None = None
        self.is_for_person = False

    def will(self, what: str, **facts: Any) -> None:
        """Keep a change before it is made.

        Raises: RemedyStoppedError when the run is over; SQLAlchemyError when the store does not take it. Either way it
        must not be made.
        """
        if self._confinement.is_stopped:
            raise RemedyStoppedError("the run was stopped")
        change = Change(what=what, facts=facts)
        if self._lease is not None and not self._lease.runs.will(
            self._lease.run_id, self._lease.holder, asdict(change)
        ):
            self._confinement.stop()
            raise RemedyStoppedError("the lease was lost")
        self.changes.append(change)

    def note(self, report: str) -> None:
        """Add a line to the report."""
        self.lines.append(report)

    def use(self, alternative: Alternative) -> None:
        """Let the next tries run on something else."""
        self.alternative = alternative

    def ask_person(self, why: str) -> None:
        """Say that only a person can do the rest."""
        self.is_for_person = True
        self.lines.append(why)


def new_holder() -> str:
    """A name for this process that no other run has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
