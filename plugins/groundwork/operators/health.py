"""The look at health as a task: measure, judge, and tell people of each new early warning once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from groundwork.operators import connections
from groundwork.operators.errors import airflow_errors
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from airflow.sdk import Context
    from sqlalchemy import Engine

    from groundwork.contracts.contract import Domain
    from groundwork.orbt.health.subjects import WatchedPipeline
    from groundwork.orbt.incidents.notifications import Message

_log = logging.getLogger(__name__)
COLOUR = "#dbe7f3"


class WatchHealthOperator(BaseOperator):
    """Measure all domains' pipelines, the other Dags that ORBT heals, the databases and the disk, and keep the early
    warnings that follow.

    The same moment twice changes nothing. A database that does not answer is told in the result and holds nothing up,
    but for the store, without which nothing can be kept.

    :param connection_id: Airflow connection of the warehouse (templated)
    :param store_connection_id: Airflow connection of Groundwork's own database (templated)
    """

    template_fields: Sequence[str] = ("connection_id", "store_connection_id")
    ui_color = COLOUR

    def __init__(
        self,
        *,
        connection_id: str = WAREHOUSE_CONNECTION,
        store_connection_id: str = STORE_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.connection_id = connection_id
        self.store_connection_id = store_connection_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return counts, problems and the words of all warnings that hold."""
        with airflow_errors():
            return watch_health(self.connection_id, self.store_connection_id)


def watch_health(
    connection_id: str = WAREHOUSE_CONNECTION, store_connection_id: str = STORE_CONNECTION
) -> dict[str, Any]:
    """Look once and tell of new warnings; counts, problems and warnings, JSON-ready.

    Raises: what the driver raises without the store; ConfigError when Airflow lacks one of the connections.
    """
    from groundwork.contracts.declared_domains import declared_domains
    from groundwork.operators.dag_figures import dag_figures
    from groundwork.orbt.health.healed_dags import healed_dags
    from groundwork.orbt.health.watch import watch
    from groundwork.store.base import utc_now

    settings = Settings.from_environment()
    store = connections.engine(store_connection_id)
    databases = {store_connection_id: store, connection_id: connections.engine(connection_id)}
    domains, broken = declared_domains(settings)
    now = utc_now()
    dags = healed_dags(store, domains, now)
    told_dags, untold = dag_figures(store, [each.pipeline.dag_id for each in dags], now)
    seen = watch(store, databases, connection_id, domains, home=settings.home, now=now, told=told_dags)
    told = tell(store, [*_declared(domains), *(each.pipeline for each in dags)])
    problems = [*broken, *seen.problems, *untold]
    for problem in problems:
        _log.warning("%s", problem)
    return {
        "measured": seen.measured,
        "series": seen.judged,
        "warnings": [f"{each.subject}: {each.told}" for each in seen.warnings],
        "new": len(seen.kept.opened),
        "cleared": len(seen.kept.cleared),
        "told": told,
        "problems": problems,
    }


def _declared(domains: Sequence[Domain]) -> list[WatchedPipeline]:
    from groundwork.orbt.health.subjects import watched_pipelines

    return [each for domain in domains for each in watched_pipelines(domain)]


def tell(store: Engine, pipelines: Sequence[WatchedPipeline]) -> int:
    """Tell people of warnings that nobody was told of, by the policy's routes; how many. `pipelines` tell whose it is.

    One that a channel does not take is sent again with all other messages, so it counts as told here. One that cannot
    be told at all waits for the next look.
    """
    from groundwork.operators.incidents.notify import deliver
    from groundwork.orbt.health.subjects import measured_as
    from groundwork.store.base import utc_now
    from groundwork.store.health import HealthRecords

    records, told = HealthRecords(store), []
    owners = {measured_as(each): each.domain for each in pipelines}
    for row in records.untold():
        try:
            deliver(store, _message(row, owners.get(row["subject"])))
        except Exception:  # whatever a channel's policy is wrong about, the other warnings are told
            _log.exception("nobody could be told of the warning %s", row["id"])
            continue
        told.append(row["id"])
    if told:
        records.mark_told(told, utc_now())
    return len(told)


def _message(row: Mapping[str, Any], domain: str | None) -> Message:
    from groundwork.model.fault import Urgency
    from groundwork.orbt.incidents.notifications import Event, Message

    details = row["details"]
    limit = details.get("limit")
    is_reached = limit is not None and details["value"] >= limit
    return Message(
        subject=f"warning {row['id']}",
        event=Event.EARLY_WARNING,
        domain=domain,
        urgency=(Urgency.HIGH if is_reached else Urgency.MEDIUM).value,
        title=f"Early warning: {row['subject']}",
        text=row["told"],
        facts={"subject": row["subject"], "metric": row["metric"], "kind": row["kind"], **details},
    )
