"""What a try has to know before it begins, asked in one statement, for most first tries in a short one.

May it go (breakers of its targets; a due probe is taken in the same step), what does it run on (alternatives), which
earlier tries have a strike. Owns no table. Speaks to the driver itself, because this stands before every try: an
engine's first connection asks the server half a dozen things that nobody needs here, and psycopg 3 takes five times as
long to import as psycopg2, which matters where each task is a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg2

from groundwork.model.task_try import TaskTry

if TYPE_CHECKING:
    from groundwork.model.alternative import Alternative

STATEMENT_TIMEOUT_SECONDS = 3  # a store that takes longer is as good as away
# A task's first try has no strikes and no alternatives yet. When no breaker of its targets counts a failure either, the
# long statement would say nothing, and a new session spends several times as long on planning it.
_IS_TROUBLED = """
    SELECT EXISTS (
        SELECT FROM groundwork.breaker
        WHERE target = ANY (CAST(%(targets)s AS text[])) AND (state <> 'closed' OR failures > 0))
"""
# An alternative that a strike tells of, and that was never kept, was lost with its process between the two.
_ADMIT = """
    WITH struck AS (
        SELECT try_number, outcome, remedies, circumstances ->> 'target' AS target FROM groundwork.strike
        WHERE %(try_number)s > 1
          AND (dag_id, run_id, task_id, map_index) = (%(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s)
    ), in_force AS (
        SELECT kind, names, instead, reason, since_try FROM groundwork.alternative
        WHERE (dag_id, run_id, task_id, map_index) = (%(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s)
          AND ended_at IS NULL AND since_try < %(try_number)s
        UNION ALL
        SELECT told ->> 'kind', told ->> 'names', told ->> 'instead', told ->> 'reason', struck.try_number
        FROM struck, jsonb_array_elements(struck.remedies) AS remedy, jsonb_extract_path(remedy, 'alternative') AS told
        WHERE struck.outcome IN ('pending', 'failed_again') AND struck.try_number < %(try_number)s
          AND jsonb_typeof(told) = 'object'
          AND NOT EXISTS (
              SELECT FROM groundwork.alternative AS kept
              WHERE (kept.dag_id, kept.run_id, kept.task_id, kept.map_index)
                  = (%(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s)
                AND kept.kind = told ->> 'kind' AND kept.names = told ->> 'names')
    ), asked AS (
        SELECT target FROM (
            SELECT unnest(CAST(%(targets)s AS text[])) AS target
            UNION
            SELECT CASE WHEN target LIKE 'source:%%' THEN target ELSE 'connection:' || target END FROM struck
            WHERE target IS NOT NULL AND outcome = 'pending'
        ) AS used
        WHERE target NOT IN (SELECT 'connection:' || names FROM in_force WHERE kind <> 'statement')
          AND target NOT IN (SELECT names FROM in_force WHERE kind = 'cached_response')
        UNION SELECT 'connection:' || instead FROM in_force WHERE kind IN ('replica', 'fallback')
    ), known AS (
        SELECT b.*, b.state = 'open' AND NOT b.is_held
                   AND (b.retry_at <= now()
                        OR b.retry_at > clock_timestamp() + make_interval(secs => b.cool_down_seconds))
                 OR b.state = 'half_open'
                   AND (b.probe_until <= now()
                        OR b.probe_until > clock_timestamp() + make_interval(secs => b.probe_seconds))
                 AS is_due  -- what lies further ahead than it can was set before the server's clock went back; now()
                            -- would be too early for that: who begins while another one commits reads what it wrote
        FROM groundwork.breaker AS b JOIN asked ON asked.target = b.target
        WHERE b.state <> 'closed' OR b.failures > 0
    ), probe AS (
        UPDATE groundwork.breaker AS b
        SET state = 'half_open', probe_by = %(by)s, probe_until = now() + make_interval(secs => b.probe_seconds),
            changed_at = now()
        WHERE b.target IN (SELECT target FROM known WHERE is_due)
          AND NOT EXISTS (SELECT FROM known WHERE state <> 'closed' AND NOT is_due)
          AND NOT b.is_held
          AND (b.state, b.changed_at) = (SELECT state, changed_at FROM known WHERE known.target = b.target)
        RETURNING b.target
    )
    SELECT
        (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'target', known.target, 'state', known.state, 'is_held', known.is_held, 'reason', known.reason,
            'seconds', extract(epoch FROM coalesce(
                CASE known.state WHEN 'open' THEN known.retry_at ELSE known.probe_until END, now()) - now()),
            'is_probe', known.target IN (SELECT target FROM probe)) ORDER BY known.target), '[]') FROM known),
        (SELECT coalesce(jsonb_agg(to_jsonb(in_force) ORDER BY since_try), '[]') FROM in_force),
        (SELECT coalesce(jsonb_agg(try_number), '[]') FROM struck)
"""


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """A breaker that lets nobody pass; `seconds` until it may, at least (0: somebody else is trying right now)."""

    target: str
    seconds: float
    is_held: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Whether a try may begin (`blocked` is empty), and what it has to know.

    `troubled` are targets with failures or as whose probe this try goes (`probed`); `struck_tries` earlier tries of the
    task instance with a strike.
    """

    blocked: tuple[Blocked, ...] = ()
    troubled: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    struck_tries: frozenset[int] = frozenset()


def admit(store: Mapping[str, Any], task_try: TaskTry, targets: Iterable[str]) -> Admission:
    """Ask the store, which the arguments of `psycopg2.connect` lead to, before a try.

    Raises: psycopg2.Error when it does not answer in time.
    """
    values = {
        "dag_id": task_try.dag_id,
        "run_id": task_try.run_id,
        "task_id": task_try.task_id,
        "map_index": task_try.map_index,
        "try_number": task_try.try_number,
        "targets": sorted(set(targets)),
        "by": name_of(task_try),
    }
    timeout = f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s"
    with closing(psycopg2.connect(**store, options=timeout)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            if task_try.try_number <= 1:
                cursor.execute(_IS_TROUBLED, values)
                if cursor.fetchone() == (False,):
                    return Admission()
            cursor.execute(_ADMIT, values)
            found = cursor.fetchone()
    breakers, alternatives, tries = found if found is not None else ((), (), ())
    return Admission(
        blocked=tuple(_blocked(row) for row in breakers if row["state"] != "closed" and not row["is_probe"]),
        troubled=tuple(row["target"] for row in breakers),
        probed=tuple(row["target"] for row in breakers if row["is_probe"]),
        alternatives=_read(alternatives),
        struck_tries=frozenset(tries),
    )


def _read(alternatives: Iterable[Mapping[str, Any]]) -> tuple[Alternative, ...]:
    if not alternatives:
        return ()
    from groundwork.model.alternative import alternative_from

    return tuple(map(alternative_from, alternatives))


def name_of(task_try: TaskTry) -> str:
    """One name for a try, as breakers keep it."""
    where = "/".join((task_try.dag_id, task_try.run_id, task_try.task_id, str(task_try.map_index)))
    return f"{where}#{task_try.try_number}"


def _blocked(row: dict[str, object]) -> Blocked:
    return Blocked(
        target=str(row["target"]),
        seconds=max(0.0, float(str(row["seconds"]))),
        is_held=bool(row["is_held"]),
        reason=str(row["reason"] or ""),
    )
