"""Cleanup scripts: rows whose reference has no parent leave for the quarantine, with the rows that refer to them."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import ForeignKeyConstraint

from groundwork.contracts.derive.metadata import metadata
from groundwork.model.fault import Change
from groundwork.model.vocabulary import CheckKind
from groundwork.orbt.remedies.data.breaches import breaches
from groundwork.orbt.remedies.data.constraints import part_of_domain
from groundwork.orbt.remedies.data.subject import Subject, bounded, subject_of
from groundwork.orbt.remedies.data.withdrawing import MOST_ROWS, Withdrawing, undo_withdrawal
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene


class CleanOrphans(Remedy):
    """Move rows whose reference has no parent to quarantine, children of theirs first."""

    name = "clean_orphans"
    summary = "moves rows whose reference has no parent to quarantine, with the rows that refer to them"
    limits = Limits(
        seconds=120,
        rows=MOST_ROWS,
        lock="SHARE ROW EXCLUSIVE",
        blast_radius="rows of one declared table and of declared tables that refer to them; at most half of the table",
    )
    way_back = "the rows come back from quarantine as they were"
    is_writing = True
    cost: ClassVar[int] = 3

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The references that have no parent."""
        subject = subject_of(scene)
        return tuple(f"{subject.name}: {each}; to quarantine" for each in self._orphans(scene, subject))

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Move them, in one transaction."""
        subject, limits = subject_of(scene), scene.limits or self.limits
        self._orphans(scene, subject)
        built = metadata(part_of_domain(subject.domain, subject.table)).tables[subject.name]
        with bounded(scene.target, limits.seconds) as connection:
            moving = Withdrawing.begin(connection, subject, scene, limits)
            for constraint in sorted(built.constraints, key=lambda each: str(each.name)):
                if isinstance(constraint, ForeignKeyConstraint):
                    moving.breaking.mark_orphans(constraint)
            moving.carry_out(journal)

    def undo(self, scene: Scene, change: Change) -> str:
        """Rows back."""
        return undo_withdrawal(scene, change)

    def _orphans(self, scene: Scene, subject: Subject) -> tuple[str, ...]:
        limits = scene.limits or self.limits
        with bounded(scene.target, limits.seconds, is_reading=True) as connection:
            found = breaches(connection, subject, limits.rows or MOST_ROWS)
        orphans = tuple(str(each) for each in found if each.check.kind is CheckKind.REFERENCES)
        if not orphans:
            raise RemedyRefusedError(f"every reference of {subject.name} has its parent")
        return orphans
