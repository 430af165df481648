"""ORBT inside Airflow's tasks: a retry policy that records each strike, heals, backs off, and at last asks a person.

Airflow evaluates the policy in the task's process with the live exception; set it once for a Dag in `default_args`. It
is not asked when the process is killed or the task raises `AirflowFailException`: `groundwork.operators.listener`
covers those. Give tasks `retries=RETRIES`: a policy cannot extend Airflow's own number of tries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from airflow.sdk import Context
    from sqlalchemy import Engine

    from groundwork.model.fault import Fault
    from groundwork.orbt.response import Responder, Response

_log = logging.getLogger(__name__)
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
        from dataclasses import replace

        from groundwork.operators.incidents.escalation_run import start_escalation
        from groundwork.operators.incidents.notify_without_store import tell_spooled
        from groundwork.operators.tries.circumstances import circumstances_of, impact_of, observed
        from groundwork.operators.tries.try_end import failed
        from groundwork.operators.tries.try_state import task_try_of
        from groundwork.orbt.classify import classify
        from groundwork.orbt.response import Told

        responder = self.responder()
        ended = failed(self, task_instance, exception)
        where = circumstances_of(task_instance, self, ended.target)
        where = replace(where, observed=observed(task_instance, responder.home, where))
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
