"""`groundwork breakers`: which targets are shut off because they fail, and a person's word about them.

Exit codes: 0 fine, 1 `list` found breakers that are not closed, 2 cannot be done.
"""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.settings import STORE_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from groundwork.store.breaker import Breakers

TROUBLED = 1
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Target = Annotated[str, typer.Argument(metavar="TARGET", help="`connection:<id>` or `source:<scheme>://<host>`.")]
Because = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why, for those who read it later.")]


@app.callback()
def breakers() -> None:
    """Circuit breakers of sources and targets."""


@app.command("list")
def list_breakers(
    *,
    all_: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List breakers that are not closed, with why and until when. Exit code 1 when there are any."""
    found = _breakers().all()
    troubled = [row for row in found if row["state"] != "closed"]
    shown = found if all_ else troubled
    if as_json:
        typer.echo(json.dumps(shown, indent=2, default=str))
    else:
        typer.echo("\n".join(map(told_breaker, shown)) or "every breaker is closed")
    if troubled:
        raise typer.Exit(TROUBLED)


@app.command("open")
def open_breaker(target: Target, *, because: Because, as_json: Json = False) -> None:
    """Shut a target off until somebody closes its breaker: tasks that use it wait, which costs them no try."""
    _require_target(target)
    _warn_of_unknown(target)
    actor = _actor()
    _breakers().hold(target, f"{actor}: {because}")
    _audit("breaker_opened", target, because)
    typer.echo(json.dumps({"target": target, "state": "open"}) if as_json else f"{target}: open until it is closed")


@app.command("close")
def close_breaker(target: Target, *, because: Because, as_json: Json = False) -> None:
    """Let tasks use a target again, and forget its failures."""
    from groundwork.model.errors import ConfigError

    _require_target(target)
    if not _breakers().close(target, f"{_actor()}: {because}"):
        raise ConfigError(
            "this target has no breaker", where=target, next_step="groundwork breakers list --all shows those there are"
        )
    _audit("breaker_closed", target, because)
    typer.echo(json.dumps({"target": target, "state": "closed"}) if as_json else f"{target}: closed")


def told_breaker(row: Mapping[str, Any]) -> str:
    """A breaker (a row of `breaker`) in a line: state, since when, until when, and why."""
    until = ""
    if row["is_held"]:
        until = ", until a person closes it"
    elif row["state"] == "open":
        until = f", next probe at {row['retry_at']:%Y-%m-%d %H:%M:%S}Z"
    elif row["state"] == "half_open":
        until = f", a probe is under way: {row['probe_by']}"
    since = f" since {row['opened_at']:%Y-%m-%d %H:%M:%S}Z" if row["opened_at"] else ""
    told = f"{row['target']:<40} {row['state']:<9} {row['failures']:>3} failures{since}{until}  {row['reason'] or ''}"
    return told.rstrip()


def _require_target(target: str) -> None:
    from groundwork.model.errors import ConfigError
    from groundwork.orbt.tries.breaker import require_target

    try:
        require_target(target)
    except ValueError as error:
        raise ConfigError(
            "this is no target of a breaker",
            found=target,
            expected="connection:<Airflow connection id> or source:<scheme>://<host>",
        ) from error


def _warn_of_unknown(target: str) -> None:
    """A breaker may be opened before its connection is there; more often the name is mistyped."""
    from groundwork.operators.connections import is_known
    from groundwork.orbt.tries.target_name import CONNECTION

    if target.startswith(CONNECTION) and not is_known(target.removeprefix(CONNECTION)):
        typer.echo(f"warning: Airflow has no connection `{target.removeprefix(CONNECTION)}`", err=True)


def _breakers() -> Breakers:
    from groundwork.operators.connections import engine
    from groundwork.store.breaker import Breakers

    return Breakers(engine(STORE_CONNECTION))


def _audit(action: str, target: str, because: str) -> None:
    from groundwork.operators.connections import engine
    from groundwork.store.audit import AuditTrail

    AuditTrail(engine(STORE_CONNECTION)).append(
        actor=_actor(), action=action, subject=target, details={"because": because}
    )


def _actor() -> str:
    return f"cli:{getpass.getuser()}"
