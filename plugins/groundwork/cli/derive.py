"""`groundwork derive`: what a contract yields for other tools, and what each tool cannot be told."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError
from groundwork.settings import Settings

if TYPE_CHECKING:
    from groundwork.access.derived import Derived, Target
    from groundwork.contracts.contract import Domain, TableContract

_LOSSES = 1


def derive(
    target: Annotated[str, typer.Argument(help="ddl, sqlalchemy, json-schema, dbt, gx or api.")],
    name: Annotated[
        str | None, typer.Argument(metavar="[DOMAIN|TABLE]", help="A domain or one table; else the only domain.")
    ] = None,
    *,
    output: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when anything is lost.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the text and every loss.")] = False,
) -> None:
    """Show what contracts yield for another tool; what the tool cannot be told is listed on stderr.

    Exit code 0 when it was made, 1 with --strict when something is lost, 2 when it cannot be made.
    """
    from groundwork.access.derived import derive as make

    found = make(_target(target), *_chosen(name))
    text = json.dumps(found.to_json(), indent=2, ensure_ascii=False) + "\n" if as_json else found.text
    if output is not None:
        _write(output, text)
    else:
        typer.echo(text, nl=False)
    if not as_json:
        _tell(found)
    if strict and found.losses:
        raise typer.Exit(_LOSSES)


def _target(word: str) -> Target:
    from groundwork.access.derived import Target

    try:
        return Target(word.lower())
    except ValueError as error:
        raise ConfigError(
            "this cannot be derived",
            expected=f"one of {', '.join(Target)}",
            found=word,
            next_step=f"groundwork derive {Target.DDL}",
        ) from error


def _chosen(name: str | None) -> tuple[Domain, TableContract | None]:
    """The domain, and the table when one was asked for; raises ConfigError when that is not exactly one thing."""
    from groundwork.contracts.read import SUFFIX, read_domain

    folder = Settings.from_environment().contracts
    names = sorted({path.parent.name for path in folder.glob(f"*/*{SUFFIX}")})
    if name in names or (name is None and len(names) == 1):
        return read_domain(name or names[0], folder), None
    domains = [read_domain(each, folder) for each in names] if name is not None else []
    found = [(each, table) for each in domains for table in each.tables if name in (table.name, table.qualified_name)]
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        f"{'nothing is' if not found else 'several tables are'} called `{name}`" if name else "which domain is meant?",
        where=str(folder),
        expected=f"a domain ({', '.join(names) or 'there are none'}) or a table of one",
        found=", ".join(f"{table.qualified_name} of {each.name}" for each, table in found) or name or "nothing",
        next_step="name one of them",
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError("the file cannot be written", where=str(path), found=error.strerror) from error


def _tell(found: Derived) -> None:
    """The losses by kind, on stderr."""
    if not found.losses:
        typer.echo("nothing is lost", err=True)
        return
    kinds = Counter((loss.what, loss.why) for loss in found.losses)
    typer.echo(f"{len(found.losses):,} declared values are not in it (each one with --json):", err=True)
    for (what, why), count in sorted(kinds.items()):
        typer.echo(f"  {count:>5,}  {what}: {why}", err=True)
