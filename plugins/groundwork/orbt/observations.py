"""What can be measured when a task fails: the task's process, its machine, the database it works on.

Each measure has a name and a number, so that error patterns can set conditions on it. What cannot be measured is left
out, and a condition on it does not hold. Source: requirement O2 (pool exhausted, high CPU usage, blocking queries).
"""

# groundwork: allow-file raw_sql it looks at the server itself: its sessions, its locks

from __future__ import annotations

import operator
import os
import re
import resource
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.model.nearest import asked_first
from groundwork.orbt.remedies.silence import said_nothing

Observations = Mapping[str, float]
MEASURES: Mapping[str, str] = {
    "task_seconds": "how long the try ran",
    "task_memory_mb": "the most memory that the task's process held",
    "load_per_core": "processes that run or wait for a processor or disk, per core of the worker's machine",
    "memory_available_share": "memory of the worker's machine that is free to be taken, 0 to 1",
    "disk_free_share": "free part of the disk with Groundwork's own files, 0 to 1",
    "is_database_reachable": "1 when the connection the task works on lets us in, else 0",
    "is_database_silent": "1 when it was asked for that, and said nothing until the time was up",
    "is_in_recovery": "1 when that server is a standby, or starting after a crash",
    "connections_used_share": "its sessions, by the number it allows",
    "blocked_sessions": "its sessions that wait for a lock",
    "longest_transaction_seconds": "age of its oldest open transaction",
}
_CONDITION = re.compile(r"^([a-z_]+)\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)$")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_STATE = text(
    """
    SELECT pg_is_in_recovery()::int AS is_in_recovery,
           count(*) FILTER (WHERE backend_type = 'client backend')::float
               / current_setting('max_connections')::int AS connections_used_share,
           count(*) FILTER (WHERE wait_event_type = 'Lock') AS blocked_sessions,
           coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)
               FILTER (WHERE pid <> pg_backend_pid() AND backend_type = 'client backend')), 0)
               AS longest_transaction_seconds
    FROM pg_stat_activity
    """
)


def _known(condition: str) -> str:
    """The condition as it was written. Raises: ValueError when it cannot be read or names no measure."""
    parts = _CONDITION.match(condition.strip())
    if parts is None:
        raise ValueError(f"`{condition}` is no condition; it reads like `blocked_sessions >= 1`")
    if parts[1] not in MEASURES:
        told = asked_first(parts[1], MEASURES, f"there are {', '.join(MEASURES)}")
        raise ValueError(f"nothing is measured as `{parts[1]}`; {told}")
    return condition.strip()


Condition = Annotated[str, AfterValidator(_known)]


def holds(condition: str, found: Observations) -> bool:
    """Whether a condition is true of what was measured; false when its measure is missing.

    >>> holds("blocked_sessions >= 1", {"blocked_sessions": 2})
    True
    >>> holds("blocked_sessions >= 1", {})
    False
    """
    parts = _CONDITION.match(condition)
    if parts is None or parts[1] not in found:
        return False
    return _COMPARE[parts[2]](found[parts[1]], float(parts[3]))


def observe_machine(home: Path) -> dict[str, float]:
    """What this process and its machine tell; never raises."""
    import psutil

    found = {"task_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    try:
        found["load_per_core"] = os.getloadavg()[0] / (os.cpu_count() or 1)
        memory = psutil.virtual_memory()
        found["memory_available_share"] = memory.available / memory.total
        disk = shutil.disk_usage(home)
        found["disk_free_share"] = disk.free / disk.total
    except OSError:  # a machine that does not tell one thing may not tell the rest either
        return found
    return {name: round(value, 4) for name, value in found.items()}


def observe_database(engine: Callable[[], Engine]) -> dict[str, float]:
    """What the server tells of its sessions, within two seconds; never raises. `engine` may fail as the server does."""
    try:
        with engine().connect() as connection, connection.begin():
            connection.execute(text("SET LOCAL statement_timeout = '2s'"))
            row = connection.execute(_STATE).mappings().one()
    except (SQLAlchemyError, OSError) as away:
        return {"is_database_reachable": 0.0} | ({"is_database_silent": 1.0} if said_nothing(away) else {})
    except Exception:  # the look-up of the connection can fail with whatever is down
        return {}
    return {"is_database_reachable": 1.0, **{name: round(float(value), 4) for name, value in row.items()}}
