"""`groundwork backup`: tables backed up, listed, and put beside the table that they are of.

Exit code 0 when it was done, 1 when a table could not be backed up or a restored one differs, 2 when it cannot be done.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.model.errors import ConfigError
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from groundwork.orbt.backups.file import BackupFile

_FINDINGS = 1
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Table = Annotated[str, typer.Argument(help="A table of the contracts, with or without its schema.")]
Domain = Annotated[str | None, typer.Option(help="Domain of the table, where two have one of this name.")]
Connection = Annotated[str, typer.Option(help="Airflow connection id of the database.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def backup() -> None:
    """Backups of tables."""


@app.command()
def make(
    tables: Annotated[list[str], typer.Argument(help="Tables of the contracts, with or without their schema.")],
    *,
    domain: Domain = None,
    connection: Connection = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Back tables up as they are at one moment, one file each; older files beyond what the policy keeps go.

    Exit code 0 when every table was backed up, 1 when one was not, 2 when none could be tried.
    """
    from groundwork.cli.table_choice import chosen_table
    from groundwork.operators.backup import back_up

    done = back_up([chosen_table(name, domain)[1] for name in tables], connection)
    made, failed = done.made, done.failed
    if as_json:
        typer.echo(json.dumps(done.to_json(), indent=2))
    else:
        for each in made:
            typer.echo(f"{each.name}: {each.rows} rows in {each.file_bytes:,} bytes, {each.path}")
        for name, why in failed.items():
            typer.echo(f"{name}: {why}", err=True)
    if failed:
        raise typer.Exit(_FINDINGS)


@app.command("list")
def list_backups(
    table: Annotated[str | None, typer.Argument(help="Only of this table, with or without its schema.")] = None,
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Read each file and compare its digest.")] = False,
    as_json: Json = False,
) -> None:
    """Show the backups, newest first.

    Exit code 0; with --verify 1 when a file is damaged.
    """
    from groundwork.orbt.backups.file import backups

    found = backups(_place(), table=table)
    damaged = [each.path for each in found if verify and not _is_whole(each)]
    if as_json:
        told = [{**each.to_json(), **({"is_whole": each.path not in damaged} if verify else {})} for each in found]
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo(f"{'TAKEN AT':<27}  {'ROWS':>10}  {'BYTES':>14}  TABLE")
        for each in found:
            mark = "  DAMAGED" if each.path in damaged else ""
            typer.echo(f"{each.taken_at:{_TIME}}  {each.rows:>10}  {each.file_bytes:>14,}  {each.name}{mark}")
    if damaged:
        raise typer.Exit(_FINDINGS)


@app.command()
def restore(
    table: Table,
    *,
    at: Annotated[str | None, typer.Option("--at", help="TAKEN AT of the backup, as `list` shows it.")] = None,
    domain: Domain = None,
    connection: Connection = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Put a backup (the newest by default) into a schema of its own, and compare it; the table is not touched.

    Exit code 0 when table and backup hold the same, 1 when they differ, 2 when it could not be restored.
    """
    from groundwork.cli.table_choice import chosen_table
    from groundwork.operators.connections import engine
    from groundwork.orbt.backups.compare import compare_with_backup
    from groundwork.orbt.backups.policy import read_backup_policy
    from groundwork.orbt.backups.restore import restore_beside, side_schema
    from groundwork.store.base import utc_now

    _, contract = chosen_table(table, domain)
    warehouse = engine(connection)
    chosen = _chosen(contract.qualified_name, at, warehouse.url.database)
    schema = side_schema(chosen, utc_now())
    _audit("backup_restored", contract.qualified_name, {"schema": schema, "taken_at": chosen.taken_at.isoformat()})
    policy = read_backup_policy(Settings.from_environment().project)
    restore_beside(warehouse, chosen, schema, seconds=policy.seconds)
    # groundwork: allow own_session hands a connection to an engine room, which does the work
    with warehouse.connect() as database, database.begin():
        found = compare_with_backup(database, contract, schema)
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))
    typer.echo(f"when you have seen enough: groundwork backup drop {schema}", err=True)
    if not found.agrees:
        raise typer.Exit(_FINDINGS)


@app.command()
def drop(
    schema: Annotated[str, typer.Argument(help="A schema that `restore`, or the remedy, made.")],
    *,
    connection: Connection = WAREHOUSE_CONNECTION,
) -> None:
    """Take away what a restoration put beside its table; no other schema is ever dropped.

    Exit code 0 when it is gone, 2 when it is not one of ours.
    """
    from groundwork.operators.connections import engine
    from groundwork.orbt.backups.restore import drop_beside

    _audit("backup_dropped", schema, {})
    # groundwork: allow own_session hands a connection to an engine room, which does the work
    with engine(connection).begin() as database:
        is_dropped = drop_beside(database, schema)
    typer.echo(f"{schema} {'is dropped' if is_dropped else 'is not there'}")


def _chosen(table: str, at: str | None, database: str | None) -> BackupFile:
    from groundwork.orbt.backups.file import backups

    found = [each for each in backups(_place(), database) if each.name == table]
    wanted = [each for each in found if at is None or f"{each.taken_at:{_TIME}}".startswith(at.rstrip("Z"))]
    if not wanted:
        raise ConfigError(
            "there is no such backup",
            where=table,
            expected=f"one of {', '.join(f'{each.taken_at:{_TIME}}' for each in found) or 'none: there is no file'}",
            found=at,
            next_step=f"groundwork backup list {table}" if found else f"groundwork backup make {table}",
        )
    return wanted[0]


def _is_whole(each: BackupFile) -> bool:
    try:
        each.require_whole()
    except ConfigError:
        return False
    return True


def _place() -> Path:
    from groundwork.orbt.backups.policy import read_backup_policy

    settings = Settings.from_environment()
    return read_backup_policy(settings.project).folder(settings.home)


def _audit(action: str, subject: str, details: Mapping[str, Any]) -> None:
    """Written before anything is changed: what is not on record does not happen."""
    from groundwork.operators.connections import engine
    from groundwork.store.audit import AuditTrail

    AuditTrail(engine(STORE_CONNECTION)).append(
        actor=f"cli:{getpass.getuser()}", action=action, subject=f"backup:{subject}", details=details
    )
