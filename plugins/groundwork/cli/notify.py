"""`groundwork notify`: try a channel, and see what was told to whom.

Exit code 0 when it was sent or shown, 1 when `list --failing` finds something, 2 when it cannot be done.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from groundwork.settings import STORE_CONNECTION, Settings

_FOUND = 1
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def notify() -> None:
    """What people are told."""


@app.command("test")
def try_one(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Name of a channel in the policy.")],
    *,
    as_json: Json = False,
) -> None:
    """Send a test message to one channel, and tell what came back."""
    from groundwork.operators.incidents.notify import try_channel
    from groundwork.orbt.incidents.notifications import read_notification_policy

    answer = try_channel(channel, read_notification_policy(Settings.from_environment().policies))
    typer.echo(json.dumps({"channel": channel, "answer": answer}) if as_json else f"{channel}: {answer}")


@app.command("list")
def list_deliveries(
    *,
    failing: Annotated[bool, typer.Option("--failing", help="Only what did not reach anybody.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest messages to show.")] = 50,
    as_json: Json = False,
) -> None:
    """List what was told to whom, newest first. With --failing, exit code 1 when something failed."""
    from groundwork.operators.connections import engine
    from groundwork.store.notification import Notifications

    rows = Notifications(engine(STORE_CONNECTION)).latest(limit, only_failing=failing)
    names = ("created_at", "channel", "event", "level", "subject", "state", "tries", "answer", "sent_at")
    if as_json:
        typer.echo(json.dumps([{name: row[name] for name in names} for row in rows], indent=2, default=str))
    for row in () if as_json else rows:
        typer.echo(
            f"{row['created_at']:%Y-%m-%d %H:%M}Z  {row['channel']:<12} {row['event']:<12} {row['state']:<9} "
            f"{row['subject']}  {row['answer'] or ''}".rstrip()
        )
    if failing and rows:
        raise typer.Exit(_FOUND)
