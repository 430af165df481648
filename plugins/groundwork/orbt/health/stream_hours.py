"""How streams fared: the hours in which their consumers were at work, and those in which one failed.

A drain can take a second or a day, so hours are counted, not drains. An hour failed when the warehouse counted a
failure in it, or a strike fell into it: a consumer that lost the warehouse itself is only known by its strike.
"""

# groundwork: allow-file own_session reads what the store and the books say of streams, not rows of tables

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from groundwork.flow.capture import ledger
from groundwork.orbt.health.subjects import PipelineKind, WatchedPipeline
from groundwork.store.strike import STRIKE

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Hours:
    """The hours in which a stream was at work or failed, and those of them in which it failed, by their begin."""

    all: set[datetime] = field(default_factory=set)
    failed: set[datetime] = field(default_factory=set)

    @property
    def good(self) -> int:
        """How many passed without a failure."""
        return len(self.all) - len(self.failed)


def stream_hours(
    store: Engine, warehouse: Engine | None, pipelines: Sequence[WatchedPipeline], since: datetime
) -> Mapping[str, Hours] | None:
    """The hours of each stream since then, by the name of its pipeline; null when the warehouse does not answer.

    Raises: what the driver raises when the store does not answer.
    """
    watched = [each for each in pipelines if each.kind is PipelineKind.STREAM]
    found: dict[str, Hours] = defaultdict(Hours)
    if not watched:
        return found
    counted = _of_consumers(warehouse, watched, since)
    if counted is None:  # strikes alone are no share
        return None
    for name, hour, is_failed in (*_of_strikes(store, watched, since), *counted):
        found[name].all.add(hour)
        if is_failed:
            found[name].failed.add(hour)
    return found


def _of_strikes(
    store: Engine, watched: Sequence[WatchedPipeline], since: datetime
) -> Iterator[tuple[str, datetime, bool]]:
    names = {each.dag_id: each.name for each in watched}
    hour = func.date_trunc("hour", STRIKE.c.struck_at, "UTC").label("hour")
    query = select(STRIKE.c.dag_id, hour).where(STRIKE.c.dag_id.in_(names), STRIKE.c.struck_at >= since).distinct()
    with store.connect() as connection:
        for row in connection.execute(query):
            yield names[row.dag_id], row.hour, True


def _of_consumers(
    warehouse: Engine | None, watched: Sequence[WatchedPipeline], since: datetime
) -> list[tuple[str, datetime, bool]] | None:
    if warehouse is None:
        return None
    names = {f"{each.domain}.{each.connections[0]}": each.name for each in watched}
    try:
        with warehouse.connect() as connection:
            rows = ledger.hours(connection, names, since)
    except (SQLAlchemyError, OSError) as error:
        _log.warning("hours of streams cannot be counted: %s", type(error).__name__)
        return None
    return [(names[row["stream"]], row["hour_at"], row["failures"] > 0) for row in rows]
