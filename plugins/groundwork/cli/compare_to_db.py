"""`groundwork compare-to-db`: what differs between contracts and the live database, in both directions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError
from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from groundwork.contracts.contract import Domain
    from groundwork.contracts.diff import Change, Diff

_DIFFERENCES = 1


def compare_to_db(
    target: Annotated[
        str | None, typer.Argument(metavar="[TABLE|DOMAIN]", help="A table (or schema.table), or a domain; else all.")
    ] = None,
    *,
    connection: Annotated[str, typer.Option(help="Airflow connection id of the database.")] = WAREHOUSE_CONNECTION,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare declared tables with the live database.

    Exit code 0 when they agree, 1 when they differ, 2 when they cannot be compared.
    """
    from groundwork.contracts.diff import Diff, compare_domain
    from groundwork.operators.connections import engine

    chosen = _chosen(target, _domains())
    changes: list[Change] = []
    with engine(connection).connect() as database:
        for domain, table in chosen:
            diff = compare_domain(database, domain)
            changes.extend((diff.of_table(table) if table else diff).changes)
    _print(Diff(changes=tuple(changes)), [domain.name for domain, _ in chosen], as_json=as_json)
    if changes:
        raise typer.Exit(_DIFFERENCES)


def _domains() -> list[Domain]:
    from groundwork.contracts.read import SUFFIX, read_domain

    folder = Settings.from_environment().contracts
    names = sorted({path.parent.name for path in folder.glob(f"*/*{SUFFIX}")})
    return [read_domain(name, folder) for name in names]


def _chosen(target: str | None, domains: list[Domain]) -> list[tuple[Domain, str | None]]:
    """Each domain to compare, with the qualified name of the one table that was asked for, if any."""
    if target is None:
        found: list[tuple[Domain, str | None]] = [(domain, None) for domain in domains]
    else:
        found = [(domain, None) for domain in domains if domain.name == target]
    if not found:
        found = [
            (domain, table.qualified_name)
            for domain in domains
            for table in domain.tables
            if target in (table.name, table.qualified_name)
        ]
    if not found:
        raise ConfigError(
            f"no domain and no table is called `{target}`",
            expected=f"a domain ({', '.join(domain.name for domain in domains) or 'there are none'}) or its table",
            found=target,
            next_step="groundwork compare-to-db",
        )
    return found


def _print(diff: Diff, domains: list[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"domains": domains, **diff.to_json()}, indent=2))
    else:
        typer.echo(diff.to_text())
