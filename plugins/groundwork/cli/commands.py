"""The table of commands, and a Typer group that imports a command's module only when that command runs.

Each command is one module of this package with either a Typer sub-application `app` or a function of the module's
name. The help texts stand here, so that `groundwork --help` imports none of them.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from groundwork.model.errors import FatalError
from groundwork.model.nearest import nearest

_PACKAGE = "groundwork.cli"
_QUOTED = re.compile(r"'([^']*)'")
_REFUSED = re.compile(r"(?:Value error, )?(?P<told>'(?P<written>.*)' is not one of (?P<known>'.*'\.))", re.DOTALL)
COMMANDS = {
    "demo": "Bring everything up and build the market domain.",
    "up": "Start PostgreSQL, Airflow and the data API.",
    "down": "Stop what `up` started.",
    "status": "Show what runs, where, and what is wrong with it.",
    "password": "Print the password of one of Airflow's users.",
    "validate-schema": "Check data contracts, with a fix per mistake.",
    "validate-data": "Check rows against their contract, and save them.",
    "load": "Load a table from its source, or from a file.",
    "capture": "Follow, show, stop and drop streams of changes.",
    "quarantine": "List, show, export and replay broken records.",
    "backup": "Back tables up, and put backups beside them.",
    "pools": "Show and make the pools that pipelines load through.",
    "lineage": "Ship lineage events to a backend, and show how far.",
    "compare-to-db": "Compare contracts with the live database.",
    "generate-migration": "Explain, apply, roll back and follow migrations.",
    "contract-diff": "Say what a contract change breaks, and for whom.",
    "derive": "Show what a contract yields for other tools.",
    "infer": "Propose a contract from a database, files or SQL.",
    "gate": "Say whether a domain may be released.",
    "health": "Show states, health scores and early warnings.",
    "incidents": "List, show, answer and review incidents.",
    "breakers": "List, open and close circuit breakers.",
    "knowledge": "Search, teach and correct what is known of remedies.",
    "remedies": "Show, try, run, follow and undo remedies.",
    "notify": "Try a channel, and see what was told to whom.",
    "rules": "Check code for access to data past the repositories.",
    "policies": "Check that policies and error patterns can be read.",
    "authority": "Check who may write the paths of a change.",
    "api": "Serve the data API.",
    "api-key": "Issue, list, rotate and revoke keys of the data API.",
    "audit": "Read and verify the audit trail.",
    "version": "Print versions.",
}


class LazyCommands(TyperGroup):
    """A group whose commands are imported when they are called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: TyperCommand(name) for name in COMMANDS}  # Typer names those near a mistyped one

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command as far as a list of commands needs it."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is going to run, with its module imported."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """What the command returns; a refused word of an option is told with the one that was probably meant."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = advised(error.message)
            raise


def advised(message: str) -> str:
    """What Typer says of a word that is none of an option's, with the nearest one that is.

    >>> advised("Value error, 'opne' is not one of 'open', 'answered'.")
    "'opne' is not one of 'open', 'answered'. Did you mean 'open'?"
    """
    refused = _REFUSED.fullmatch(message)
    if refused is None:
        return message
    meant = nearest(refused["written"], _QUOTED.findall(refused["known"]))
    return refused["told"] if meant is None else f"{refused['told']} Did you mean '{meant}'?"


def load(name: str) -> Any:
    """The command of this name, ready to run. Raises: FatalError when its module holds none."""
    module_name = name.replace("-", "_")
    try:
        module = importlib.import_module(f"{_PACKAGE}.{module_name}")
    except ModuleNotFoundError as error:
        if error.name != f"{_PACKAGE}.{module_name}":
            raise
        raise _absent(name, f"{_PACKAGE}.{module_name}") from error
    found = getattr(module, "app", None)
    if not isinstance(found, typer.Typer):
        function = getattr(module, module_name, None)
        if function is None:
            raise _absent(name, f"{_PACKAGE}.{module_name}:{module_name}")
        found = typer.Typer(add_completion=False, rich_markup_mode=None)
        found.command(name)(function)
    return typer.main.get_command(found)


def _absent(name: str, where: str) -> FatalError:
    return FatalError(
        f"this installation has no command `{name}`", where=where, next_step="make install, or update the checkout"
    )
