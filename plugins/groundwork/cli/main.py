"""The command `groundwork`: options that all commands share, and how errors reach a person.

Data goes to stdout, everything else to stderr. Exit codes: 0 fine, 1 the answer is "no" (findings, differences,
something down), 2 the command could not do its work, 3 nothing is installed here, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from groundwork.cli.commands import LazyCommands
from groundwork.model.errors import GroundworkError

_NEEDS_NO_AIRFLOW = {
    "authority",
    "contract-diff",
    "demo",
    "derive",
    "down",
    "password",
    "policies",
    "rules",
    "status",
    "up",
    "validate-schema",
    "version",
}
CANNOT_RUN = 2
INTERRUPTED = 130

application = typer.Typer(cls=LazyCommands, add_completion=True, rich_markup_mode=None, no_args_is_help=True)


@application.callback()
def shared_options(
    context: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Groundwork: a data platform on Apache Airflow, driven by data contracts."""
    if debug:
        os.environ["GROUNDWORK_DEBUG"] = "1"
    if context.invoked_subcommand not in _NEEDS_NO_AIRFLOW:
        from groundwork.local.environment import apply_to_this_process
        from groundwork.local.layout import Layout

        apply_to_this_process(Layout.from_environment())


def main() -> None:
    """Run the command line of this process and exit with its code."""
    try:
        typer.main.get_command(application)(prog_name="groundwork")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except GroundworkError as error:
        if os.environ.get("GROUNDWORK_DEBUG"):
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(CANNOT_RUN)
    except Exception as error:
        if os.environ.get("GROUNDWORK_DEBUG") or not _is_database_away(error):
            raise
        typer.echo(f"error: the database does not answer\n  found: {error}\n  next: groundwork status", err=True)
        sys.exit(CANNOT_RUN)


def _is_database_away(error: Exception) -> bool:
    """Told by its name: no driver is imported for a command that needs none."""
    kind = type(error)
    return kind.__name__ == "OperationalError" and kind.__module__.partition(".")[0] in {"sqlalchemy", "psycopg"}


if __name__ == "__main__":
    main()
