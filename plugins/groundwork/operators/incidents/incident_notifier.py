"""An Airflow notifier for Dags that are not Groundwork's own: tells people of a failed task as the policy routes it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.notifier import BaseNotifier

from groundwork.model.fault import TaskTry
from groundwork.settings import STORE_CONNECTION

if TYPE_CHECKING:
    from airflow.sdk import Context

_log = logging.getLogger(__name__)


class IncidentNotifier(BaseNotifier):
    """Tells of the open incidents that a failed task is part of; of the failure itself when there is none.

    For `on_failure_callback` of a task or a Dag's default arguments. A task with Groundwork's retry policy needs none
    of it: the Dag `escalation` tells of its incidents, and what was told is not told again.

    :param domain: domain that the message is routed by when there is no incident (templated)
    :param store_connection_id: Airflow connection of Groundwork's own database (templated)
    """

    template_fields: Sequence[str] = ("domain", "store_connection_id")

    def __init__(
        self, *, domain: str | None = None, store_connection_id: str = STORE_CONNECTION, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.domain = domain
        self.store_connection_id = store_connection_id

    def notify(self, context: Context) -> None:
        """Tell of the failure that the context is about; of the failure alone while the store is away."""
        from groundwork.operators import connections
        from groundwork.operators.incidents.notify import deliver, notify, send_past_store
        from groundwork.orbt.incidents.notifications import Event
        from groundwork.store.incident import Incidents

        task_try = _task_try(context)
        failure = _failure(task_try, context.get("exception"), self.domain)
        try:
            store = connections.engine(self.store_connection_id)
            incidents = Incidents(store).unresolved_of(task_try)
            for incident in incidents:
                notify(str(incident["id"]), Event.OPENED, self.store_connection_id)
            if not incidents:
                deliver(store, failure)
        except Exception:  # the store may be the database that is down
            _log.exception("the store is away: the failure is told, and not kept")
            send_past_store(failure)


def _task_try(context: Context) -> TaskTry:
    instance = context["ti"]
    return TaskTry(
        dag_id=instance.dag_id,
        run_id=instance.run_id,
        task_id=instance.task_id,
        map_index=-1 if instance.map_index is None else instance.map_index,
        try_number=instance.try_number,
    )


def _failure(task_try: TaskTry, error: object, domain: str | None) -> Any:
    from groundwork.model.fault import Urgency
    from groundwork.orbt.incidents.notifications import Event, Message, cut, one_line
    from groundwork.orbt.redaction import redact

    where = f"{task_try.dag_id} / {task_try.task_id}"
    told = redact(f"{type(error).__name__}: {error}") if isinstance(error, BaseException) else "no exception is known"
    return Message(
        subject=f"task {where} / {task_try.run_id} / {task_try.map_index} / {task_try.try_number}",
        event=Event.TASK_FAILED,
        domain=domain,
        urgency=Urgency.MEDIUM,
        title=one_line(f"Failed: {where}"),
        text=cut(f"Run {task_try.run_id}, try {task_try.try_number}: {told}"),
    )
