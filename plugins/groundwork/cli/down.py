"""`groundwork down`: end the local deployment's processes, and on request delete its state."""

from __future__ import annotations

from typing import Annotated

import typer


def down(
    *,
    erase: Annotated[bool, typer.Option("--erase", help="Delete databases, passwords and logs too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
) -> None:
    """Stop what `groundwork up` started; databases and logs stay unless --erase is given."""
    from groundwork.local.layout import Layout
    from groundwork.local.steps import Steps
    from groundwork.local.supervisor import Deployment

    deployment = Deployment(layout=Layout.from_environment())
    steps = Steps(write=lambda line: typer.echo(line, err=True))
    if not erase:
        deployment.down(steps)
        return
    if not yes:
        typer.confirm(f"Delete everything in {deployment.layout.home}?", abort=True, err=True)
    deployment.erase(steps)
