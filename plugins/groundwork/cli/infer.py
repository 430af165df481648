"""`groundwork infer`: a proposed contract from a database, files or SQL, printed or put into a domain."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.model.errors import ConfigError
from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from groundwork.infer.into import IntoPlan
    from groundwork.infer.profile import Guess, Proposal

_LEFT_OUT = 1
_STDOUT = "-"
_SHOWN = 25  # guesses that are listed; all are in the contract and in --json
_LONGEST = 160  # characters of one guess in the list


def infer(  # noqa: PLR0913  one parameter per option
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="A schema or schema.table, connection:schema[.table], files or patterns (CSV, JSON, Parquet), or SQL.",
        ),
    ],
    *,
    domain: Annotated[str | None, typer.Option(help="Domain of the contract; else that of --into or SOURCE.")] = None,
    table: Annotated[str | None, typer.Option(help="Files: the table's name.")] = None,
    into: Annotated[str | None, typer.Option(help="Domain to write the contract into, new or not.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the contract, and of its file with --into.")] = None,
    split: Annotated[bool, typer.Option("--split", help="With --into: a contract per table.")] = False,
    with_errors: Annotated[
        bool, typer.Option("--with-errors", help="With --into: write although validate-schema finds errors then.")
    ] = False,
    output: Annotated[str | None, typer.Option(help="File to write, which may not exist; - prints.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    unmarked: Annotated[bool, typer.Option("--unmarked", help="Leave the marks of guesses out.")] = False,
    dialect: Annotated[str | None, typer.Option(help="SQL: postgres, mysql, sqlite, tsql or oracle.")] = None,
    no_profile: Annotated[bool, typer.Option("--no-profile", help="Databases: do not look at rows.")] = False,
    accept_relationships: Annotated[
        bool, typer.Option("--accept-relationships", help="Databases: declare references that only the rows show.")
    ] = False,
    limit_rows: Annotated[int | None, typer.Option(min=1, help="Files: rows to read per table.")] = None,
    connection: Annotated[
        str, typer.Option(help="Airflow connection id of the database; SQL is tried there and undone.")
    ] = WAREHOUSE_CONNECTION,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: document, guesses, left_out, written.")] = False,
) -> None:
    """Propose a contract: types, keys, references, classification and quality rules, each guess marked as one.

    Prints the contract, or writes it by --output FILE or --into DOMAIN; nothing that exists is overwritten. The guesses
    and what a contract cannot say are listed on stderr.

    Exit code 0 when the contract says all, 1 when something was left out, 2 when nothing can be proposed or written.
    """
    from groundwork.infer import from_sources as engine
    from groundwork.infer.document import contract_data, to_yaml
    from groundwork.infer.into import plan_into, require_name
    from groundwork.infer.into_split import named
    from groundwork.infer.sources import parse_sources, suggested_domain

    _require_sense(into=into, domain=domain, output=output, split=split, dry_run=dry_run)
    source = parse_sources(sources)
    options = engine.InferOptions(
        table=table,
        limit_rows=limit_rows,
        dialect=dialect.lower() if dialect else None,
        profile=not no_profile,
        accept_relationships=accept_relationships,
    )
    settings = Settings.from_environment()
    # Airflow writes the logs of libraries to what is the standard output when it is imported.
    with _progress(", ".join(sources)), redirect_stdout(sys.stderr):
        found = engine.infer(
            source,
            domain=into or domain or suggested_domain(source),
            project=settings.project,
            connect=lambda other: _connected(other or connection),
            options=options,
        )
    if name is not None and not into:
        found = named(found, require_name(name, "contract"))
    text, written = "", []
    if into:
        plan = plan_into(
            found, settings.contracts, name=name, split=split, is_marked=not unmarked, may_have_errors=with_errors
        )
        written = _write_plan(plan, is_dry_run=dry_run, is_shown=not as_json)
    else:
        text = to_yaml(found, is_marked=not unmarked)
        written = _write_file(output, text, is_dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(_told(found, contract_data(found, is_marked=not unmarked), written), indent=2))
    elif text and (dry_run or output in (None, _STDOUT)):
        typer.echo(text, nl=False)
    _tell(found, written, is_dry_run=dry_run)
    if found.left_out:
        raise typer.Exit(_LEFT_OUT)


def _require_sense(*, into: str | None, domain: str | None, output: str | None, split: bool, dry_run: bool) -> None:
    """Refuse options that contradict one another."""
    wrong = None
    if into is not None and output is not None:
        wrong = ("the contract goes to one place", "--into or --output", "--into and --output")
    elif into is not None and domain not in (None, into):
        wrong = ("the contract is of one domain", f"--domain {into}, or none", f"--domain {domain} --into {into}")
    elif split and into is None:
        wrong = ("a contract per table needs a domain to write into", "--split with --into DOMAIN", "--split alone")
    elif dry_run and into is None and output in (None, _STDOUT):
        wrong = ("nothing would be written", "--dry-run with --into or --output FILE", "--dry-run alone")
    if output not in (None, _STDOUT) and Path(str(output)).exists():
        wrong = ("there is a file of this name, and nothing is ever overwritten", "a name that is free", str(output))
    if wrong is not None:
        what, expected, found = wrong
        raise ConfigError(what, expected=expected, found=found, next_step="groundwork infer --help")


@contextmanager
def _connected(connection_id: str) -> Iterator[Connection]:
    from groundwork.operators.connections import engine

    logging.getLogger("presidio-analyzer").setLevel(logging.WARNING)  # it tells of every recogniser that it loads
    # groundwork: allow own_session describes tables from the catalog of the live database, which no repository serves
    with engine(connection_id).connect() as connection:
        yield connection


def _write_plan(plan: IntoPlan, *, is_dry_run: bool, is_shown: bool) -> list[str]:
    """The files that were written; a dry run prints each with its name as a comment instead."""
    from groundwork.infer.into import write_into

    for finding in plan.findings:
        typer.echo(str(finding), err=True)
    if not is_dry_run:
        return [str(path) for path in write_into(plan)]
    for place, file in enumerate(plan.files):
        if is_shown:
            typer.echo(f"{'---' + chr(10) if place else ''}# {file.path}\n{file.text}", nl=False)
        typer.echo(f"would write {file.path}", err=True)
    return []


def _write_file(output: str | None, text: str, *, is_dry_run: bool) -> list[str]:
    from groundwork.infer.into import write_new

    if output in (None, _STDOUT):
        return []
    path = Path(str(output))
    if is_dry_run:
        typer.echo(f"would write {path}", err=True)
        return []
    write_new(path, text)
    return [str(path)]


def _told(found: Proposal, document: dict[str, Any], written: list[str]) -> dict[str, Any]:
    return {
        "document": document,
        "guesses": [
            {"pointer": each.pointer, "what": each.what, "evidence": each.evidence, "confidence": each.confidence}
            for each in found.guesses
        ],
        "left_out": list(found.left_out),
        "written": written,
    }


def _tell(found: Proposal, written: list[str], *, is_dry_run: bool) -> None:
    """The guesses that need a look most, what was left out, and what was written, on stderr."""
    guesses = sorted(found.guesses, key=lambda each: (each.confidence, each.pointer))
    typer.echo(f"{len(guesses):,} guesses{', the least sure first' if guesses else ''}:", err=True)
    for guess in guesses[:_SHOWN]:
        typer.echo(f"  {_line(found, guess)}", err=True)
    if len(guesses) > _SHOWN:
        typer.echo(f"  … and {len(guesses) - _SHOWN:,} surer ones; --json lists all", err=True)
    if found.left_out:
        typer.echo(f"{len(found.left_out):,} left out, because a contract cannot say it:", err=True)
    for line in found.left_out:
        typer.echo(f"  {line}", err=True)
    for path in written:
        typer.echo(f"wrote {path}", err=True)
    if written and not is_dry_run:
        typer.echo("next: look at the guesses, then groundwork validate-schema", err=True)


def _line(found: Proposal, guess: Guess) -> str:
    from groundwork.infer.document_marks import place_words

    place, _, last = place_words(found.document, guess.pointer).rpartition(" ")
    said = place.removesuffix(" logicalTypeOptions") if guess.what.split(" ")[0] == last else f"{place} {last}".strip()
    line = f"{guess.confidence:.2f}  {said or last}: {guess.what} ({guess.evidence})"
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 2]}…)"


@contextmanager
def _progress(what: str) -> Iterator[None]:
    """What is read, on stderr, with the seconds so far when a person watches."""
    import threading
    import time

    if not sys.stderr.isatty():
        typer.echo(f"reading {what}", err=True)
        yield
        return
    is_done = threading.Event()
    started = time.monotonic()

    def show() -> None:
        while not is_done.wait(0.5):
            typer.echo(f"\rreading {what[:80]}  {time.monotonic() - started:,.0f} s ", err=True, nl=False)

    ticker = threading.Thread(target=show, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        is_done.set()
        ticker.join()
        typer.echo(f"\r{' ' * 110}\r", err=True, nl=False)
