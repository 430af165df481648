"""The operator that drains a stream, and the Dags that watchers wake: one per domain and source connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable

from groundwork.model.errors import ConfigError
from groundwork.operators.assets import CHANGED_TABLES, SCHEME, table_asset
from groundwork.operators.capture_trigger import StreamTrigger
from groundwork.operators.operator import GroundworkOperator
from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

_SWEEP = "*/15 * * * *"  # stands behind the watcher, whose events Airflow may lose
_LONGEST_DRAIN = timedelta(minutes=30)
_DOCUMENTATION = """
Applies the changes that wait in the stream `{name}` to {tables}, and ends when everything that was committed at its
start is there. Woken by the stream's watcher, and every 15 minutes in case an event got lost. The first run, and one
after the stream was given up, begins with a snapshot of the source. See `groundwork capture status`.
"""


class DrainStreamOperator(GroundworkOperator):
    """Apply the changes that wait in a stream to its tables; skipped while a person has stopped the stream.

    The same run twice changes nothing: the position is kept with the rows.

    :param source_connection_id: Airflow connection of the source (templated)
    :param seconds: longest time that the drain may take
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "source_connection_id")
    operation_kind: ClassVar[str] = "general"

    def __init__(self, *, source_connection_id: str, seconds: float = 1200, **kwargs: Any) -> None:
        super().__init__(**{"outlets": [CHANGED_TABLES], **kwargs})
        self.source_connection_id = source_connection_id
        self.seconds = seconds

    def run(self, context: Context) -> dict[str, Any]:
        """Return what was applied, with the books of each table."""
        from groundwork.flow.capture.consume import consume
        from groundwork.flow.capture.declaration import declared_stream
        from groundwork.flow.capture.guard import guard
        from groundwork.operators import connections

        domain = self.contracts
        stream = declared_stream(domain, self.source_connection_id)
        source = connections.url(self.source_connection_id)
        reason = guard(stream.name, source, self.warehouse)
        if reason is not None:
            self.log.warning("the stream was given up before it was drained: %s", reason)
        done = consume(
            stream,
            source,
            self.warehouse,
            domain,
            run_id=str(context["run_id"]),
            seconds=self.seconds,
            until_caught_up=True,
        )
        self.log.info("%s", done)
        self.log.info("way: %s, because %s", done.way, done.reason)
        for warning in done.warnings:
            self.log.warning("%s", warning)
        for table in stream.tables:
            counts: dict[str, Any] = {name: count for name, count in done.books.get(table.name, {}).items() if count}
            if counts:
                asset = table_asset(table.contract.schema, table.contract.name, self.connection_id)
                context["outlet_events"][CHANGED_TABLES].add(asset, extra=counts)
        return done.to_json()


def stream_asset(domain: str, source_connection_id: str, connection_id: str = WAREHOUSE_CONNECTION) -> Asset:
    """The asset of a stream, with the watcher that fires when changes wait."""
    name = f"{domain}.{source_connection_id}"
    trigger = StreamTrigger(stream=name, source_connection_id=source_connection_id, connection_id=connection_id)
    return Asset(
        name=f"stream {name}",
        uri=f"{SCHEME}://{source_connection_id}/{domain}/@stream",
        group="groundwork",
        watchers=[AssetWatcher(name=f"watch {name}", trigger=trigger)],
    )


def stream_dag(
    domain: str, source_connection_id: str, tables: Sequence[str], *, connection_id: str = WAREHOUSE_CONNECTION
) -> DAG:
    """The Dag that drains one stream."""
    from groundwork.operators.healing import healing

    asset = stream_asset(domain, source_connection_id, connection_id)
    name = f"{domain}.{source_connection_id}"
    with DAG(
        dag_id=f"stream_{domain}_{source_connection_id}",
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable(_SWEEP, timezone="UTC"), assets=[asset]),
        catchup=False,
        max_active_runs=1,
        tags=["groundwork", "stream", domain],
        doc_md=_DOCUMENTATION.format(name=name, tables=", ".join(f"`{table}`" for table in tables)),
        default_args=healing(owner="data-platform", retries=3),
    ) as dag:
        DrainStreamOperator(
            task_id="drain",
            domain=domain,
            connection_id=connection_id,
            source_connection_id=source_connection_id,
            execution_timeout=_LONGEST_DRAIN,
            step=1,
        )
    return dag


def stream_dags(contracts: Path | None = None) -> dict[str, DAG]:
    """The Dags of all streams that contracts declare, by id; domains that declare none are not even parsed.

    A stream that is broken has no Dag: `require_streams` tells of it in a file of its own.
    """
    from groundwork.flow.capture.declaration import stream_declarations

    folder = contracts or Settings.from_environment().contracts
    found = {}
    for stream in stream_declarations(folder).streams:
        dag = stream_dag(stream.domain, stream.connection, [table.name for table in stream.tables])
        found[dag.dag_id] = dag
    return found


def require_streams(contracts: Path | None = None) -> None:
    """Return when every stream that is declared can have its Dag.

    Raises: ConfigError that tells of each that cannot. It has to be raised in a file without Dags, because Airflow
    takes all Dags away from a file with an import error.
    """
    from groundwork.flow.capture.declaration import stream_declarations

    folder = contracts or Settings.from_environment().contracts
    broken = stream_declarations(folder).broken
    if broken:
        told = "\n".join(f"{number}. {name}: {error}" for number, (name, error) in enumerate(broken.items(), 1))
        raise ConfigError(
            f"{len(broken)} declarations of streams are broken, and their Dags are not there; all others are\n{told}",
            where=str(folder),
            next_step="groundwork validate-schema, groundwork capture start DOMAIN",
        )
