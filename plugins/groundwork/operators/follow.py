"""Contracts that follow their sources before a load, as tasks and commands ask for it: with connections looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from groundwork.contracts.contract import Domain, TableContract
    from groundwork.flow.window import Window
    from groundwork.foundation.evolution.change import Followed
    from groundwork.operators.operator import GroundworkOperator
    from groundwork.settings import Settings


def let_follow(  # noqa: PLR0913  what follows, who asks, and where; half of it has a default
    settings: Settings,
    domain: Domain,
    table: TableContract,
    *,
    run_id: str,
    actor: str,
    window: Window | None = None,
    project: Path | None = None,
    connection_id: str = WAREHOUSE_CONNECTION,
    store_connection_id: str = STORE_CONNECTION,
) -> tuple[Followed, ...]:
    """Let the table's contract follow its source; nothing is looked up for another policy than `evolve`.

    `project` is the folder below which the source's files lie. Raises: as `follow_source`.
    """
    from groundwork.flow.source import schema_policy
    from groundwork.flow.sources.filling import SchemaPolicy

    if table.source is None or schema_policy(table) is not SchemaPolicy.EVOLVE:
        return ()
    from groundwork.foundation.evolution.follow import follow_source
    from groundwork.foundation.evolution.means import Means, Subject
    from groundwork.operators.connections import engine
    from groundwork.operators.resources import airflow_resources

    means = Means(
        warehouse=engine(connection_id),
        store=engine(store_connection_id),
        settings=settings,
        resources=airflow_resources(project or settings.project),
        target=connection_id,
        run_id=run_id,
        actor=actor,
    )
    return follow_source(means, Subject(domain=domain, table=table, window=window))


def followed(
    operator: GroundworkOperator,
    context: Context,
    domain: Domain,
    table: TableContract,
    window: Window | None = None,
) -> tuple[Domain, TableContract]:
    """The domain and the table, read again when the contract followed its source; raises as `follow_source`."""
    done = let_follow(
        operator.settings,
        domain,
        table,
        run_id=str(context["run_id"]),
        actor=operator.actor(context) if "ti" in context else "groundwork",
        window=window,
        connection_id=operator.connection_id,
        store_connection_id=operator.store_connection_id,
    )
    for each in done:
        operator.log.warning("%s", each)
    if not done:
        return domain, table
    operator.__dict__.pop("contracts", None)  # where an operator keeps what it has read
    return operator.contracts, operator.contracts.table(table.qualified_name)
