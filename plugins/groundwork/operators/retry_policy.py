"""ORBT inside Airflow's tasks: a retry policy that records each strike, heals, backs off, and at last asks a person.

Airflow evaluates the policy in the task's process with the live exception; set it once for a Dag in `default_args`. It
is not asked when the process is killed or the task raises `AirflowFailException`: `groundwork.operators.listener`
covers those. Give tasks `retries=RETRIES`: a policy cannot extend Airflow's own number of tries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context
    from sqlalchemy import Engine

    from groundwork.model.fault import Circumstances, Fault, Impact, TaskTry
    from groundwork.orbt.response import Responder, Response

_log = logging.getLogger(__name__)
_NOBODY = "airflow"  # the owner of tasks for which none is named
RETRIES = 2  # tries after the first, so that the third strike is the last try


class StrikePolicy(RetryPolicy):
    """Three strikes, then a person.

    :param connection_id: the database of tasks that name none; without it the warehouse is taken for it, but remedies
        act on it only when its driver told of the failure
    :param store_connection_id: Groundwork's own database
    :param sources: addresses of services that the task calls without a connection
    """

    def __init__(
        self,
        connection_id: str | None = None,
        store_connection_id: str = STORE_CONNECTION,
        sources: Sequence[str] = (),
    ) -> None:
        self.connection_id = connection_id or WAREHOUSE_CONNECTION
        self.names_connection = connection_id is not None
        self.store_connection_id = store_connection_id
        self.sources = (sources,) if isinstance(sources, str) else tuple(sources)

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide about a failed try; never raises, because Airflow would then forget the failure's history."""
        if context is None:
            return RetryDecision.default()
        try:
            response = self.respond(exception, context["ti"], has_try_left=try_number <= max_tries)
        except Exception:
            _log.exception("the strike could not be handled, Airflow's own retries apply")
            return RetryDecision.default()
        strike = response.strike
        if strike.delay_seconds is None:
            return RetryDecision.fail(reason=strike.reason)
        return RetryDecision.retry(delay=timedelta(seconds=strike.delay_seconds), reason=strike.reason)

    def respond(self, exception: BaseException, task_instance: Any, *, has_try_left: bool) -> Response:
        """Record the failure of a task instance, heal, and start the escalation when a person is to be asked."""
        from groundwork.operators.incidents.escalation import start_escalation
        from groundwork.operators.incidents.notify_without_store import tell_spooled
        from groundwork.operators.tries.try_end import failed
        from groundwork.orbt.classify import classify
        from groundwork.orbt.response import Told

        responder = self.responder()
        ended = failed(self, task_instance, exception)
        where = circumstances_of(task_instance, self, ended.target)
        where = replace(where, observed=_observed(task_instance, responder.home, where))
        fault = classify(exception, responder.patterns, where.observed)
        because = ended.tell_breaker(fault, responder.patterns)
        response = responder.respond(
            fault,
            task_try_of(task_instance),
            impact_of(task_instance),
            has_try_left=has_try_left,
            circumstances=where,
            told=Told(error=exception, own=ended.own, because=because),
        )
        ended.keep_alternatives(response.strike)
        _log.warning("%s [%s]%s", response.strike.reason, _told(fault), ended.told)
        for remedy in response.strike.remedies:
            _log.info("remedy %s: %s", remedy.remedy, remedy.report)
        if response.incident is not None:
            start_escalation(response.incident.id)
        tell_spooled(response, responder)
        return response

    def responder(self) -> Responder:
        """The engine room's responder over this policy's connections."""
        from groundwork.orbt.patterns import patterns_in_force
        from groundwork.orbt.response import Responder
        from groundwork.orbt.spool import Spool

        settings = Settings.from_environment()
        return Responder(
            store=_lookup(self.store_connection_id),
            engine_of=_fresh_engine,
            target=self.connection_id,
            patterns=patterns_in_force(settings.project / "governance" / "patterns"),
            spool=Spool(settings.home / "spool"),
            project=settings.project,
            home=settings.home,
        )


def task_try_of(task_instance: Any) -> TaskTry:
    """The try that a task instance of Airflow, of the task's process or of the scheduler, is in."""
    from groundwork.model.task_try import TaskTry

    return TaskTry(
        dag_id=task_instance.dag_id,
        run_id=task_instance.run_id,
        task_id=task_instance.task_id,
        map_index=-1 if task_instance.map_index is None else task_instance.map_index,
        try_number=max(task_instance.try_number, 1),
    )


def impact_of(task_instance: Any) -> Impact:
    """What waits for this task, and whose it is, as far as the task itself knows; never raises."""
    from groundwork.model.fault import Impact

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


def circumstances_of(task_instance: Any, policy: StrikePolicy, target: str | None = None) -> Circumstances:
    """Where a task works, as far as the task itself knows; never raises.

    `target` is the connection (or `source:…`) that failed, where that is known; else it is what the task mainly uses,
    and a guess where the task names nothing.
    """
    from groundwork.model.fault import Circumstances
    from groundwork.operators.tries.targets import connections_of

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


def _observed(task_instance: Any, home: Path, where: Circumstances) -> dict[str, float] | None:
    """What the try, the machine and the database it works on tell now; null when even that fails."""
    from groundwork.orbt.observations import observe_database, observe_machine

    try:
        found = observe_machine(home)
        began_at = getattr(task_instance, "start_date", None)
        if began_at is not None:
            found["task_seconds"] = round((datetime.now(UTC) - began_at).total_seconds(), 3)
        if where.engine == "postgresql" and where.target is not None:
            target = where.target
            found |= observe_database(lambda: _fresh_engine(target))  # a pooled session of a dead way would hang
    except Exception:  # an observation half made is no reason to lose the strike
        _log.debug("nothing could be measured", exc_info=True)
        return None
    return found


def _engine_of(connection_id: str) -> str | None:
    """The kind of a connection, such as `postgresql`; null when it cannot be looked up now."""
    try:
        from groundwork.operators import connections

        return connections.engine(connection_id).dialect.name
    except Exception:  # the connection may be what is broken
        return None


def _domain_of_run(task_instance: Any) -> str | None:
    try:
        found = task_instance.get_template_context()["params"].get("domain")
    except Exception:  # the scheduler's task instances have no such context
        return None
    return str(found) if found else None


def _lookup(connection_id: str) -> Callable[[], Engine]:
    """The engine of a connection, looked up when called."""

    def look_up() -> Engine:
        from groundwork.operators import connections

        return connections.engine(connection_id)

    return look_up


def _fresh_engine(connection_id: str) -> Engine:
    """The engine of a connection with its secret as it is now."""
    from groundwork.operators import connections

    return connections.engine.renew(connection_id)


def forget_engines() -> None:
    """Close this process's pools; the next look-up reads addresses and secrets anew."""
    from groundwork.operators import connections

    connections.engine.cache_clear()


def _told(fault: Fault) -> str:
    state = f" {fault.sqlstate}" if fault.sqlstate else ""
    return f"{fault.fault_class}{state} {fault.exception}"
