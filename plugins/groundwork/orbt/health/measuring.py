"""Takes the measurements that health and early warnings follow from.

Of pipelines it copies what the books of loads, the foundation's runs and the strikes say, one value per run, at the
moment the run ended; so asking twice changes nothing. Of databases and disks it takes the value of now. What cannot be
measured is left out and told as a problem: nothing here raises for one of many.
"""

# groundwork: allow-file raw_sql,own_session asks servers for their sizes and limits, and the books for their counts

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.contracts.contract import Domain
from groundwork.model.health import Measurement
from groundwork.orbt.health.run_figures import runs_of
from groundwork.orbt.health.subjects import PipelineKind, stream_subject, watched_pipelines

_log = logging.getLogger(__name__)
_LOOPBACK = ("127.", "::1")
_PATIENCE = text("SET LOCAL statement_timeout = '20s'")  # for a look at a server, whose catalogs may be locked
_DATABASE = text(
    """
    SELECT pg_database_size(current_database()) AS database_bytes,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS server_used,
           current_setting('max_connections')::int
               - current_setting('superuser_reserved_connections')::int
               - coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0) AS server_limit,
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS database_used,
           (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
           (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user) AS role_used,
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
           (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder,
           host(inet_server_addr()) AS address
    """
)
_SLOTS = text(
    """
    SELECT slot_name, greatest(pg_wal_lsn_diff(
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
               restart_lsn), 0)::float AS kept_bytes,
           nullif((SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), -1)
               * 1048576 AS limit_bytes
    FROM pg_replication_slots
    WHERE restart_lsn IS NOT NULL AND (database IS NULL OR database = current_database())
    """
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured, and what could not be, in words for people and without a connection's details."""

    measurements: tuple[Measurement, ...]
    problems: tuple[str, ...]


def measure(
    store: Engine,
    databases: Mapping[str, Engine],
    warehouse: str,
    domains: Sequence[Domain],
    *,
    home: Path,
    now: datetime,
    known: Mapping[tuple[str, str], datetime],
    kept: timedelta,
) -> Measured:
    """Measure everything once. `databases` are engines by Airflow connection id, `warehouse` one of these ids.

    `known` says when each series was measured last: of runs only what ended since is asked for, and nothing before
    `now - kept`.
    """
    found: list[Measurement] = []
    problems: list[str] = []

    def take(what: str, reader: Callable[[], Iterator[Measurement]]) -> None:
        try:
            found.extend(reader())
        except (SQLAlchemyError, OSError) as error:
            _log.warning("%s could not be measured: %s", what, type(error).__name__)
            problems.append(f"{what} could not be measured ({type(error).__name__})")

    for domain in domains:
        take(f"the runs of {domain.name}", lambda domain=domain: runs_of(  # type: ignore[misc]
            store, databases[warehouse], domain, known=known, earliest=now - kept))  # fmt: skip
    take("streams", lambda: _streams(databases[warehouse], domains))
    for name, engine in databases.items():
        take(f"the database of `{name}`", lambda name=name, engine=engine: _database(name, engine, now))  # type: ignore[misc]
    take("the disk of Groundwork's own files", lambda: _disk("home", home, now))
    return Measured(measurements=tuple(found), problems=tuple(problems))


def _database(name: str, engine: Engine, now: datetime) -> Iterator[Measurement]:
    """Size, the tightest of the limits on connections, kept log per slot, and the disk where it can be looked at."""
    with engine.connect() as connection:
        connection.execute(_PATIENCE)
        row = dict(connection.execute(_DATABASE).mappings().one())
        slots = connection.execute(_SLOTS).mappings().all()
    subject = f"database:{name}"
    yield Measurement(subject=subject, metric="database_bytes", at=now, value=float(row["database_bytes"]))
    used, limit = _tightest(row)
    yield Measurement(subject=subject, metric="connections", at=now, value=used, limit=limit)
    for slot in slots:
        yield Measurement(
            subject=f"slot:{name}/{slot['slot_name']}",
            metric="kept_bytes",
            at=now,
            value=slot["kept_bytes"],
            limit=None if slot["limit_bytes"] is None else float(slot["limit_bytes"]),
        )
    is_here = row["address"] is None or str(row["address"]).startswith(_LOOPBACK)
    if row["folder"] and is_here and Path(row["folder"]).is_dir():
        yield from _disk(name, Path(row["folder"]), now)


def _tightest(row: Mapping[str, Any]) -> tuple[float, float]:
    """Connections in use and their limit: of the server, the database or the role, whichever is nearer to it."""
    pairs = [(float(row[f"{kind}_used"]), float(row[f"{kind}_limit"])) for kind in ("server", "database", "role")]
    return max((pair for pair in pairs if pair[1] > 0), key=lambda pair: pair[0] / pair[1])


def _disk(name: str, place: Path, now: datetime) -> Iterator[Measurement]:
    """What is in use of the disk that `place` is on; the limit is what those who are not root may use in all."""
    there = next(each for each in (place, *place.parents) if each.exists())
    usage = shutil.disk_usage(there)
    yield Measurement(
        subject=f"disk:{name}",
        metric="disk_used_bytes",
        at=now,
        value=float(usage.used),
        limit=float(usage.used + usage.free),
    )


def _streams(warehouse: Engine, domains: Sequence[Domain]) -> Iterator[Measurement]:
    """Lag and kept log of each stream as its watcher measured it last, at the moment it did."""
    from groundwork.flow.capture.lag import recorded

    promises = {
        f"{domain.name}.{pipeline.connections[0]}": pipeline.promise_seconds
        for domain in domains
        for pipeline in watched_pipelines(domain)
        if pipeline.kind is PipelineKind.STREAM
    }
    with warehouse.connect() as connection:
        known = recorded(connection)
    for each in known:
        if each.measured_at is None:
            continue
        subject = stream_subject(each.stream)
        if each.seconds_behind is not None:
            yield Measurement(
                subject=subject,
                metric="lag_seconds",
                at=each.measured_at,
                value=float(each.seconds_behind),
                limit=promises.get(each.stream),
            )
        if each.kept_bytes is not None:
            yield Measurement(
                subject=subject,
                metric="kept_bytes",
                at=each.measured_at,
                value=float(each.kept_bytes),
                limit=float(each.limit_bytes),
            )
