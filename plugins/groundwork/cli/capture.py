"""`groundwork capture`: follow a stream of changes, show where streams are, stop, guard and drop them.

A stream is named by its domain, and by `--connection` where a domain has several. Data goes to stdout. Exit codes: 0
fine; 1 `status` shows a stream that was given up or whose source cannot be asked, `guard` gave one up; 2 it cannot be
done.
"""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.contracts.contract import Domain
    from groundwork.flow.capture.declaration import Stream
    from groundwork.flow.capture.lag import StreamStatus

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
_FINDINGS = 1
_ROUND_SECONDS = 3600.0
DomainName = Annotated[str, typer.Argument(help="Domain whose contracts declare the stream.")]
Source = Annotated[str | None, typer.Option("--connection", help="Its source, where the domain has several.")]
Target = Annotated[str, typer.Option("--warehouse", help="Airflow connection of the warehouse.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def capture() -> None:
    """Streams of changes from PostgreSQL."""


@app.command()
def start(
    domain: DomainName,
    *,
    connection: Source = None,
    warehouse: Target = WAREHOUSE_CONNECTION,
    until_caught_up: Annotated[bool, typer.Option(help="End when all that is committed now is applied.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after this time; without, on Ctrl-C.")] = None,
    as_json: Json = False,
) -> None:
    """Apply changes as they are committed; a stream that was stopped is wanted again."""
    from groundwork.flow.capture.consume import consume
    from groundwork.operators.connections import url

    contracts, stream = _stream(domain, connection)
    target, ended = _target(warehouse), threading.Event()
    _want(target, stream, is_wanted=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    while True:
        done = consume(
            stream,
            url(stream.connection),
            target,
            contracts,
            run_id="groundwork capture start",
            seconds=_ROUND_SECONDS if seconds is None else seconds,
            until_caught_up=until_caught_up,
            is_stopped=ended.is_set,
        )
        typer.echo(json.dumps(done.to_json()) if as_json else f"{done}\nway: {done.way}, because {done.reason}")
        for warning in done.warnings:
            typer.echo(warning, err=True)
        if ended.is_set() or until_caught_up or seconds is not None or not _is_wanted(target, stream):
            return


@app.command()
def status(
    domain: Annotated[str | None, typer.Argument(help="Domain; without it, all.")] = None,
    *,
    warehouse: Target = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Show where each stream is: rows, bytes and seconds behind its source."""
    found = [_status(stream, _target(warehouse)) for stream in _streams(domain)]
    known = [each for each in found if each is not None]
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in known], indent=2))
    else:
        typer.echo(
            f"{'STREAM':<28}{'STATE':<10}{'WAY':<8}{'ROWS':>8}{'BYTES':>12}{'SECONDS':>9}{'KEPT':>12}  LAST EVENT"
        )
        for each in known:
            typer.echo(_line(each))
    if any(each.problem or each.state == "given up" for each in known):
        raise typer.Exit(_FINDINGS)


@app.command()
def stop(domain: DomainName, *, connection: Source = None, warehouse: Target = WAREHOUSE_CONNECTION) -> None:
    """Let consumers end after their transaction; the position stays, and the guard still bounds what is kept."""
    _, stream = _stream(domain, connection)
    _want(_target(warehouse), stream, is_wanted=False)
    typer.echo(f"{stream.name} is stopped; go on with: groundwork capture start {domain}")


@app.command()
def guard(domain: DomainName, *, connection: Source = None, warehouse: Target = WAREHOUSE_CONNECTION) -> None:
    """Give a stream up whose source keeps too much for it, or whose consumer was not seen for too long."""
    from groundwork.flow.capture import guard as guards
    from groundwork.operators.connections import url

    _, stream = _stream(domain, connection)
    reason = guards.guard(stream.name, url(stream.connection), _target(warehouse))
    typer.echo(f"{stream.name} was given up: {reason}" if reason else f"{stream.name} is within its bounds")
    if reason:
        raise typer.Exit(_FINDINGS)


@app.command()
def drop(domain: DomainName, *, connection: Source = None, warehouse: Target = WAREHOUSE_CONNECTION) -> None:
    """Take away slot, publication or triggers in the source, and the position; the tables stay as they are."""
    from groundwork.flow.capture import guard as guards
    from groundwork.operators.connections import url

    _, stream = _stream(domain, connection)
    was_there = guards.drop(stream.name, url(stream.connection), _target(warehouse))
    typer.echo(f"{stream.name} {'was dropped' if was_there else 'was not there'}")


def _streams(domain: str | None) -> tuple[Stream, ...]:
    from groundwork.contracts.read import read_domain
    from groundwork.flow.capture.declaration import declared_streams, stream_declarations

    contracts = Settings.from_environment().contracts
    if domain is not None:
        return declared_streams(read_domain(domain, contracts))
    found = stream_declarations(contracts)
    for name, error in found.broken.items():
        typer.echo(f"{name} is left out: {error}", err=True)
    return found.streams


def _stream(domain: str, connection: str | None) -> tuple[Domain, Stream]:
    from groundwork.contracts.read import read_domain
    from groundwork.flow.capture.declaration import declared_stream, declared_streams

    contracts = read_domain(domain, Settings.from_environment().contracts)
    if connection is not None:
        return contracts, declared_stream(contracts, connection)
    found = declared_streams(contracts)
    if len(found) != 1:
        names = ", ".join(stream.connection for stream in found)
        raise ConfigError(
            "the domain has several streams" if found else "the domain declares no stream",
            where=f"domain {domain}",
            expected="one stream, or --connection",
            found=names or "none",
            next_step="groundwork capture status",
        )
    return contracts, found[0]


def _target(warehouse: str) -> Engine:
    from groundwork.operators.connections import engine

    return engine(warehouse)


def _status(stream: Stream, target: Engine) -> StreamStatus | None:
    """The stream's state; when its source cannot be asked, what the warehouse knows, with the problem."""
    from dataclasses import replace

    from groundwork.flow.capture.lag import recorded, status
    from groundwork.operators.connections import url

    try:
        return status(stream.name, url(stream.connection), target)
    except GroundworkError as error:
        # groundwork: allow own_session reads what flow recorded, beside the tables
        with target.connect() as connection:
            known = [each for each in recorded(connection) if each.stream == stream.name]
        return replace(known[0], problem=f"{error.what}: {error.found}") if known else None


def _want(target: Engine, stream: Stream, *, is_wanted: bool) -> None:
    from groundwork.flow.capture import ledger

    # groundwork: allow own_session writes what flow records, beside the tables
    with target.begin() as connection:
        ledger.register(connection, stream.name, stream.limit_bytes, stream.silent_seconds)
        ledger.change(connection, stream.name, is_wanted=is_wanted)


def _is_wanted(target: Engine, stream: Stream) -> bool:
    from groundwork.flow.capture import ledger

    # groundwork: allow own_session reads what flow recorded, beside the tables
    with target.connect() as connection:
        row = ledger.find(connection, stream.name)
    return row is not None and bool(row["is_wanted"])


def _line(each: StreamStatus) -> str:
    def told(value: float | None, form: str = "d") -> str:
        return "-" if value is None else format(value, form)

    numbers = f"{told(each.rows_behind):>8}{told(each.bytes_behind):>12}{told(each.seconds_behind, '.1f'):>9}"
    last = each.problem or each.last_event or ""
    return f"{each.stream:<28}{each.state:<10}{each.way or '-':<8}{numbers}{told(each.kept_bytes):>12}  {last}"
