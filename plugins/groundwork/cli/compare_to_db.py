"""`groundwork compare-to-db`: what differs between contracts and the live database, in both directions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError
from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from groundwork.contracts.contract import Domain
    from groundwork.contracts.diff import Diff

_DIFFERENCES = 1


def compare_to_db(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE|DOMAIN]...", help="Tables (or schema.table) and domains; without any, all."),
    ] = None,
    *,
    connection: Annotated[str, typer.Option(help="Airflow connection id of the database.")] = WAREHOUSE_CONNECTION,
    grants: Annotated[bool, typer.Option("--grants/--no-grants", help="Compare the roles' grants too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare declared tables with the live database.

    Exit code 0 when they agree, 1 when they differ, 2 when they cannot be compared.
    """
    from groundwork.contracts.diff import Diff
    from groundwork.operators.connections import engine

    chosen = _chosen(targets or [], _domains())
    if grants and not Settings.from_environment().policies.is_dir():
        typer.echo("grants are not compared: the project has no policies", err=True)
        grants = False
    # groundwork: allow own_session reads the catalog of the live database, which no repository serves
    with engine(connection).connect() as database:
        found = [_compared(database, domain, tables, with_grants=grants) for domain, tables in chosen]
    diff = Diff().joined(*found)
    _print(diff, [domain.name for domain, _ in chosen], as_json=as_json)
    if not diff.is_empty:
        raise typer.Exit(_DIFFERENCES)


def _compared(database: Connection, domain: Domain, tables: tuple[str, ...], *, with_grants: bool) -> Diff:
    """The differences of the domain, or of these tables of it when any are named."""
    from groundwork.contracts.diff import Diff, compare_domain
    from groundwork.governance.grant_comparison import compare_grants, grants_of_table

    whole = compare_domain(database, domain)
    given = compare_grants(database, domain, Settings.from_environment().policies) if with_grants else Diff()
    if not tables:
        return whole.joined(given)
    parts = []
    for name in tables:
        columns = domain.table(name).columns
        used = {column.enum_type.qualified_name for column in columns if column.enum_type}
        parts += [whole.of_table(name, enum_types=used), grants_of_table(given, domain, name)]
    return Diff().joined(*parts)


def _domains() -> list[Domain]:
    from groundwork.contracts.read import SUFFIX, read_domain

    folder = Settings.from_environment().contracts
    names = sorted({path.parent.name for path in folder.glob(f"*/*{SUFFIX}")})
    return [read_domain(name, folder) for name in names]


def _chosen(targets: list[str], domains: list[Domain]) -> list[tuple[Domain, tuple[str, ...]]]:
    """Each domain to compare, with the qualified names of the tables that were asked for; none means all of it."""
    if not targets:
        return [(domain, ()) for domain in domains]
    whole: list[str] = []
    tables: dict[str, list[str]] = {}
    for target in targets:
        if any(domain.name == target for domain in domains):
            whole.append(target)
            continue
        for domain, table in _tables(target, domains):
            tables.setdefault(domain, []).append(table)
    return [
        (domain, () if domain.name in whole else tuple(dict.fromkeys(tables[domain.name])))
        for domain in domains
        if domain.name in whole or domain.name in tables
    ]


def _tables(target: str, domains: list[Domain]) -> list[tuple[str, str]]:
    """Domain and qualified name of each table called `target`."""
    found = [
        (domain.name, table.qualified_name)
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
