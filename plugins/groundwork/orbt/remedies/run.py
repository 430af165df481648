"""Running a remedy: permitted, alone, on the right database, in time, on record, and undone when it fails.

What keeps a remedy from its work is told in the result, never raised: a fault inside healing must not hide the fault
that is to be healed. Restarting is safe: what a try's remedy did is told again, not done again; what a dead process
left is undone first (`groundwork.orbt.remedies.recover`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from groundwork.model.errors import GroundworkError
from groundwork.model.fault import Change, RemedyResult, remedy_result_from_json
from groundwork.orbt.redaction import redact
from groundwork.orbt.remedies.catalogue import remedy as remedy_of
from groundwork.orbt.remedies.confinement import Confinement, RemedyStoppedError, session_name
from groundwork.orbt.remedies.journal import Lease, RunJournal, new_holder
from groundwork.orbt.remedies.limited import DeadlineError, within
from groundwork.orbt.remedies.policy import Permission, read_permission
from groundwork.orbt.remedies.recover import recover_run
from groundwork.orbt.remedies.remedy import Remedy, RemedyRefusedError, Scene
from groundwork.orbt.remedies.target import held
from groundwork.orbt.remedies.undo import UNDO_SECONDS, first_line, undo
from groundwork.store.base import utc_now
from groundwork.store.remedy_run import DONE, FAILED, REFUSED, UNDONE, RemedyRuns

_log = logging.getLogger(__name__)
_END_TRIES, _END_PAUSE_SECONDS = 3, 1.0  # how often, and how far apart, the end of a run is offered to the store
_AWAY = "the store is away, and without it nothing says what to undo"


def run(name: str, scene: Scene, *, asked_by: str | None = None) -> RemedyResult:
    """Run one remedy and time it; never raises for anything that a remedy, a server or the policy does.

    `asked_by` is the person who asks for it: then it also runs where policy only lets it propose.
    """
    started = time.monotonic()
    try:
        result = _permitted(remedy_of(name), scene, asked_by)
    except Exception as error:  # healing must not hide the fault that is to be healed
        _log.info("the remedy %s did not run: %s", name, error, exc_info=not isinstance(error, GroundworkError))
        result = RemedyResult(remedy=name, is_done=False, report=f"could not: {first_line(error)}")
    return replace(result, seconds=result.seconds or round(time.monotonic() - started, 3))


def dry_run(name: str, scene: Scene) -> RemedyResult:
    """What a remedy would do, in sessions that cannot change anything; `is_done` is false. Never raises, as `run`."""
    started = time.monotonic()
    try:
        remedy = remedy_of(name)
        permission = read_permission(remedy, scene.project)
        obstacle = permission.obstacle(remedy, _target_of(scene), utc_now())
        report = _plan(remedy, _as_permitted(scene, permission), permission)
        told = f"would: {report}" if obstacle is None else f"{obstacle}; would otherwise: {report}"
    except RemedyRefusedError as refusal:
        told = redact(str(refusal))
    except Exception as error:
        told = f"could not: {first_line(error)}"
    return RemedyResult(remedy=name, is_done=False, report=told, seconds=round(time.monotonic() - started, 3))


def _permitted(remedy: Remedy, scene: Scene, asked_by: str | None) -> RemedyResult:
    permission = read_permission(remedy, scene.project)
    obstacle = permission.obstacle(remedy, _target_of(scene), utc_now())
    if obstacle is not None:
        return _refused(remedy, obstacle)
    scene = _as_permitted(scene, permission)
    if permission.mode == "propose" and asked_by is None:
        try:
            return _refused(remedy, f"proposed: {_plan(remedy, scene, permission)}")
        except RemedyRefusedError as refusal:
            return _refused(remedy, redact(str(refusal)))
    run = _Run(remedy=remedy, scene=scene, permission=permission, token=uuid.uuid4().hex[:16])
    return _leased(run, asked_by or "orbt")


def _plan(remedy: Remedy, scene: Scene, permission: Permission) -> str:
    confinement = Confinement(session_name(uuid.uuid4().hex[:16]), is_read_only=True)
    lines: list[str] = []
    confined = _confined(scene, confinement)

    def plan() -> None:
        obstacle = remedy.precondition(confined)
        if obstacle is not None:
            raise RemedyRefusedError(obstacle)
        lines.extend(remedy.plan(confined))

    try:
        within(permission.limits.seconds, confinement, plan)
    finally:
        confinement.close()
    return redact("; ".join(lines))


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run before it has its lease."""

    remedy: Remedy
    scene: Scene
    permission: Permission
    token: str

    @property
    def seconds(self) -> float:
        return self.permission.limits.seconds


