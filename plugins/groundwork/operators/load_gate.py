"""The checkpoint before a load as tasks and commands hand it to loads: with its database connections looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION

if TYPE_CHECKING:
    from groundwork.contracts.contract import Domain, TableContract
    from groundwork.quality.before_load import BeforeLoadGate
    from groundwork.settings import Settings


def load_gate(
    settings: Settings,
    domain: Domain,
    table: TableContract,
    connection_id: str = WAREHOUSE_CONNECTION,
    store_connection_id: str = STORE_CONNECTION,
) -> BeforeLoadGate | None:
    """What judges the waiting rows of a load of `table`; null when no suite asks for that, and nothing is looked up.

    Raises: ConfigError when a suite of stage `before_load` for the table is not right.
    """
    if not settings.expectations.is_dir():
        return None
    from groundwork.quality.suites import suites_before_load

    checks = suites_before_load(settings.expectations, domain, table)
    if not checks:
        return None
    from groundwork.operators.connections import engine
    from groundwork.quality.before_load import BeforeLoadGate

    return BeforeLoadGate(
        warehouse=engine(connection_id), store=engine(store_connection_id), domain=domain.name, checks=checks
    )
