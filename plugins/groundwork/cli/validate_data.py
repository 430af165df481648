"""`groundwork validate-data`: rows against their contract, every error at once; saved when all fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from groundwork.access.check import CheckOptions
    from groundwork.access.check_report import CheckReport, RowError, SaveReport
    from groundwork.access.check_source import Rows
    from groundwork.contracts.contract import Domain, TableContract

_Word = TypeVar("_Word", bound=StrEnum)
_ERRORS = 1
_STDIN = "-"
_SHOWN = 20


def validate_data(  # noqa: PLR0913  one parameter per option
    table: Annotated[str, typer.Argument(help="A table of the contracts, with or without its schema.")],
    source: Annotated[str, typer.Argument(metavar="FILE|JSON|-", help="A file, JSON text, or - for stdin.")],
    *,
    domain: Annotated[str | None, typer.Option(help="Domain of the table, where two have one of this name.")] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="csv, json, jsonl or parquet; else told by the suffix."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the database out, and say so.")] = False,
    save: Annotated[bool, typer.Option("--save", help="Save all rows when nothing is wrong.")] = False,
    mode: Annotated[str, typer.Option(help="insert, or upsert: change rows whose primary key is there.")] = "insert",
    max_errors: Annotated[int, typer.Option(min=0, help="Errors to show; all are counted.")] = _SHOWN,
    errors: Annotated[Path | None, typer.Option(help="File for every error, one JSON object per line.")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection id of the database.")] = WAREHOUSE_CONNECTION,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check rows against their contract: types, rules, keys, references and conditions, with a fix for each error.

    Reads CSV and JSON (also .gz and .zst) and Parquet of any size. Nothing is written but by --save, which writes all
    rows or none.

    Exit code 0 when every row fits (and is saved), 1 when something is wrong, 2 when it cannot be checked.
    """
    if save and offline:
        raise ConfigError("rows cannot be saved without the database", found="--save --offline", next_step="drop one")
    chosen = _chosen(table, domain)
    with ExitStack() as stack:
        options = _options(stack, file_format, max_errors, errors)
        rows = _rows(source)
        if save:
            saved = _saved(chosen, rows, mode, options, connection)
            _print(saved, as_json=as_json)
            is_fine = saved.is_saved
        else:
            report = _checked(chosen, rows, options, None if offline else connection)
            _print(report, as_json=as_json)
            is_fine = report.is_good
    if not is_fine:
        raise typer.Exit(_ERRORS)


def _checked(
    chosen: tuple[Domain, TableContract], rows: Rows, options: CheckOptions, connection: str | None
) -> CheckReport:
    from groundwork.access.check import check_rows

    if connection is None:
        return check_rows(None, *chosen, rows, options)
    from sqlalchemy.exc import OperationalError

    from groundwork.operators.connections import engine

    try:
        # groundwork: allow own_session asks the live database for what the check needs to know
        with engine(connection).connect() as database:
            return check_rows(database, *chosen, rows, options)
    except OperationalError as error:
        raise RetriableError(
            "the database does not answer",
            found=str(error.orig),
            next_step="groundwork status, or use --offline",
        ) from error


def _saved(
    chosen: tuple[Domain, TableContract], rows: Rows, mode: str, options: CheckOptions, connection: str
) -> SaveReport:
    import getpass

    from groundwork.access.check_report import SaveMode
    from groundwork.access.save import save_rows
    from groundwork.operators.connections import engine
    from groundwork.settings import STORE_CONNECTION
    from groundwork.store.audit import AuditTrail

    return save_rows(
        engine(connection),
        *chosen,
        rows,
        actor=f"cli:{getpass.getuser()}",
        trail=AuditTrail(engine(STORE_CONNECTION)),
        mode=_word(SaveMode, mode, "--mode"),
        options=options,
    )


def _options(stack: ExitStack, file_format: str | None, max_errors: int, errors: Path | None) -> CheckOptions:
    from groundwork.access.check import CheckOptions
    from groundwork.access.check_source import FileFormat

    return CheckOptions(
        file_format=_word(FileFormat, file_format, "--format") if file_format else None,
        max_errors=max_errors,
        on_error=stack.enter_context(_listener(errors)) if errors else None,
        on_progress=stack.enter_context(_progress()) if sys.stderr.isatty() else None,
    )


def _word(kind: type[_Word], word: str, option: str) -> _Word:
    try:
        return kind(word.lower())
    except ValueError as error:
        raise ConfigError(f"{option} does not know this word", expected=", ".join(kind), found=word) from error


def _chosen(name: str, domain: str | None) -> tuple[Domain, TableContract]:
    """The table of this name and its domain; raises ConfigError when there is none, or more than one."""
    from groundwork.contracts.read import SUFFIX, read_domain

    folder = Settings.from_environment().contracts
    names = [domain] if domain else sorted({path.parent.name for path in folder.glob(f"*/*{SUFFIX}")})
    domains = [read_domain(each, folder) for each in names]
    found = [(each, table) for each in domains for table in each.tables if name in (table.name, table.qualified_name)]
    if len(found) == 1:
        return found[0]
    tables = ", ".join(table.qualified_name for each in domains for table in each.tables)
    raise ConfigError(
        f"{'no table is' if not found else 'several tables are'} called `{name}`",
        where=str(folder),
        expected=f"one of {tables or 'none: there are no contracts'}",
        found=", ".join(f"{table.qualified_name} of {each.name}" for each, table in found) or name,
        next_step="name the table with its schema, or the domain by --domain",
    )


def _rows(source: str) -> Rows:
    from groundwork.access.check_source import Stream

    if source == _STDIN:
        return Stream(file=sys.stdin.buffer)
    text = source.lstrip()
    if text.startswith(("{", "[")) and not Path(source[:250]).exists():
        import io

        return Stream(file=io.BytesIO(source.encode("utf-8", "surrogateescape")), description="the command line")
    path = Path(source)
    if not path.exists():
        raise ConfigError(
            "there is no such file",
            where=source,
            expected="a file, a JSON object or list, or - for the standard input",
            next_step="correct the path",
        )
    return path


@contextmanager
def _listener(path: Path) -> Iterator[Callable[[RowError], None]]:
    """Writes every error into a file of JSON lines."""
    try:
        sink = path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError("the file for errors cannot be written", where=str(path), found=error.strerror) from error
    with sink:
        yield lambda error: typer.echo(json.dumps(error.to_json(), default=str), file=sink)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A line on stderr that shows rows, bytes and rows per second, some times a second."""
    import time

    started = time.monotonic()
    shown_at = [0.0]

    def show(rows: int, size: int) -> None:
        now = time.monotonic()
        if now - shown_at[0] > 0.2:
            shown_at[0] = now
            speed = rows / max(now - started, 0.001)
            typer.echo(f"\r{rows:>12,} rows  {size / 1e6:>9,.0f} MB  {speed:>9,.0f} rows/s", err=True, nl=False)

    yield show
    if shown_at[0]:
        typer.echo("\r" + " " * 60 + "\r", err=True, nl=False)


def _print(report: CheckReport | SaveReport, *, as_json: bool) -> None:
    typer.echo(json.dumps(report.to_json(), indent=2, default=str) if as_json else report.to_text())
