"""`groundwork pools`: the pools of Airflow that pipelines load through, and making those that are missing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from groundwork.settings import Settings

_MISSING = 1


def pools(
    *,
    create: Annotated[bool, typer.Option("--create", help="Make those that are missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the pools that the contracts' pipelines name, one per connection unless they name another.

    Exit code 0 when all are there (now), 1 when some are missing, 2 when it cannot be told.
    """
    from groundwork.flow.pipelines.catalogue import read_catalogue
    from groundwork.operators.pipelines.pools import create_pools, existing_pools, needed_pools

    settings = Settings.from_environment()
    catalogue = read_catalogue(settings.contracts, settings.home)
    found = needed_pools(catalogue, existing_pools())
    made = create_pools(found) if create else 0
    if as_json:
        typer.echo(json.dumps([asdict(pool) for pool in found], indent=2))
    else:
        for pool in found:
            state = "there" if pool.is_there else "made" if create else "missing"
            typer.echo(f"{pool.name}  {pool.slots} slots  {state}  {', '.join(pool.dags)}")
        if not found:
            typer.echo("no pipeline needs a pool of its own")
    if len([pool for pool in found if not pool.is_there]) > made:
        raise typer.Exit(_MISSING)
