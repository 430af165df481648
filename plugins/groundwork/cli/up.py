"""`groundwork up`: bring the local deployment up, or what of it is missing."""

from __future__ import annotations

import typer


def up() -> None:
    """Start PostgreSQL, Airflow and the data API on this machine; what runs already is left alone."""
    from groundwork.local.layout import Layout
    from groundwork.local.steps import Steps
    from groundwork.local.supervisor import Deployment

    ports = Deployment(layout=Layout.from_environment()).up(Steps(write=_tell))
    _tell(f"\nAirflow   {ports.airflow_url}   (user admin; groundwork password)")
    _tell(f"data API  {ports.api_url}/api/v1, with a key from `groundwork api-key issue`")


def _tell(line: str) -> None:
    typer.echo(line, err=True)
