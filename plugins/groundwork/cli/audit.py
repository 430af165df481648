"""`groundwork audit`: read the audit trail, and verify that nobody changed it.

`verify` exits with 1 when the chain is broken.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundwork.store.audit import AuditTrail

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
BROKEN = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def audit() -> None:
    """The audit trail."""


@app.command()
def verify(*, as_json: Json = False) -> None:
    """Recompute the whole chain; exit with 1 when it is broken."""
    verdict = _trail().verify()
    if as_json:
        told = {"events": verdict.events, "is_intact": verdict.is_intact}
        typer.echo(json.dumps({**told, "broken_at": verdict.broken_at, "reason": verdict.reason}, indent=2))
    elif verdict.is_intact:
        typer.echo(f"the audit trail is intact: {verdict.events} events")
    else:
        typer.echo(f"the audit trail is broken at event {verdict.broken_at}: {verdict.reason}")
    if not verdict.is_intact:
        raise typer.Exit(BROKEN)


@app.command("list")
def list_events(
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Newest events to show.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the newest events first."""
    events = _trail().latest(limit)
    if as_json:
        typer.echo(json.dumps([dict(event) for event in events], indent=2, default=str))
        return
    action = max([len("ACTION"), *(len(event["action"]) for event in events)])
    actor = max([len("ACTOR"), *(len(event["actor"]) for event in events)])
    typer.echo(f"{'EVENT':>7}  {'WHEN':<20}  {'ACTION':<{action}}  {'ACTOR':<{actor}}  SUBJECT")
    for event in events:
        when = f"{event['occurred_at']:%Y-%m-%d %H:%M:%S}Z"
        told = f"{event['action']:<{action}}  {event['actor']:<{actor}}  {event['subject']}"
        typer.echo(f"{event['sequence']:>7}  {when:<20}  {told}")


def _trail() -> AuditTrail:
    from groundwork.operators.connections import engine
    from groundwork.settings import STORE_CONNECTION
    from groundwork.store.audit import AuditTrail

    return AuditTrail(engine(STORE_CONNECTION))
