"""Data validation: the table of a failure against every rule of its contract; changes nothing."""

from __future__ import annotations

from typing import ClassVar

from groundwork.orbt.remedies.data.breaches import breaches, row_checks, total_rows
from groundwork.orbt.remedies.data.subject import bounded, subject_of
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, Scene

COUNTED_ROWS = 100_000  # per rule; beyond it nobody needs the exact number


class ValidateData(Remedy):
    """Count the rows that break a rule of the contract, with a few keys to look at."""

    name = "validate_data"
    summary = "checks the table of the failure against its contract, and tells which rows break which rule"
    limits = Limits(seconds=120, blast_radius="nothing: reads one table and those it refers to")
    way_back = "nothing was changed"
    needs_store: ClassVar[bool] = False
    cost: ClassVar[int] = 2

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The rules that would be checked."""
        subject = subject_of(scene)
        return tuple(f"count rows of {subject.name} that break {check.id}" for check in row_checks(subject))

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Count."""
        subject = subject_of(scene)
        limit = int(scene.settings.get("counted_rows", COUNTED_ROWS))
        with bounded(scene.target, self.limits.seconds, is_reading=True) as connection:
            rows = total_rows(connection, subject)
            found = breaches(connection, subject, limit)
        told = ", ".join(map(str, found)) or f"all hold {len(row_checks(subject))} rules"
        journal.note(f"{subject.name}: of {rows} rows {told}")
