"""Faults in a running Airflow, with ORBT and with plain retries side by side: what became of each.

Both sides run at once in the same Airflow on the same tasks. Work, the time until Airflow notices and the waiting that
ORBT's policy decides about are slept and measured; where Airflow's own `retry_delay` decides, a short one is slept on
both sides, and the usual one is counted: 30 seconds as `healing()` sets it, 300 as Airflow does. A lost heartbeat
counts on both sides as long as `groundwork up` sets it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from groundwork.local.databases import STORE
from groundwork.store.incident import Incidents
from groundwork.store.strike import Strikes

from .airflow_faults import EXECUTION_SECONDS, ROWS, AirflowFault
from .airflow_served import answer_once, served_trouble
from .airflow_site import HEARTBEAT_SECONDS, USUAL_HEARTBEAT_SECONDS, AirflowSite, airflow_site
from .disturbance import Stopped, kill_scheduler
from .fault import Found, Outcome
from .guard import Guard
from .met import Met
from .proxy import Mode
from .records import take_in_records

ORBT, PLAIN = "orbt", "plain"
COUNTED_DELAY_SECONDS = {ORBT: 30.0, PLAIN: 300.0}
PLAIN_RETRIES = 3
_ENDED_SECONDS = 900.0
_SETTLED_SECONDS = 300.0
_WAITING = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted "
    "AND relation IS NOT NULL AND datname = %s"
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One side of one fault."""

    fault: AirflowFault
    side: str
    run_id: str

    @property
    def dag_id(self) -> str:
        """Its Dag."""
        return f"{self.side}_{self.fault.task}"


def meet_in_airflow(faults: Sequence[AirflowFault], *, with_plain: bool, until: float = math.inf) -> Iterator[Met]:
    """Bring an Airflow up, meet all faults in it as `meet` does, and take it down.

    When Airflow itself breaks, those that were not met yet are told as broken.
    """
    left = list(faults)
    try:
        with live_airflow(faults, with_plain=with_plain) as site:
            for each in meet(site, faults, with_plain=with_plain, until=until):
                left = [fault for fault in left if fault is not each.fault]
                yield each
    except Exception as error:
        for fault in left:
            yield Met(fault=fault, orbt=Found(fault=fault.name, broke=f"{type(error).__name__}: {error}"), plain=None)


@contextmanager
def live_airflow(faults: Sequence[AirflowFault], *, with_plain: bool) -> Iterator[AirflowSite]:
    """A running Airflow with the Dags of these faults, each once a side."""
    told = {
        "rows": ROWS,
        "sides": [ORBT, PLAIN] if with_plain else [ORBT],
        "plain_retries": PLAIN_RETRIES,
        "slept_seconds": {fault.task: fault.slept_seconds for fault in faults},
        "execution_seconds": {"out_of_time": EXECUTION_SECONDS},
    }
    with airflow_site(told) as site:
        yield site


def meet(
    site: AirflowSite, faults: Sequence[AirflowFault], *, with_plain: bool, until: float = math.inf
) -> Iterator[Met]:
    """Meet all faults, those that do not disturb each other at once.

    Left out are those that cannot be made here, and those that would begin after `until` on the monotonic clock.
    """
    possible = [fault for fault in faults if site.memory_groups or not fault.needs_memory_group]
    acts = [[fault for fault in possible if not fault.kills_scheduler]]
    acts += [[fault] for fault in possible if fault.kills_scheduler]
    for act in acts:
        if act and time.monotonic() < until:
            yield from _act(site, act, with_plain=with_plain)


def _act(site: AirflowSite, faults: Sequence[AirflowFault], *, with_plain: bool) -> list[Met]:
    guard = Guard(site=site)
    sides = [ORBT, PLAIN] if with_plain else [ORBT]
    try:
        if any(fault.is_served for fault in faults):
            answer_once(site)
        guard.look()
        runs = [_started(site, fault, side) for fault in faults for side in sides]
        if any(fault.kills_scheduler for fault in faults):
            _without_scheduler(site, runs)
        with Stopped(folder=site.project) as stopped:
            _until(lambda: stopped.are_stopped() and _are_over(site, runs), _ENDED_SECONDS)
        _until(lambda: _is_settled(site, runs), _SETTLED_SECONDS)
        wrong = guard.wrong_actions(())
    finally:
        guard.leave()
        site.way.restore()
    found = {(run.fault.task, run.side): _found(site, run, wrong) for run in runs}
    return [Met(fault=fault, orbt=found[fault.task, ORBT], plain=found.get((fault.task, PLAIN))) for fault in faults]


