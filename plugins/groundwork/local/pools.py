"""The pools that the contracts' pipelines load through, made in the running Airflow where they are missing."""

from __future__ import annotations

from groundwork.flow.pipelines.catalogue import read_catalogue
from groundwork.local.airflow_api import AirflowApi
from groundwork.local.environment import password
from groundwork.local.layout import Layout
from groundwork.local.ports import Ports
from groundwork.operators.pipelines.pools import DESCRIPTION, needed_pools
from groundwork.settings import Settings


def make_pools(layout: Layout, ports: Ports) -> tuple[str, ...]:
    """Make the pools that are missing and return their names; idempotent, a pool keeps the size somebody gave it.

    Airflow is only asked when a pipeline needs a pool at all.
    Raises: RetriableError when Airflow does not answer; FatalError when it refuses.
    """
    settings = Settings(project=layout.project, home=layout.home)
    catalogue = read_catalogue(settings.contracts, settings.home)
    if not needed_pools(catalogue, ()):
        return ()
    with AirflowApi(ports.airflow_url, "admin", password(layout, "admin")) as airflow:
        missing = [pool for pool in needed_pools(catalogue, airflow.pools()) if not pool.is_there]
        for pool in missing:
            airflow.make_pool(pool.name, pool.slots, DESCRIPTION)
    return tuple(pool.name for pool in missing)
