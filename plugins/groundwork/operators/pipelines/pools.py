"""Pools of Airflow that pipelines need, one per connection or as the contracts name them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from groundwork.flow.pipelines.catalogue import Catalogue
from groundwork.flow.pipelines.pipeline import DEFAULT_POOL


@dataclass(frozen=True, kw_only=True)
class NeededPool:
    """A pool with the Dags that load through it; `is_there` tells whether Airflow has it."""

    name: str
    slots: int
    dags: tuple[str, ...]
    is_there: bool


DESCRIPTION = "Loads of Groundwork's pipelines"


def needed_pools(catalogue: Catalogue, there: Collection[str]) -> list[NeededPool]:
    """The pools that the pipelines name, in order of name; of two sizes the smaller counts. `there` has Airflow."""
    found: dict[str, tuple[int, list[str]]] = {}
    for pipeline in catalogue.pipelines.values():
        if pipeline.pool != DEFAULT_POOL:
            slots, dags = found.get(pipeline.pool, (pipeline.pool_slots, []))
            found[pipeline.pool] = (min(slots, pipeline.pool_slots), [*dags, pipeline.dag_id])
    return [
        NeededPool(name=name, slots=slots, dags=tuple(dags), is_there=name in there)
        for name, (slots, dags) in sorted(found.items())
    ]


def create_pools(pools: list[NeededPool]) -> int:
    """Make those that are not there and return how many; a pool that is there keeps the size somebody gave it.

    Writes Airflow's own database, so it works where `airflow` works, and not in a task.
    """
    from airflow.models.pool import Pool

    missing = [pool for pool in pools if not pool.is_there]
    for pool in missing:
        Pool.create_or_update_pool(pool.name, slots=pool.slots, description=DESCRIPTION, include_deferred=False)
    return len(missing)


def existing_pools() -> frozenset[str]:
    """The names of Airflow's pools, of its own database."""
    from airflow.models.pool import Pool

    return frozenset(str(pool.pool) for pool in Pool.get_pools())
