"""Waiting rows of a load that can no longer be published because of them: among the rejected ones, and back again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from groundwork.flow.quarantine.withdraw import lock
from groundwork.flow.quarantine.withdraw_waiting import broken_waiting, give_back_waiting, reject_waiting
from groundwork.flow.record import Reason
from groundwork.model.fault import Change
from groundwork.orbt.remedies.data.constraints import part_of_domain
from groundwork.orbt.remedies.data.subject import Subject, bounded, subject_named
from groundwork.orbt.remedies.data.withdrawing import MOST_ROWS, UNDO_SECONDS
from groundwork.orbt.remedies.remedy import Journal, Limits, RemedyRefusedError, Scene

WAITING = "waiting"  # key of the facts of such a change: the table


def look(scene: Scene, subject: Subject, limits: Limits) -> Mapping[int, Sequence[Reason]]:
    """The waiting rows that break the contract by now, by position."""
    with bounded(scene.target, limits.seconds, is_reading=True) as connection:
        return broken_waiting(connection, part_of_domain(subject.domain, subject.table), subject.table)


def reject(scene: Scene, subject: Subject, limits: Limits, journal: Journal) -> None:
    """Put them among those that their load rejects.

    Raises: RemedyRefusedError when they are too many, or the load is under way.
    """
    most = MOST_ROWS if limits.rows is None else limits.rows
    with bounded(scene.target, limits.seconds) as connection:
        lock(connection, [subject.place])
        broken = broken_waiting(connection, part_of_domain(subject.domain, subject.table), subject.table)
        if not broken:
            return
        if len(broken) > most:
            raise RemedyRefusedError(
                f"{len(broken)} waiting rows of {subject.name} break its contract, more than {most}: nothing was moved"
            )
        run_id = f"remedy/{uuid.uuid4()}"
        told = f"{len(broken)} waiting rows of {subject.name}"
        journal.will(f"reject {told}", run_id=run_id, **{WAITING: subject.name})
        reject_waiting(connection, subject.table, broken, run_id)
    labels = sorted({reason.label for reasons in broken.values() for reason in reasons})
    journal.note(f"{told} go to quarantine with the next try of their load ({', '.join(labels)})")


def undo_rejection(scene: Scene, change: Change) -> str:
    """Let the rows wait again.

    Raises: RemedyRefusedError when no contract declares their table any more.
    """
    subject = subject_named(scene, str(change.facts[WAITING]))
    with bounded(scene.target, UNDO_SECONDS) as connection:
        lock(connection, [subject.place])
        count = give_back_waiting(connection, subject.table, str(change.facts["run_id"]))
    return f"{count} rows wait again" if count else "none of the rows is among the rejected any more"