def _leased(run: _Run, asked_by: str) -> RemedyResult:
    """Run under a lease of the store; without one when the store is away and the remedy can do without."""
    remedy, scene, target = run.remedy, run.scene, _target_of(run.scene)
    store, holder = scene.store, new_holder()
    lease: Lease | None = None
    if store is not None:
        runs = RemedyRuns(store)
        try:
            known = runs.done(remedy.name, target, scene.task_try) if asked_by == "orbt" else None
            if known is not None:
                return remedy_result_from_json(known)
            begin = _beginning(run, runs, holder, asked_by)
            run_id = begin()
            if run_id is None and _freed(run, runs, store):
                run_id = begin()
            if run_id is None:
                return _refused(remedy, f"the remedy is running on `{target}` already")
            lease = Lease(runs=runs, run_id=run_id, holder=holder)
        except SQLAlchemyError as error:
            _log.warning("the store gives no lease: %s", type(error).__name__)
            store = None
    if lease is None and (remedy.needs_store or remedy.is_writing):
        return _refused(remedy, _AWAY)
    return _act(run, store, lease)


def _beginning(run: _Run, runs: RemedyRuns, holder: str, asked_by: str) -> Callable[[], int | None]:
    scene = run.scene
    kept = {"fault": asdict(scene.fault), "circumstances": asdict(scene.circumstances)}

    def begin() -> int | None:
        return runs.begin(
            run.remedy.name,
            _target_of(scene),
            scene.task_try,
            token=run.token,
            holder=holder,
            seconds=run.seconds + UNDO_SECONDS,
            asked_by=asked_by,
            scene=kept,
        )

    return begin


def _freed(run: _Run, runs: RemedyRuns, store: Engine) -> bool:
    """Whether the run that stands in the way belonged to a dead process and is undone now."""
    live = runs.live(run.remedy.name, _target_of(run.scene))
    if live is None or not live["is_expired"]:
        return live is None
    scene = run.scene
    found = recover_run(store, live["id"], scene.engine_of, scene.project, scene.home)
    return found is not None and found.is_undone


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """How a run ended; `is_whole` is false while a change of it waits to be undone."""

    result: RemedyResult
    state: str
    is_whole: bool = True


def _act(run: _Run, store: Engine | None, lease: Lease | None) -> RemedyResult:
    confinement = Confinement(session_name(run.token))
    journal = RunJournal(confinement, lease)
    scene = replace(_confined(run.scene, confinement), store=store)
    outcome: _Outcome | None = None
    try:
        with held(run.remedy, run.scene.target, _target_of(scene), run.token, store):
            outcome = _tried(run, scene, confinement, journal, lease)
    except RemedyRefusedError as refusal:  # of the target: nothing was begun
        outcome = outcome or _Outcome(result=_refused(run.remedy, redact(str(refusal))), state=REFUSED)
    except Exception as error:  # neither was it when the target is away; what was done before counts
        told = _refused(run.remedy, f"could not: {first_line(error)}")
        outcome = outcome or _Outcome(result=told, state=FAILED)
    finally:
        confinement.close()
    return _ended(run, lease, outcome)


