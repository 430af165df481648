"""Undoing what a process that died in the middle of a remedy left, from the journal it kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Change, Circumstances, Fault, TaskTry
from groundwork.orbt.redaction import redact
from groundwork.orbt.remedies.catalogue import remedy as remedy_of
from groundwork.orbt.remedies.confinement import end_sessions, lock_session_name, session_name
from groundwork.orbt.remedies.journal import new_holder
from groundwork.orbt.remedies.policy import permission_to_undo
from groundwork.orbt.remedies.remedy import Remedy, RemedyRefusedError, Scene
from groundwork.orbt.remedies.target import held
from groundwork.orbt.remedies.undo import UNDO_SECONDS, Undone, first_line, undo
from groundwork.store.remedy_run import ABANDONED, DONE, FAILED, RUNNING, UNDONE, RemedyRuns

_MOST_ATTEMPTS = 5  # of undoing; then it is left to a person
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A run that was undone, or could not be (`is_undone` false, and the report says why)."""

    run_id: int
    remedy: str
    target: str
    is_undone: bool
    report: str


def recover(store: Engine, engine_of: Callable[[str], Engine], project: Path, home: Path) -> list[Recovered]:
    """Undo every run whose process died, or whose undoing failed before; at most a hundred, oldest first. Idempotent.

    After five failed attempts a run is `failed` and left to a person. Raises: SQLAlchemyError when the store is away.
    """
    found = [recover_run(store, run_id, engine_of, project, home) for run_id in RemedyRuns(store).expired()]
    return [each for each in found if each is not None]


def recover_run(
    store: Engine, run_id: int, engine_of: Callable[[str], Engine], project: Path, home: Path
) -> Recovered | None:
    """Undo one run whose time is up; null when somebody else does. Raises as `recover`."""
    return _taken_over(store, run_id, engine_of, project, home, state=RUNNING, ends_as=ABANDONED)


def take_back(store: Engine, run_id: int, engine_of: Callable[[str], Engine], project: Path, home: Path) -> Recovered:
    """Undo a run that was done, because a person asks for it.

    Raises: ConfigError when there is no such run to undo; SQLAlchemyError when the store is away.
    """
    found = _taken_over(store, run_id, engine_of, project, home, state=DONE, ends_as=UNDONE)
    if found is None:
        row = RemedyRuns(store).get(run_id)
        raise ConfigError(
            "this run cannot be undone",
            where=f"run {run_id}",
            expected="a run that is done, while no other run of the remedy is live on its target",
            found=row["state"] if row else "no such run",
            next_step="groundwork remedies runs",
        )
    return found


def _taken_over(
    store: Engine,
    run_id: int,
    engine_of: Callable[[str], Engine],
    project: Path,
    home: Path,
    *,
    state: str,
    ends_as: str,
) -> Recovered | None:
    runs, holder = RemedyRuns(store), new_holder()
    before = runs.get(run_id)
    if before is None:
        return None
    seconds = UNDO_SECONDS * (len(before["changes"]) + 1)
    row = runs.claim(run_id, state=state, holder=holder, seconds=seconds)
    if row is None:
        return None
    changes = tuple(Change(**change) for change in row["changes"])
    try:
        undone = _undo(row, changes, store, engine_of, project, home, holder=holder)
    except Exception as error:  # the target, its connection or the policy may be what is broken
        undone = Undone(changes=changes, told=(f"could not: {first_line(error)}",))
    is_given_up = not undone.is_whole and row["attempts"] >= _MOST_ATTEMPTS
    told = [part for part in undone.told if part not in row["report"]]
    report = redact("; ".join(filter(None, (row["report"], *told, "left to a person" if is_given_up else ""))))
    if undone.is_whole:
        runs.end(run_id, holder, ends_as, report=report)
    elif is_given_up:
        _log.error("the remedy run %s could not be undone and is left to a person", run_id)
        runs.end(run_id, holder, FAILED, report=report)
    else:
        runs.release(run_id, holder, report=report)
    return Recovered(
        run_id=run_id, remedy=row["remedy"], target=row["target"], is_undone=undone.is_whole, report=report
    )


def _undo(
    row: Mapping[str, Any],
    changes: tuple[Change, ...],
    store: Engine,
    engine_of: Callable[[str], Engine],
    project: Path,
    home: Path,
    *,
    holder: str,
) -> Undone:
    """End what the run still does on its target, then undo its journal under the target's lock."""
    remedy = remedy_of(row["remedy"])
    if all(change.is_undone for change in changes):
        with suppress(Exception):  # nothing has to be undone: that its sessions end is a courtesy
            _end_sessions(engine_of(row["target"]), row["token"])
        return Undone(changes=changes, told=("its process died; nothing was changed",))
    scene = _scene(row, remedy, store, engine_of, project, home)
    with suppress(SQLAlchemyError):  # a target that is away has no session, and holding it says so
        _end_sessions(scene.target, row["token"])

    def keep(left: Any) -> None:
        RemedyRuns(store).keep_changes(row["id"], holder, [asdict(change) for change in left])

    try:
        with held(remedy, scene.target, row["target"], row["token"], store):
            return undo(remedy, scene, changes, row["token"], keep=keep)
    except RemedyRefusedError as refusal:
        return Undone(changes=changes, told=(f"NOT undone: {refusal}",))


def _end_sessions(target: Engine, token: str) -> None:
    for name in (session_name(token), lock_session_name(token)):
        end_sessions(target, name)


def _scene(
    row: Mapping[str, Any],
    remedy: Remedy,
    store: Engine,
    engine_of: Callable[[str], Engine],
    project: Path,
    home: Path,
) -> Scene:
    permission = permission_to_undo(remedy, project)
    return Scene(
        fault=Fault(**row["scene"]["fault"]),
        task_try=TaskTry(**{name: row[name] for name in ("dag_id", "run_id", "task_id", "map_index", "try_number")}),
        circumstances=Circumstances(**row["scene"]["circumstances"]),
        target=engine_of(row["target"]),
        engine_of=engine_of,
        store=store,
        project=project,
        home=home,
        settings=permission.settings,
        limits=permission.limits,
    )
