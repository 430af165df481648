"""`groundwork demo`: from nothing to a proved data foundation on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

_NOT_GREEN = 1


def demo(
    *,
    domain: Annotated[str, typer.Option(help="Folder below governance/contracts.")] = "market",
    force: Annotated[bool, typer.Option("--force", help="Run the foundation even when nothing changed.")] = False,
) -> None:
    """Bring everything up, build the foundation of a domain, and tell what was done.

    Exit code 0 when every gate is open, 1 when one is closed.
    """
    from groundwork.local.demo import Demo
    from groundwork.local.layout import Layout

    layout = Layout.from_environment()
    if not Demo(layout=layout, domain=domain, write=typer.echo).run(is_forced=force):
        raise typer.Exit(_NOT_GREEN)