def _started(site: AirflowSite, fault: AirflowFault, side: str) -> Run:
    dag_id = f"{side}_{fault.task}"
    if not _until(lambda: site.api.has_dag(dag_id), _ENDED_SECONDS):
        raise RuntimeError(f"Airflow does not find {dag_id}: {site.api.import_errors()}")
    if fault.kills_scheduler:
        site.way.switch(Mode.BLACK_HOLE)
    return Run(fault=fault, side=side, run_id=site.api.trigger(dag_id, {}))


def _without_scheduler(site: AirflowSite, runs: Sequence[Run]) -> None:
    """Kill the scheduler when ORBT's strike is about to be kept and the plain try has failed; then all is mended.

    A lock on the store's strikes holds the strike where it is, so that it is met in the middle and not by chance.
    """

    def is_in_the_middle() -> bool:
        is_plain_over = [
            any(each["end_date"] for each in site.tries(run.dag_id, run.run_id)) for run in runs if run.side == PLAIN
        ]
        return bool(site.rows(_WAITING, (STORE,))) and all(is_plain_over)

    with site.server.connect(STORE) as holder:
        holder.autocommit = False
        holder.execute("LOCK TABLE groundwork.strike IN SHARE MODE")
        if not _until(is_in_the_middle, _ENDED_SECONDS):
            raise RuntimeError("no strike was begun")
        kill_scheduler(site.layout)
    site.way.restore()
    site.up()


def _are_over(site: AirflowSite, runs: Sequence[Run]) -> bool:
    return all(site.api.run(run.dag_id, run.run_id).state in {"success", "failed"} for run in runs)


def _is_settled(site: AirflowSite, runs: Sequence[Run]) -> bool:
    """Whether the store knows how the strikes of ORBT's side ended, which the listener tells at the very end."""
    return all(_found(site, run, []).report is None for run in runs if run.side == ORBT)


def _found(site: AirflowSite, run: Run, wrong: Sequence[str]) -> Found:
    tries = site.tries(run.dag_id, run.run_id)
    state = site.api.run(run.dag_id, run.run_id).state
    found = Found(fault=run.fault.name, tries=len(tries), wrong_actions=list(wrong))
    if state not in {"success", "failed"}:
        found.broke = f"the run is still {state} after {_ENDED_SECONDS:.0f} s"
        return found
    found.outcome = Outcome.HEALED if state == "success" else Outcome.ESCALATED
    found.data = _data_trouble(site, run, is_done=state == "success")
    ended_at = tries[-1]["end_date"]
    if run.side == ORBT:
        ended_at = _recorded(site, run, found) or ended_at
    found.real_seconds = round((ended_at - tries[0]["start_date"]).total_seconds(), 2)
    counted = sum(_not_slept(run, *pair) for pair in pairwise(tries))
    counted += USUAL_HEARTBEAT_SECONDS - HEARTBEAT_SECONDS if run.fault.is_stopped else 0
    found.seconds = round(found.real_seconds + counted, 2)
    return found


def _not_slept(run: Run, failed: dict[str, Any], following: dict[str, Any]) -> float:
    """What is counted of the wait between two tries beyond what was slept.

    Nothing where a policy decided, whose wait was slept whole, and where a new scheduler began the next try at once.
    """
    waited = (following["start_date"] - failed["end_date"]).total_seconds()
    if failed["retry_delay_override"] is not None or waited < run.fault.slept_seconds:
        return 0.0
    return COUNTED_DELAY_SECONDS[run.side] - run.fault.slept_seconds


def _data_trouble(site: AirflowSite, run: Run, *, is_done: bool) -> str | None:
    if run.fault.is_served:
        return served_trouble(site) if is_done else None
    query = "SELECT count(*), count(DISTINCT number) FROM public.done WHERE side = %s AND task = %s"
    count, distinct = site.rows(query, (run.side, run.fault.task))[0]
    wanted = ROWS if is_done else 0
    if count == distinct == wanted:
        return None
    return f"{count} rows for {wanted}: {wanted - distinct} lost, {count - distinct} doubled"


def _recorded(site: AirflowSite, run: Run, found: Found) -> Any:
    """What the store knows of the run; the moment when a person was asked, null when nobody was."""
    strikes = [row for row in Strikes(site.store).latest(500) if row["dag_id"] == run.dag_id]
    strikes = sorted((row for row in strikes if row["run_id"] == run.run_id), key=lambda row: row["try_number"])
    incidents = [row for row in Incidents(site.store).latest() if row["dag_id"] == run.dag_id]
    if strikes:
        found.error = strikes[0]["message"]
    found.reasons = [row["reason"] for row in strikes]
    take_in_records(found, strikes, incidents)
    asked = [row["opened_at"] for row in incidents if row["state"] == "open"]
    return asked[0] if asked and found.outcome is Outcome.ESCALATED else None


def _until(what: Callable[[], object], seconds: float) -> bool:
    """Whether something came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.2)
    return False
