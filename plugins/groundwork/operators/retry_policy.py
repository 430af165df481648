"""ORBT inside Airflow's tasks: a retry policy that records each strike, heals, backs off, and at last asks a person.

Airflow evaluates the policy in the task's process with the live exception; set it once for a Dag in `default_args`. It
is not asked when the process is killed or the task raises `AirflowFailException`: `groundwork.operators.listener`
covers those. Give tasks `retries=RETRIES`: a policy cannot extend Airflow's own number of tries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from airflow.sdk import Context
    from sqlalchemy import Engine

    from groundwork.model.fault import Circumstances, Fault, Impact, TaskTry
    from groundwork.orbt.response import Responder, Response

_log = logging.getLogger(__name__)
RETRIES = 2  # tries after the first, so that the third strike is the last try


class StrikePolicy(RetryPolicy):
    """Three strikes, then a person.

    :param connection_id: the database that remedies act on
    :param store_connection_id: Groundwork's own database
    """

    def __init__(self, connection_id: str = WAREHOUSE_CONNECTION, store_connection_id: str = STORE_CONNECTION) -> None:
        self.connection_id = connection_id
        self.store_connection_id = store_connection_id

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
        from groundwork.operators.escalation import start_escalation
        from groundwork.orbt.classify import classify

        responder = self.responder()
        fault = classify(exception, responder.patterns)
        response = responder.respond(
            fault,
            task_try_of(task_instance),
            impact_of(task_instance),
            has_try_left=has_try_left,
            circumstances=circumstances_of(task_instance, self.connection_id),
        )
        _log.warning("%s [%s]", response.strike.reason, _told(fault))
        for remedy in response.strike.remedies:
            _log.info("remedy %s: %s", remedy.remedy, remedy.report)
        if response.incident is not None:
            start_escalation(response.incident.id)
        return response

    def responder(self) -> Responder:
        """The engine room's responder over this policy's connections."""
        from groundwork.orbt.patterns import read_patterns
        from groundwork.orbt.response import Responder
        from groundwork.orbt.spool import Spool

        settings = Settings.from_environment()
        return Responder(
            store=_lookup(self.store_connection_id),
            target=_lookup(self.connection_id, is_fresh=True),
            patterns=read_patterns(settings.project / "governance" / "patterns"),
            spool=Spool(settings.home / "spool"),
        )


def task_try_of(task_instance: Any) -> TaskTry:
    """The try that a task instance of Airflow, of the task's process or of the scheduler, is in."""
    from groundwork.model.fault import TaskTry

    return TaskTry(
        dag_id=task_instance.dag_id,
        run_id=task_instance.run_id,
        task_id=task_instance.task_id,
        map_index=-1 if task_instance.map_index is None else task_instance.map_index,
        try_number=max(task_instance.try_number, 1),
    )


def impact_of(task_instance: Any) -> Impact:
    """What waits for this task, as far as the task itself knows; never raises."""
    from groundwork.model.fault import Impact

    task = getattr(task_instance, "task", None)
    domain = getattr(task, "domain", None) or _domain_of_run(task_instance) or task_instance.dag_id
    try:
        outlets = [str(getattr(outlet, "name", outlet)) for outlet in getattr(task, "outlets", None) or ()]
        downstream = sorted(task.get_flat_relative_ids(upstream=False)) if task is not None else []
    except Exception:  # an impact half known is no reason to lose the strike
        _log.debug("the impact of %s is not known", task_instance.task_id, exc_info=True)
        outlets, downstream = [], []
    return Impact(domain=str(domain), assets=tuple(outlets), downstream_tasks=tuple(downstream))


def circumstances_of(task_instance: Any, connection_id: str) -> Circumstances:
    """Where a task works, as far as the task itself knows; never raises."""
    from groundwork.model.fault import Circumstances

    task = getattr(task_instance, "task", None)
    target = str(getattr(task, "connection_id", None) or getattr(task, "conn_id", None) or connection_id)
    table = getattr(task, "table", None)
    return Circumstances(
        engine=_engine_of(target),
        target=target,
        table=table if isinstance(table, str) else None,
        operation=type(task).__name__ if task is not None else None,
    )


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


def _lookup(connection_id: str, *, is_fresh: bool = False) -> Callable[[], Engine]:
    """The engine of a connection, looked up when called; fresh: with the connection's secret as it is now."""

    def look_up() -> Engine:
        from groundwork.operators import connections

        if is_fresh:
            forget_engines(connection_id)
        return connections.engine(connection_id)

    return look_up


def forget_engines(*connection_ids: str) -> None:
    """Close this process's pools (of the store, and of the connections named); the next look-up reads secrets anew."""
    from groundwork.operators import connections

    for connection_id in {STORE_CONNECTION, *connection_ids}:
        with suppress(Exception):  # one that cannot be looked up has no pool
            connections.engine(connection_id).dispose()
    connections.engine.cache_clear()


def _told(fault: Fault) -> str:
    state = f" {fault.sqlstate}" if fault.sqlstate else ""
    return f"{fault.fault_class}{state} {fault.exception}"
