"""`groundwork password`: the password of one of the local Airflow's users."""

from __future__ import annotations

from typing import Annotated

import typer


def password(user: Annotated[str, typer.Argument(help="admin, user or viewer")] = "admin") -> None:
    """Print the password of one of the local Airflow's users."""
    from groundwork.local import environment
    from groundwork.local.layout import Layout

    typer.echo(environment.password(Layout.from_environment(), user))
