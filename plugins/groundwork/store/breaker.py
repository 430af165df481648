"""Circuit breakers: one row per target that failed, shared by all workers.

A target is `connection:<Airflow connection id>` or `source:<scheme>://<host>`. Closed: everybody may; failures are
counted within a window and forgotten at a success. Open: nobody may before `retry_at`. Half-open: one probe at a time
may, and its end decides; a probe that never ends gives its place away at `probe_until`. All times are the server's, so
that workers with wrong clocks agree. Each step is one statement: two workers cannot both open, close or probe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Boolean, Column, Engine, Float, Integer, Table, Text, select, text

from groundwork.store.base import METADATA, moment

BREAKER = Table(
    "breaker",
    METADATA,
    Column("target", Text, primary_key=True, comment="connection:<id> or source:<scheme>://<host>"),
    Column("state", Text, nullable=False, comment="closed, open or half_open"),
    Column("failures", Integer, nullable=False, comment="in the window, since the last success"),
    moment("window_from"),
    Column("last_failure_by", Text, comment="the try that failed last: counted once however often it is told"),
    Column("times_opened", Integer, nullable=False, comment="since it was closed last; the cool-down grows with it"),
    Column("cool_down_seconds", Float, nullable=False, comment="the last one"),
    Column("probe_seconds", Float, nullable=False, comment="how long a probe may take"),
    moment("opened_at", nullable=True),
    moment("retry_at", nullable=True, comment="when a probe may go"),
    Column("is_held", Boolean, nullable=False, comment="a person opened it, and it waits for a person"),
    Column("probe_by", Text),
    moment("probe_until", nullable=True),
    Column("reason", Text, comment="why it is as it is, without secrets"),
    moment("changed_at"),
)


@dataclass(frozen=True, kw_only=True)
class BreakerRule:
    """`threshold` failures within the window, without a success between, open; the cool-down grows by the factor.

    When it opens for the `ask_after_openings`th time without having closed, a person is asked.
    """

    threshold: int = 5
    window_seconds: float = 300.0
    cool_down_seconds: float = 30.0
    factor: float = 2.0
    max_cool_down_seconds: float = 900.0
    probe_seconds: float = 120.0
    ask_after_openings: int = 3


_FAILED = text(
    """
    INSERT INTO groundwork.breaker AS b
        (target, state, failures, window_from, last_failure_by, times_opened, cool_down_seconds, probe_seconds,
         opened_at, retry_at, is_held, reason, changed_at)
    VALUES (:target, CASE WHEN :threshold <= 1 THEN 'open' ELSE 'closed' END, 1, now(), :by,
            CASE WHEN :threshold <= 1 THEN 1 ELSE 0 END, :cool_down_seconds, :probe_seconds,
            CASE WHEN :threshold <= 1 THEN now() END,
            CASE WHEN :threshold <= 1 THEN now() + make_interval(secs => :cool_down_seconds) END,
            false, :reason, now())
    ON CONFLICT (target) DO UPDATE SET
        failures = CASE WHEN b.window_from < now() - make_interval(secs => :window_seconds) THEN 1
                        ELSE b.failures + 1 END,
        window_from = CASE WHEN b.window_from < now() - make_interval(secs => :window_seconds) THEN now()
                           ELSE b.window_from END,
        last_failure_by = :by,
        probe_seconds = :probe_seconds,
        reason = :reason,
        changed_at = now(),
        (state, times_opened, cool_down_seconds, opened_at, retry_at, probe_by, probe_until) = (
            SELECT CASE WHEN step.opens THEN 'open' ELSE b.state END,
                   CASE WHEN step.opens THEN b.times_opened + 1 ELSE b.times_opened END,
                   CASE WHEN step.opens THEN step.pause ELSE b.cool_down_seconds END,
                   CASE WHEN step.opens THEN now() ELSE b.opened_at END,
                   CASE WHEN step.opens THEN now() + make_interval(secs => step.pause) ELSE b.retry_at END,
                   CASE WHEN NOT step.opens THEN b.probe_by END,
                   CASE WHEN NOT step.opens THEN b.probe_until END
            FROM (SELECT b.state = 'half_open' OR :threshold <= 1
                             OR (b.failures + 1 >= :threshold
                                 AND b.window_from >= now() - make_interval(secs => :window_seconds)) AS opens,
                         least(:cool_down_seconds * power(:factor, least(b.times_opened, 30)),
                               :max_cool_down_seconds) AS pause) AS step)
    WHERE b.last_failure_by IS DISTINCT FROM :by
      AND (b.state = 'closed' OR b.state = 'half_open' AND b.probe_by = :by)
    RETURNING CASE state WHEN 'open' THEN times_opened ELSE 0 END
    """
)
_SUCCEEDED = text(
    """
    WITH before AS (
        SELECT target, state FROM groundwork.breaker
        WHERE target = ANY(:targets) AND NOT is_held
          AND (state = 'closed' AND failures > 0
               OR state = 'half_open' AND (probe_by = :by OR target = ANY(:probed)))
        ORDER BY target FOR UPDATE
    ), closed AS (
        UPDATE groundwork.breaker AS b
        SET state = 'closed', failures = 0, window_from = now(), last_failure_by = NULL, times_opened = 0,
            opened_at = NULL, retry_at = NULL, probe_by = NULL, probe_until = NULL, changed_at = now(),
            reason = CASE WHEN before.state = 'closed' THEN b.reason ELSE 'a probe succeeded: ' || :by END
        FROM before WHERE before.target = b.target
        RETURNING b.target, before.state AS was
    ), ended AS (
        UPDATE groundwork.alternative SET ended_at = now(), ended_because = 'the first choice is back'
        WHERE ended_at IS NULL AND kind <> 'statement'
          AND 'connection:' || names IN (SELECT target FROM closed WHERE was <> 'closed')
    )
    SELECT target FROM closed WHERE was <> 'closed' ORDER BY target
    """
)
_RELEASE = text(
    """
    UPDATE groundwork.breaker SET probe_until = now(), changed_at = now()
    WHERE state = 'half_open' AND probe_by = :by AND probe_until > now()
    """
)
_HOLD = text(
    """
    INSERT INTO groundwork.breaker AS b
        (target, state, failures, times_opened, cool_down_seconds, probe_seconds, opened_at, is_held, reason)
    VALUES (:target, 'open', 0, 1, 0, 0, now(), true, :reason)
    ON CONFLICT (target) DO UPDATE SET
        state = 'open', opened_at = now(), retry_at = NULL, is_held = true, probe_by = NULL, probe_until = NULL,
        reason = :reason, changed_at = now()
    """
)
_CLOSE = text(
    """
    WITH closed AS (
        UPDATE groundwork.breaker SET
            state = 'closed', failures = 0, window_from = now(), last_failure_by = NULL, times_opened = 0,
            opened_at = NULL, retry_at = NULL, is_held = false, probe_by = NULL, probe_until = NULL, reason = :reason,
            changed_at = now()
        WHERE target = :target RETURNING target
    ), ended AS (
        UPDATE groundwork.alternative SET ended_at = now(), ended_because = 'a person closed the breaker'
        WHERE ended_at IS NULL AND kind <> 'statement' AND 'connection:' || names IN (SELECT target FROM closed)
    )
    SELECT target FROM closed
    """
)


class Breakers:
    """Repository of breakers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def failed(self, target: str, *, by: str, rule: BreakerRule, reason: str) -> int:
        """Count a failure of `target` in the try `by`, once; how often the breaker opened since it was closed last when
        this failure opened it, else 0.

        While it is open nothing counts, while it is half-open only the probe does.
        """
        values = {**asdict(rule), "target": target, "by": by, "reason": reason}
        with self._engine.begin() as connection:
            return int(connection.execute(_FAILED, values).scalar() or 0)

    def succeeded(self, targets: Iterable[str], *, by: str, probed: Iterable[str] = ()) -> tuple[str, ...]:
        """Forget failures of targets that the try `by` used with success; those whose breaker closed by that.

        `probed` are targets for which this try was let through as the probe. Alternatives that stood in for a target
        whose breaker closes end with it.
        """
        values = {"targets": sorted(set(targets)), "by": by, "probed": sorted(set(probed))}
        with self._engine.begin() as connection:
            return tuple(connection.execute(_SUCCEEDED, values).scalars())

    def release(self, by: str) -> None:
        """The probe of the try `by` ended without saying anything about its target: another one may go."""
        with self._engine.begin() as connection:
            connection.execute(_RELEASE, {"by": by})

    def hold(self, target: str, reason: str) -> None:
        """Open a breaker until a person closes it."""
        with self._engine.begin() as connection:
            connection.execute(_HOLD, {"target": target, "reason": reason})

    def close(self, target: str, reason: str) -> bool:
        """Close a breaker by a person's word, held or not; false when there is none for the target."""
        with self._engine.begin() as connection:
            return connection.execute(_CLOSE, {"target": target, "reason": reason}).first() is not None

    def all(self, *, only_troubled: bool = False) -> list[Mapping[str, Any]]:
        """Breakers by target, all or only those that are not closed; columns of `breaker`."""
        query = select(BREAKER).order_by(BREAKER.c.target)
        if only_troubled:
            query = query.where(BREAKER.c.state != "closed")
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
