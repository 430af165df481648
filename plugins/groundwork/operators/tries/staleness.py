"""What is made from a kept answer is marked as stale, with everything downstream, until a fresh load comes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from groundwork.contracts.contract import Domain, TableContract
    from groundwork.flow.resources import Resources

_log = logging.getLogger(__name__)
_MADE_FROM = {"computed table", "dbt model", "dbt snapshot"}  # consumers that hold data of their own


def after_load(
    store: Callable[[], Engine], domain: Domain, table: TableContract, *, served_at: datetime | None, project: Path
) -> tuple[str, ...]:
    """Mark what the load made stale, or take its marks away; what is marked. A store that is away costs the mark only.

    `served_at` is the time of the kept answer that was loaded, null when the source itself answered.
    """
    from groundwork.store.stale_dataset import StaleDatasets

    name = table.qualified_name
    try:
        marks = StaleDatasets(store())
        if served_at is None:
            if gone := marks.clear(name):
                _log.info("%s is fresh again: %d marks taken away", name, gone)
            return ()
        downstream = downstream_of(domain, table, project)
        reason = f"{name} was loaded from an answer of {served_at:%Y-%m-%d %H:%M}Z, because its source was away"
        marks.mark(name, downstream, as_of=served_at, reason=reason)
    except Exception:  # the rows are in the table, and a task that fails now would be a lie
        _log.exception("whether %s is stale could not be told", name)
        return ()
    _log.warning("stale until a fresh load: %s", ", ".join((name, *downstream)))
    return (name, *downstream)


def downstream_of(domain: Domain, table: TableContract, project: Path) -> tuple[str, ...]:
    """Computed tables and dbt models that are made from a table, directly and through others, in order of name."""
    from groundwork.contracts.consumers import all_uses, users

    uses = all_uses(domain, project=project)
    names = {each.name: each.qualified_name for each in domain.tables}
    found: set[str] = set()
    waiting = [table.name]
    while waiting:
        for consumer in users(uses, waiting.pop()):
            name = names.get(consumer.name, consumer.name) if consumer.kind == "computed table" else consumer.name
            if consumer.kind in _MADE_FROM and name not in found:
                found.add(name)
                waiting += [consumer.name] if consumer.name in names else []
    return tuple(sorted(found - {table.qualified_name}))


def served_at(resources: Resources, table: TableContract) -> datetime | None:
    """The time of the kept answer that a load of the table reads; null when it asks the API itself."""
    connection = str((table.source or {}).get("connection", ""))
    if resources.answers is None or connection not in resources.served:
        return None
    kept = resources.answers.find(connection, table.qualified_name)
    return kept.at if kept is not None else None
