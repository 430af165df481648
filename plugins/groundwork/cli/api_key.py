"""`groundwork api-key`: issue, list, rotate and revoke keys of the data API.

The token goes to stdout, once; it is kept nowhere and cannot be shown again.
"""

from __future__ import annotations

import getpass
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundwork.store.api_key import ApiKey, ApiKeys, IssuedKey

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
_DAYS = 90  # validity of a key when nothing is said
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Days = Annotated[int, typer.Option(min=1, max=366, help="Days until the new key expires.")]
KeyId = Annotated[str, typer.Argument(help="The key's id, as `list` shows it.")]


@app.callback()
def keys() -> None:
    """Keys of the data API."""


@app.command()
def issue(
    role: Annotated[str, typer.Argument(help="Contract role that requests with this key act as.")],
    *,
    name: Annotated[str, typer.Option(help="What or whom the key is for.")],
    domain: Annotated[str, typer.Option(help="Domain whose contracts declare the role.")] = "market",
    days: Days = _DAYS,
    as_json: Json = False,
) -> None:
    """Make a key; its token is printed once."""
    from groundwork.access.repository import role_of
    from groundwork.contracts.read import read_domain
    from groundwork.settings import Settings

    role_of(read_domain(domain, Settings.from_environment().contracts), role)
    _print_issued(_keys().issue(name=name, role=role, by=_actor(), lifetime=timedelta(days=days)), as_json=as_json)


@app.command("list")
def list_keys(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also revoked and expired keys.")] = False,
    as_json: Json = False,
) -> None:
    """Show keys; never their secrets."""
    found = _keys().list(with_ended=everything)
    if as_json:
        typer.echo(json.dumps([key.to_json() for key in found], indent=2))
        return
    typer.echo(f"{'KEY ID':<14}{'ROLE':<24}{'EXPIRES':<22}{'LAST USED':<22}{'STATE':<10}NAME")
    for key in found:
        typer.echo(_line(key))


@app.command()
def revoke(key_id: KeyId, *, as_json: Json = False) -> None:
    """End a key now."""
    key = _keys().revoke(key_id, by=_actor())
    typer.echo(json.dumps(key.to_json(), indent=2) if as_json else _line(key))


@app.command()
def rotate(
    key_id: KeyId,
    *,
    days: Days = _DAYS,
    overlap_hours: Annotated[float, typer.Option(min=0, help="How long the old key stays valid.")] = 0,
    as_json: Json = False,
) -> None:
    """Replace a key by a new one of the same name and role; its token is printed once."""
    lifetime, overlap = timedelta(days=days), timedelta(hours=overlap_hours)
    _print_issued(_keys().rotate(key_id, by=_actor(), lifetime=lifetime, overlap=overlap), as_json=as_json)


def _keys() -> ApiKeys:
    from groundwork.operators.connections import engine
    from groundwork.settings import STORE_CONNECTION
    from groundwork.store.api_key import ApiKeys

    return ApiKeys(engine(STORE_CONNECTION))


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _print_issued(issued: IssuedKey, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**issued.key.to_json(), "token": issued.token}, indent=2))
        return
    typer.echo(issued.token)
    until = f"{issued.key.expires_at:%Y-%m-%d %H:%M} UTC"
    typer.echo(f"key {issued.key.key_id}, role {issued.key.role}, until {until}; the token is not kept", err=True)


def _line(key: ApiKey) -> str:
    from groundwork.store.base import utc_now

    used = f"{key.last_used_at:%Y-%m-%d %H:%M}Z" if key.last_used_at else "never"
    state = "revoked" if key.revoked_at else "expired" if key.expires_at <= utc_now() else "valid"
    expires = f"{key.expires_at:%Y-%m-%d %H:%M}Z"
    return f"{key.key_id:<14}{key.role:<24}{expires:<22}{used:<22}{state:<10}{key.name}"
