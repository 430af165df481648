"""`groundwork version`: which code this is."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def version(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the versions of Groundwork and of what it stands on."""
    from groundwork.local.versions import versions

    found = versions()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name, number in found.items():
        typer.echo(f"{name:<20} {number or 'not installed'}")
