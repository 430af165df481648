"""`groundwork lineage`: ship lineage events from their file to a backend, and see how far that has come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.settings import Settings

if TYPE_CHECKING:
    from groundwork.transform.lineage_ship import Backend

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
_CONNECTION = "lineage_backend"
_WAITING = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def lineage() -> None:
    """Lineage events of every step, from their file to a backend."""


@app.command()
def ship(
    *,
    url: Annotated[str | None, typer.Option(help="Address of a backend that wants no token.")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection id of the backend.")] = _CONNECTION,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds that one request may take.")] = None,
    for_seconds: Annotated[float, typer.Option("--for", min=0.1, help="Seconds that the whole run may take.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Post the events that wait, in order and at least once; running again goes on behind the last one.

    Exit code 0 when all were shipped, 1 when some wait because the backend does not take them (now), 2 when it refuses
    us, or nothing says where it is.
    """
    from groundwork.transform.lineage_outbox import Outbox
    from groundwork.transform.lineage_ship import ship as ship_events

    outbox = Outbox.of(Settings.from_environment().home)
    shipment = ship_events(outbox, _backend(url, connection, timeout), for_seconds=for_seconds)
    typer.echo(json.dumps(shipment.to_json(), indent=2) if as_json else str(shipment))
    if shipment.problem:
        raise typer.Exit(_WAITING)


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show the file, how many events were shipped from it, and how many wait."""
    from groundwork.transform.lineage_outbox import Outbox

    outbox = Outbox.of(Settings.from_environment().home)
    position = outbox.position()
    told = {
        "file": str(outbox.path),
        "shipped": position.shipped,
        "refused": position.refused,
        "waiting": outbox.waiting(),
    }
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"{told['file']}: {told['shipped']} shipped, {told['waiting']} wait, {told['refused']} put aside")


def _backend(url: str | None, connection: str, timeout: float | None) -> Backend:
    from dataclasses import replace

    from groundwork.transform.lineage_ship import Backend

    if url is not None:
        found = Backend(url=url)
    else:
        from groundwork.operators.lineage_ship import lineage_backend

        found = lineage_backend(connection)
    return found if timeout is None else replace(found, timeout_seconds=timeout)
