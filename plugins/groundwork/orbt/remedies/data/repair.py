"""Constraint repair: rows that break a declared constraint which the database lacks leave, then it is enforced."""

from __future__ import annotations

from collections.abc import Sized
from typing import ClassVar

from sqlalchemy import Connection

from groundwork.contracts.diff import ObjectType
from groundwork.model.checks import Check
from groundwork.model.fault import Change
from groundwork.model.vocabulary import CheckKind
from groundwork.orbt.remedies.data.breaches import Breach, breaches
from groundwork.orbt.remedies.data.constraints import lacking
from groundwork.orbt.remedies.data.subject import Subject, bounded, subject_of
from groundwork.orbt.remedies.data.waiting_rows import WAITING, look, reject, undo_rejection
from groundwork.orbt.remedies.data.withdrawing import (
    MOST_ROWS,
    Withdrawing,
    size_and_owner,
    undo_withdrawal,
)
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

MOST_BYTES = 1024**3  # of a table that nobody can read while a constraint of it is checked
_KEYS = (ObjectType.PRIMARY_KEY, ObjectType.UNIQUE_KEY, ObjectType.INDEX)


class RepairConstraints(Remedy):
    """Move rows that break a declared constraint to quarantine, and let the database enforce it from now on."""

    name = "repair_constraints"
    summary = "moves rows that break a declared constraint which the database lacks to quarantine, and makes it hold"
    limits = Limits(
        seconds=120,
        rows=MOST_ROWS,
        lock="ACCESS EXCLUSIVE",
        blast_radius="rows of one declared table and of declared tables that refer to them; at most half of the table",
    )
    way_back = "the rows come back from quarantine as they were, and what was enforced by the repair no longer is"
    is_writing = True
    cost: ClassVar[int] = 3

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """What breaks constraints, by rule."""
        subject, limits = subject_of(scene), scene.limits or self.limits
        found, waiting = _broken(scene, subject, limits), look(scene, subject, limits)
        _require_any(subject, found, waiting)
        told = [
            f"{subject.name}: {each}; of a key all but the newest, else all of them, to quarantine" for each in found
        ]
        told += ["then make those constraints hold for all rows"] if found else []
        return (*told, *([f"reject {len(waiting)} waiting rows of a load of {subject.name}"] if waiting else []))

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Move them and make the constraints hold, in one transaction; waiting rows of a load in another."""
        subject, limits = subject_of(scene), scene.limits or self.limits
        found, waiting = _broken(scene, subject, limits), look(scene, subject, limits)
        _require_any(subject, found, waiting)
        if found:
            try:
                self._repair(scene, subject, limits, journal)
            except RemedyRefusedError as refusal:
                if not waiting:
                    raise
                journal.note(str(refusal))
        if waiting:
            reject(scene, subject, limits, journal)

    def undo(self, scene: Scene, change: Change) -> str:
        """Rows back, constraints as they were."""
        return undo_rejection(scene, change) if WAITING in change.facts else undo_withdrawal(scene, change)

    @staticmethod
    def _repair(scene: Scene, subject: Subject, limits: Limits, journal: Journal) -> None:
        with bounded(scene.target, limits.seconds) as connection:
            missing = lacking(connection, subject.domain, subject.table)
            if not missing:
                raise RemedyRefusedError(f"the database enforces every constraint that {subject.name} declares")
            obstacle = _obstacle(connection, subject, scene)
            moving = Withdrawing.begin(connection, subject, scene, limits, is_closed=not obstacle)
            ordered = sorted(missing, key=lambda each: each.kind in _KEYS)  # of rows that are right one stays
            chosen = [each for each in ordered if moving.breaking.mark(each)]
            moving.carry_out(journal, () if obstacle else [each for each in missing if each in chosen])
            if obstacle:
                journal.note(f"{', '.join(map(str, chosen))} stays as it is: {obstacle}")


def _broken(scene: Scene, subject: Subject, limits: Limits) -> tuple[Breach, ...]:
    """What rows of the table break of its declared constraints."""
    with bounded(scene.target, limits.seconds, is_reading=True) as connection:
        found = breaches(connection, subject, limits.rows or MOST_ROWS)
    return tuple(each for each in found if _is_constraint(each.check, subject))


def _require_any(subject: Subject, found: Sized, waiting: Sized) -> None:
    if not found and not waiting:
        raise RemedyRefusedError(f"no row of {subject.name} breaks a constraint, and none that waits")


def _is_constraint(check: Check, subject: Subject) -> bool:
    """Whether the contract declares it as a constraint; all other rules are about quality alone."""
    names = {constraint.name for constraint in subject.table.checks}
    is_check = check.kind is CheckKind.EXPRESSION and any(check.id.endswith(f".{name}.expression") for name in names)
    return is_check or check.kind in (CheckKind.NOT_NULL, CheckKind.UNIQUE, CheckKind.REFERENCES, CheckKind.IN_SET)


def _obstacle(connection: Connection, subject: Subject, scene: Scene) -> str | None:
    """Why the constraints of the table cannot be changed here, or null."""
    size, is_owner = size_and_owner(connection, subject)
    if not is_owner:
        return "our role does not own the table"
    most = int(scene.settings.get("most_bytes", MOST_BYTES))
    if size > most:
        return (
            f"the table has {size:,} bytes, more than may be closed to readers; groundwork generate-migration does it"
        )
    return None