def _tried(run: _Run, scene: Scene, confinement: Confinement, journal: RunJournal, lease: Lease | None) -> _Outcome:
    """Apply the remedy and, when it is not done, undo what it told the journal."""
    started, state = time.monotonic(), FAILED
    try:
        within(run.seconds, confinement, lambda: _apply(run.remedy, scene, journal))
        state = DONE
    except RemedyRefusedError as refusal:
        journal.note(str(refusal))
        state = REFUSED
    except (DeadlineError, RemedyStoppedError) as stopped:
        journal.note(str(stopped))
    except Exception as error:  # a remedy's own fault is told like any other
        _log.info("the remedy %s failed", run.remedy.name, exc_info=True)
        journal.note(f"could not: {first_line(error)}")
    changes, is_whole = tuple(journal.changes), True
    if state != DONE and changes:
        changes, is_whole = _taken_back(run, journal, lease)
        state = UNDONE
    result = _result(run, journal, changes, started, is_done=state == DONE)
    return _Outcome(result=result, state=state, is_whole=is_whole)


def _apply(remedy: Remedy, scene: Scene, journal: RunJournal) -> None:
    obstacle = remedy.precondition(scene)
    if obstacle is not None:
        raise RemedyRefusedError(obstacle)
    remedy.apply(scene, journal)


def _taken_back(run: _Run, journal: RunJournal, lease: Lease | None) -> tuple[tuple[Change, ...], bool]:
    def keep(changes: Any) -> None:
        if lease is not None:
            lease.runs.keep_changes(lease.run_id, lease.holder, [asdict(change) for change in changes])

    undone = undo(run.remedy, run.scene, journal.changes, run.token, keep=keep)
    journal.lines.extend(undone.told)
    return undone.changes, undone.is_whole


def _ended(run: _Run, lease: Lease | None, outcome: _Outcome) -> RemedyResult:
    """The result on record. A change that cannot be put on record as done is undone: whoever comes next would do so."""
    result = outcome.result
    if lease is None or _is_recorded(lease, outcome) or not (result.is_done and result.changes):
        return result
    undone = undo(run.remedy, run.scene, result.changes, run.token)
    told = "; ".join((result.report, "the run could not be put on record", *undone.told))
    return replace(result, is_done=False, report=redact(told), changes=undone.changes, alternative=None)


def _is_recorded(lease: Lease, outcome: _Outcome) -> bool:
    report = outcome.result.report
    for left in reversed(range(_END_TRIES)):
        try:
            if not outcome.is_whole:
                return lease.runs.release(lease.run_id, lease.holder, report=report)
            return lease.runs.end(
                lease.run_id, lease.holder, outcome.state, report=report, result=asdict(outcome.result)
            )
        except SQLAlchemyError:
            if left:
                time.sleep(_END_PAUSE_SECONDS)
    return False


def _result(
    run: _Run, journal: RunJournal, changes: tuple[Change, ...], started: float, *, is_done: bool
) -> RemedyResult:
    return RemedyResult(
        remedy=run.remedy.name,
        is_done=is_done,
        report=redact("; ".join(journal.lines)),
        seconds=round(time.monotonic() - started, 3),
        changes=changes,
        alternative=journal.alternative if is_done else None,
        asks_person=journal.is_for_person,
    )


def _as_permitted(scene: Scene, permission: Permission) -> Scene:
    return replace(scene, settings={**permission.settings, **scene.settings}, limits=permission.limits)


def _confined(scene: Scene, confinement: Confinement) -> Scene:
    return replace(scene, target=confinement.engine(scene.target), engine_of=confinement.engine_of(scene.engine_of))


def _refused(remedy: Remedy, why: str) -> RemedyResult:
    return RemedyResult(remedy=remedy.name, is_done=False, report=why)


def _target_of(scene: Scene) -> str:
    return scene.circumstances.target or ""
