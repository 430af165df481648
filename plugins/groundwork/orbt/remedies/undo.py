"""Undoing what a journal holds, newest first, each change on record as soon as it is undone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from groundwork.model.fault import Change
from groundwork.orbt.redaction import redact
from groundwork.orbt.remedies.confinement import Confinement, session_name
from groundwork.orbt.remedies.limited import within
from groundwork.orbt.remedies.remedy import Remedy, Scene

UNDO_SECONDS = 120.0  # for one change
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Undone:
    """The changes in the order they were made, what was told, and whether nothing of them is left."""

    changes: tuple[Change, ...]
    told: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every change is undone."""
        return all(change.is_undone for change in self.changes)


def undo(
    remedy: Remedy,
    scene: Scene,
    changes: Sequence[Change],
    token: str,
    *,
    keep: Callable[[Sequence[Change]], object] | None = None,
) -> Undone:
    """Undo the changes that are not undone yet; stops at the first that fails, because older ones may rest on it.

    `keep` is given all changes after each step. Never raises: what is left is told.
    """
    left, told = list(changes), []
    for position in reversed(range(len(left))):
        if left[position].is_undone:
            continue
        try:
            told.append(_one(remedy, scene, left[position], token))
            left[position] = replace(left[position], is_undone=True)
            if keep is not None:
                keep(left)
        except Exception as error:  # whatever a remedy's way back meets, the rest of the run has to be told
            _log.exception("a change of the remedy %s could not be undone: %s", remedy.name, left[position].what)
            told.append(redact(f"NOT undone: {left[position].what} ({first_line(error)})"))
            break
    return Undone(changes=tuple(left), told=tuple(told))


def first_line(error: BaseException) -> str:
    """The first line of what an error says, without secrets and values; its class when it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return redact(lines[0])


def _one(remedy: Remedy, scene: Scene, change: Change, token: str) -> str:
    confinement, told = Confinement(session_name(token)), []
    confined = replace(scene, target=confinement.engine(scene.target), engine_of=confinement.engine_of(scene.engine_of))
    try:
        within(UNDO_SECONDS, confinement, lambda: told.append(remedy.undo(confined, change)))
    finally:
        confinement.close()
    return redact(told[0])
