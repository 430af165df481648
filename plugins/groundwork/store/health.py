"""What was measured of pipelines and their surroundings, and the early warnings that came of it.

Grain: `measurement` one row per subject, metric and moment; after two days one per hour, after sixty days none.
`health_warning` one row per spell of a warning: from when it was first seen to when it was cleared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    and_,
    delete,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.model.health import EarlyWarning, Measurement
from groundwork.store.base import METADATA, identity, moment

MEASUREMENT = Table(
    "measurement",
    METADATA,
    Column("subject", Text, nullable=False, comment="what is watched"),
    Column("metric", Text, nullable=False, comment="its name bears the unit"),
    moment("measured_at"),
    Column("value", Float, nullable=False),
    Column("limit_value", Float, comment="what the value must not reach; null without a limit"),
    PrimaryKeyConstraint("subject", "metric", "measured_at"),
    Index(None, "measured_at"),
)
HEALTH_WARNING = Table(
    "health_warning",
    METADATA,
    identity(),
    Column("subject", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="limit, trend or step"),
    Column("told", Text, nullable=False, comment="for people"),
    Column("details", JSONB, nullable=False, comment="value, limit, change per day, forecast"),
    moment("first_seen_at"),
    moment("last_seen_at"),
    moment("cleared_at", nullable=True),
    moment("told_at", nullable=True, comment="when people were told; null while they were not"),
    Index(
        "uq_health_warning_one_open",
        "subject",
        "metric",
        "kind",
        unique=True,
        postgresql_where=text("cleared_at IS NULL"),
    ),
    Index(None, "subject", "first_seen_at"),
)
KEPT = timedelta(days=60)
_WHOLE = timedelta(days=2)  # as long every measurement is kept, then one per hour
_THINNED = timedelta(days=7)  # so far back surplus is looked for: looks come every few minutes
_SAME_SPELL = timedelta(days=1)  # a warning that comes back within it is the same one: nobody is told twice
_LOCK = 5_201_831  # advisory lock of those who keep warnings; any fixed number of ours
_AT_ONCE = 1000  # rows of one INSERT
_MOST_POINTS = 5000  # of one series: more than sixty days of hours and two of minutes


@dataclass(frozen=True, kw_only=True)
class KeptWarnings:
    """What keeping warnings changed: ids of rows that are new, and rows that were cleared."""

    opened: tuple[int, ...]
    cleared: tuple[int, ...]


class HealthRecords:
    """Repository of measurements and warnings."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, measurements: Sequence[Measurement]) -> int:
        """Keep measurements; what is known of the same subject, metric and moment stays. How many were new."""
        rows = [
            {"subject": m.subject, "metric": m.metric, "measured_at": m.at, "value": m.value, "limit_value": m.limit}
            for m in measurements
        ]
        added = 0
        with self._engine.begin() as connection:
            for start in range(0, len(rows), _AT_ONCE):
                statement = insert(MEASUREMENT).values(rows[start : start + _AT_ONCE]).on_conflict_do_nothing()
                added += len(connection.execute(statement.returning(MEASUREMENT.c.metric)).all())
        return added

    def newest(self) -> dict[tuple[str, str], datetime]:
        """(subject, metric) → when it was measured last."""
        columns = MEASUREMENT.c
        query = select(columns.subject, columns.metric, func.max(columns.measured_at)).group_by(
            columns.subject, columns.metric
        )
        with self._engine.connect() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query)}

    def series(self, subject: str, metric: str, *, since: datetime) -> list[Measurement]:
        """The newest measurements of one series not before `since`, at most 5,000, oldest first."""
        columns = MEASUREMENT.c
        query = (
            select(MEASUREMENT)
            .where(columns.subject == subject, columns.metric == metric, columns.measured_at >= since)
            .order_by(columns.measured_at.desc())
            .limit(_MOST_POINTS)
        )
        return [_measurement(row) for row in reversed(self._rows(query))]

    def recent(self, subjects: Collection[str], *, limit: int) -> dict[tuple[str, str], list[Measurement]]:
        """The newest `limit` measurements of every series of these subjects, oldest first; one query."""
        columns = MEASUREMENT.c
        place = func.row_number().over(
            partition_by=[columns.subject, columns.metric], order_by=columns.measured_at.desc()
        )
        ranked = select(MEASUREMENT, place.label("place")).where(columns.subject.in_(subjects)).subquery()
        query = select(ranked).where(ranked.c.place <= limit)
        found: dict[tuple[str, str], list[Measurement]] = {}
        for row in self._rows(query.order_by(ranked.c.subject, ranked.c.metric, ranked.c.measured_at)):
            found.setdefault((row["subject"], row["metric"]), []).append(_measurement(row))
        return found

    def prune(self, now: datetime) -> int:
        """Remove what is too old, and of what is older than two days all but the first of each hour; rows removed."""
        columns = MEASUREMENT.c
        old = delete(MEASUREMENT).where(columns.measured_at < now - KEPT)
        key = (columns.subject, columns.metric, columns.measured_at)
        place = func.row_number().over(
            partition_by=[columns.subject, columns.metric, func.date_trunc("hour", columns.measured_at, "UTC")],
            order_by=columns.measured_at,
        )
        ranked = (
            select(*key, place.label("place"))
            .where(columns.measured_at < now - _WHOLE, columns.measured_at >= now - _WHOLE - _THINNED)
            .subquery()
        )
        surplus = select(ranked.c.subject, ranked.c.metric, ranked.c.measured_at).where(ranked.c.place > 1)
        with self._engine.begin() as connection:
            removed = connection.execute(old).rowcount
            return removed + connection.execute(delete(MEASUREMENT).where(tuple_(*key).in_(surplus))).rowcount

    def keep(self, found: Sequence[EarlyWarning], judged: Collection[tuple[str, str]], now: datetime) -> KeptWarnings:
        """Open, renew and clear warnings after the series `judged` (subject, metric) were looked at.

        A warning of a series that was not looked at stays as it is. One that comes back within a day goes on as the
        same one.
        """
        opened: list[int] = []
        seen = {each.key: each for each in found}
        with self._engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            for warning in seen.values():
                row_id, is_new = self._renewed(connection, warning, now)
                opened += [row_id] if is_new else []
            gone = [
                row.id
                for row in connection.execute(select(HEALTH_WARNING).where(HEALTH_WARNING.c.cleared_at.is_(None)))
                if (row.subject, row.metric) in judged and (row.subject, row.metric, row.kind) not in seen
            ]
            connection.execute(update(HEALTH_WARNING).where(HEALTH_WARNING.c.id.in_(gone)).values(cleared_at=now))
        return KeptWarnings(opened=tuple(opened), cleared=tuple(gone))

    def warnings(self, *, only_open: bool = True, limit: int = 1000) -> list[Mapping[str, Any]]:
        """Warnings, newest first; columns of `health_warning`."""
        query = select(HEALTH_WARNING).order_by(HEALTH_WARNING.c.first_seen_at.desc(), HEALTH_WARNING.c.id.desc())
        return self._rows(
            query.where(HEALTH_WARNING.c.cleared_at.is_(None)).limit(limit) if only_open else query.limit(limit)
        )

    def untold(self) -> list[Mapping[str, Any]]:
        """Open warnings that nobody was told of yet, oldest first; columns of `health_warning`."""
        columns = HEALTH_WARNING.c
        query = select(HEALTH_WARNING).where(columns.cleared_at.is_(None), columns.told_at.is_(None))
        return self._rows(query.order_by(columns.id))

    def mark_told(self, warning_ids: Collection[int], now: datetime) -> None:
        """People were told of these warnings."""
        with self._engine.begin() as connection:
            connection.execute(update(HEALTH_WARNING).where(HEALTH_WARNING.c.id.in_(warning_ids)).values(told_at=now))

    def _renewed(self, connection: Any, warning: EarlyWarning, now: datetime) -> tuple[int, bool]:
        """The id of the warning's row, seen now, and whether it is a new one."""
        columns = HEALTH_WARNING.c
        subject, metric, kind = warning.key
        same = and_(columns.subject == subject, columns.metric == metric, columns.kind == kind)
        values = {"told": warning.told, "details": dict(warning.details()), "last_seen_at": now}
        last = connection.execute(
            select(columns.id)
            .where(same, columns.cleared_at.is_(None) | (columns.cleared_at > now - _SAME_SPELL))
            .order_by(columns.id.desc())
            .limit(1)
        ).scalar()
        if last is not None:
            connection.execute(update(HEALTH_WARNING).where(columns.id == last).values(**values, cleared_at=None))
            return int(last), False
        new = insert(HEALTH_WARNING).values(subject=subject, metric=metric, kind=kind, first_seen_at=now, **values)
        return int(connection.execute(new.returning(columns.id)).scalar_one()), True

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _measurement(row: Mapping[str, Any]) -> Measurement:
    return Measurement(
        subject=row["subject"],
        metric=row["metric"],
        at=row["measured_at"],
        value=row["value"],
        limit=row["limit_value"],
    )
