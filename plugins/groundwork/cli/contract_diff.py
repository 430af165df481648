"""`groundwork contract-diff`: what a contract change breaks, for whom, and whether the version announces it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError

if TYPE_CHECKING:
    from groundwork.contracts.contract import Domain
    from groundwork.contracts.evolution import Evolution

_REFUSED = 1


def contract_diff(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="OLD NEW | [DOMAIN]...",
            help="Two sides, each a contract, folder, domain, REV or REV:path; with --against the domains to check.",
        ),
    ] = None,
    *,
    against: Annotated[
        str | None,
        typer.Option(metavar="BRANCH", help="Compare the working tree with where it left this branch (for CI)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for the comment on a pull request.")
    ] = False,
) -> None:
    """Tell every change between two versions of contracts: breaking or not, for whom, why, and the version step due.

    Exit code 0 when each contract's version announces what changed, 1 when a version says too little (an unannounced
    breaking change, for one), 2 when the sides cannot be read or compared.
    """
    from groundwork.contracts.evolution.report import summary, to_markdown, to_text

    evolutions = _against(against, targets or []) if against is not None else _sides(targets or [])
    is_announced = all(evolution.is_announced for evolution in evolutions)
    if as_json:
        found = {"is_announced": is_announced, "domains": [evolution.to_json() for evolution in evolutions]}
        typer.echo(json.dumps(found, indent=2, default=str))
    elif markdown:
        typer.echo(to_markdown(evolutions), nl=False)
    else:
        typer.echo(to_text(evolutions))
    if as_json or markdown:
        typer.echo(summary(evolutions), err=True)
    if not is_announced:
        raise typer.Exit(_REFUSED)


def _sides(targets: list[str]) -> list[Evolution]:
    from groundwork.contracts.evolution.sides import SideReader, matched
    from groundwork.settings import Settings

    if len(targets) != 2:
        raise ConfigError(
            "two sides are needed to compare",
            expected="OLD and NEW, each a contract, a folder, a domain, REV or REV:path",
            found=" ".join(targets) or "none",
            next_step="groundwork contract-diff main: governance/contracts, or --against main",
        )
    reader = SideReader(settings=Settings.from_environment())
    old, new = (reader.read(target) for target in targets)
    return [_evolution(before, after) for before, after in matched(old, new)]


def _against(branch: str, domains: list[str]) -> list[Evolution]:
    from groundwork.contracts.evolution.sides import SideReader
    from groundwork.settings import Settings

    reader = SideReader(settings=Settings.from_environment())
    _, old = reader.merge_base(branch)
    new = reader.working_tree()
    known = dict.fromkeys([*old, *new])
    for name in domains:
        if name not in known:
            raise ConfigError(
                f"the domain `{name}` is on neither side",
                expected=f"one of {', '.join(known) or 'none'}",
                found=name,
                next_step="groundwork contract-diff --against " + branch,
            )
    chosen = domains or list(known)
    empty = {name: _empty(name) for name in chosen}
    return [_evolution(old.get(name, empty[name]), new.get(name, empty[name])) for name in chosen]


def _empty(name: str) -> Domain:
    from groundwork.contracts.contract import Domain

    return Domain(name=name)


def _evolution(old: Domain, new: Domain) -> Evolution:
    from groundwork.contracts.evolution import compare_contracts
    from groundwork.contracts.evolution.naming import with_consumers
    from groundwork.settings import Settings

    return with_consumers(compare_contracts(old, new), old, project=Settings.from_environment().project)
