"""Where a task works, what waits for it, and what could be measured when it failed, as far as that is known.

Nothing here raises: a strike half described is better than none.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from groundwork.model.fault import Circumstances, Impact
from groundwork.operators import connections
from groundwork.operators.tries.targets import connections_of

if TYPE_CHECKING:
    from pathlib import Path

    from groundwork.operators.tries.policy import Policy

_log = logging.getLogger(__name__)
_NOBODY = "airflow"  # the owner of tasks for which none is named


def impact_of(task_instance: Any) -> Impact:
    """What waits for this task, and whose it is, as far as the task itself knows; never raises."""
    task = getattr(task_instance, "task", None)
    domain = getattr(task, "domain", None) or _domain_of_run(task_instance) or task_instance.dag_id
    try:
        outlets = [str(getattr(outlet, "name", outlet)) for outlet in getattr(task, "outlets", None) or ()]
        downstream = sorted(task.get_flat_relative_ids(upstream=False)) if task is not None else []
    except Exception:  # an impact half known is no reason to lose the strike
        _log.debug("the impact of %s is not known", task_instance.task_id, exc_info=True)
        outlets, downstream = [], []
    named = str(getattr(task, "owner", None) or "").split(",")
    owners = tuple(owner.strip() for owner in named if owner.strip() and owner.strip() != _NOBODY)
    return Impact(domain=str(domain), assets=tuple(outlets), downstream_tasks=tuple(downstream), owners=owners)


def circumstances_of(task_instance: Any, policy: Policy, target: str | None = None) -> Circumstances:
    """Where a task works, as far as the task itself knows; never raises.

    `target` is the connection (or `source:…`) that failed, where that is known; else it is what the task mainly uses,
    and a guess where the task names nothing.
    """
    task = getattr(task_instance, "task", None)
    named = (target,) if target is not None else connections_of(task)
    target = next(iter(named), policy.connection_id)
    table = getattr(task, "table", None)
    return Circumstances(
        engine=_engine_of(target),
        target=target,
        table=table if isinstance(table, str) else None,
        operation=type(task).__name__ if task is not None else None,
        is_target_guessed=not named and not policy.names_connection,
    )


def observed(task_instance: Any, home: Path, where: Circumstances) -> dict[str, float] | None:
    """What the try, the machine and the database it works on tell now; null when even that fails."""
    from groundwork.orbt.observations import observe_database, observe_machine

    try:
        found = observe_machine(home)
        began_at = getattr(task_instance, "start_date", None)
        if began_at is not None:
            found["task_seconds"] = round((datetime.now(UTC) - began_at).total_seconds(), 3)
        if where.engine == "postgresql" and where.target is not None:
            target = where.target  # looked up anew: a pooled session of a dead way would hang
            found |= observe_database(lambda: connections.engine.renew(target))
    except Exception:  # an observation half made is no reason to lose the strike
        _log.debug("nothing could be measured", exc_info=True)
        return None
    return found


def _engine_of(connection_id: str) -> str | None:
    """The kind of a connection, such as `postgresql`; null when it cannot be looked up now."""
    try:
        return connections.engine(connection_id).dialect.name
    except Exception:  # the connection may be what is broken
        return None


def _domain_of_run(task_instance: Any) -> str | None:
    try:
        found = task_instance.get_template_context()["params"].get("domain")
    except Exception:  # the scheduler's task instances have no such context
        return None
    return str(found) if found else None
