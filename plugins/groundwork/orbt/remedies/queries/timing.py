"""How long the failed statement takes, measured by running it where that is harmless, in bounded time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from groundwork.orbt.classify import sqlstate
from groundwork.orbt.remedies.queries.plans import Plan, explain
from groundwork.orbt.remedies.queries.statement import Statement, looking

_RUNS = 3  # of a quick statement; the quickest counts, because noise only ever slows down
_QUICK_SECONDS = 1.0
_PLAN_SECONDS = 15.0
_CANCELLED = "57014"
_FETCH = 1000  # rows taken at a time: the whole result is read, never held
_FASTER = 0.8  # share of the time, or of the cost, below which a statement counts as faster
_NOISE_SECONDS = 0.01  # below it times say nothing, and the planner's cost decides


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A statement's plan and its time in seconds: null when it may not be run, `is_over` when the limit was met."""

    plan: Plan
    seconds: float | None
    is_over: bool = False

    def __str__(self) -> str:
        took = "" if self.seconds is None else f", {'over ' if self.is_over else ''}{self.seconds:.3g} s"
        return f"cost {self.plan.cost:,.0f}{took}"


def measure(engine: Engine, statement: Statement, limit_seconds: float) -> Measure:
    """The plan, and the time where running the statement changes nothing."""
    with looking(engine, _PLAN_SECONDS) as connection:
        plan = explain(connection, statement)
        is_harmless = statement.is_harmless(connection)
    if not is_harmless:
        return Measure(plan=plan, seconds=None)
    taken: list[float] = []
    for _ in range(_RUNS):
        seconds = _timed(engine, statement, limit_seconds)
        if seconds is None:
            return Measure(plan=plan, seconds=limit_seconds, is_over=True)
        taken.append(seconds)
        if seconds > _QUICK_SECONDS:
            break
    return Measure(plan=plan, seconds=min(taken))


def is_faster(before: Measure, after: Measure) -> bool:
    """Whether the statement got faster: by the clock where it tells something, else by the planner's cost."""
    is_cheaper = after.plan.cost < _FASTER * before.plan.cost
    if before.seconds is None or after.seconds is None:
        return is_cheaper
    if after.is_over:
        return False
    if before.is_over:
        return True
    if before.seconds < _NOISE_SECONDS:
        return is_cheaper and after.seconds < 2 * _NOISE_SECONDS
    return after.seconds < _FASTER * before.seconds


def _timed(engine: Engine, statement: Statement, limit_seconds: float) -> float | None:
    """Seconds, null when the limit was met."""
    started = time.perf_counter()
    try:
        with looking(engine, limit_seconds) as connection:
            result = statement.execute(connection.execution_options(stream_results=True))
            while result.fetchmany(_FETCH):
                if time.perf_counter() - started > limit_seconds:
                    return None
    except DBAPIError as error:
        if sqlstate(error) == _CANCELLED:
            return None
        raise
    return time.perf_counter() - started
