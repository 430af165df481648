"""`groundwork remedies`: what ORBT can do about failures, tried dry, run by a person, followed and undone.

Exit code 0 when it was shown or done, 1 when a remedy could not (or a question was answered with no), 2 when it cannot
be done at all.
"""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.model.errors import ConfigError
from groundwork.model.nearest import unknown_word
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.model.fault import RemedyResult
    from groundwork.orbt.remedies.remedy import Remedy, Scene

_NOT_DONE = 1
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="REMEDY", help="Its name, as `remedies list` tells it.")]
Connection = Annotated[str, typer.Option("--connection", help="Airflow connection id of the database.")]
StatementFile = Annotated[
    Path | None, typer.Option("--statement-file", exists=True, dir_okay=False, help="File with the SQL that failed.")
]
Table = Annotated[str | None, typer.Option("--table", help="The table in question, `schema.table`.")]
Pattern = Annotated[str, typer.Option("--pattern", help="Error pattern that the failure belongs to.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.callback()
def remedies() -> None:
    """What can be done about failures."""


@app.command("list")
def list_remedies(*, as_json: Json = False) -> None:
    """List every remedy with what policy lets it do."""
    found = [_described(name) for name in _names()]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{'REMEDY':<24} {'MODE':<8} {'CHANGES':<8} WHAT IT DOES")
    for each in found:
        typer.echo(f"{each['name']:<24} {each['mode']:<8} {'yes' if each['is_writing'] else 'no':<8} {each['summary']}")


@app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show one remedy: what it does, within which limits, how it is undone, what policy says."""
    found = _described(name)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        typer.echo(f"{key.replace('_', ' ')}: {'-' if value is None or value == [] else value}")


@app.command()
def plan(
    name: Name,
    *,
    connection: Connection = WAREHOUSE_CONNECTION,
    statement_file: StatementFile = None,
    table: Table = None,
    pattern: Pattern = "unknown",
    as_json: Json = False,
) -> None:
    """Say what a remedy would do; changes nothing."""
    from groundwork.orbt.remedies.run import dry_run

    _require(name)
    _tell(dry_run(name, _scene(name, connection, statement_file, table, pattern)), as_json=as_json)


@app.command()
def run(
    name: Name,
    *,
    connection: Connection = WAREHOUSE_CONNECTION,
    statement_file: StatementFile = None,
    table: Table = None,
    pattern: Pattern = "unknown",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Run a remedy, also one that policy only lets propose; kept in the audit trail. Exit code 1 when it could not."""
    from groundwork.orbt.remedies import run as running

    _require(name)
    scene = _scene(name, connection, statement_file, table, pattern)
    if not yes:
        typer.echo(running.dry_run(name, scene).report, err=True)
        _confirm(f"run {name} on `{connection}`?")
    result = running.run(name, scene, asked_by=_actor())
    details = {"remedy": name, "is_done": result.is_done, "report": result.report}
    _audit("remedy_run", f"connection {connection}", details)
    _tell(result, as_json=as_json)
    if not result.is_done:
        raise typer.Exit(_NOT_DONE)


@app.command()
def runs(
    *,
    remedy: Annotated[str | None, typer.Option(help="Only this remedy.")] = None,
    connection: Annotated[str | None, typer.Option(help="Only on this Airflow connection id.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest runs to show.")] = 50,
    as_json: Json = False,
) -> None:
    """List the runs of remedies, newest first, with what each changed."""
    from groundwork.store.remedy_run import STATES, RemedyRuns

    if state is not None and state not in STATES:
        raise unknown_word("a run has no such state", state, STATES, where="remedies runs")
    found = RemedyRuns(_store()).latest(limit, remedy=remedy, target=connection, state=state)
    if as_json:
        typer.echo(json.dumps([dict(row) for row in found], indent=2, default=str))
        return
    for row in found:
        where = f"{row['dag_id']}.{row['task_id']} try {row['try_number']}"
        asked = "" if row["asked_by"] == "orbt" else f" asked for by {row['asked_by']}"
        what = f"{row['state']:<9} {row['remedy']} on {row['target']} for {where}{asked}"
        typer.echo(f"{row['id']:>6}  {row['started_at']:%Y-%m-%d %H:%M}Z  {what}: {row['report']}")


@app.command()
def undo(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="Its number, as `remedies runs` tells it.")],
    *,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Undo what a run changed; kept in the audit trail. Exit code 1 when a part of it could not be undone."""
    from dataclasses import asdict

    from groundwork.operators.connections import engine
    from groundwork.orbt.remedies.recover import take_back
    from groundwork.store.remedy_run import RemedyRuns

    store, settings = _store(), Settings.from_environment()
    row = RemedyRuns(store).get(run_id)
    if row is not None and not yes:
        for change in reversed(row["changes"]):
            typer.echo(f"undo: {change['what']}", err=True)
        _confirm(f"undo run {run_id} of {row['remedy']} on `{row['target']}`?")
    found = take_back(store, run_id, engine, settings.project, settings.home)
    details = {"remedy": found.remedy, "is_undone": found.is_undone, "report": found.report}
    _audit("remedy_undone", f"remedy run {run_id}", details)
    typer.echo(json.dumps(asdict(found), indent=2) if as_json else found.report)
    if not found.is_undone:
        raise typer.Exit(_NOT_DONE)


@app.command()
def trust(connection: Annotated[str, typer.Argument(help="Airflow connection id.")], *, yes: Yes = False) -> None:
    """Say that another database stands behind a connection now, and rightly so: remedies may change it."""
    from groundwork.operators.connections import engine
    from groundwork.orbt.remedies.target import look
    from groundwork.store.target_identity import TargetIdentities

    identities = TargetIdentities(_store())
    # groundwork: allow own_session hands a connection to an engine room, which looks at it
    with engine(connection).connect() as database:
        found = look(database)
    known = identities.of(connection)
    typer.echo(f"known so far: {known or 'nothing'}; found: {found}", err=True)
    if known is not None and known != found and not yes:
        _confirm(f"trust `{connection}` as it is now?")
    identities.trust(connection, found, _actor())
    _audit("target_trusted", f"connection {connection}", {"before": str(known or "nothing"), "now": str(found)})
    typer.echo(f"`{connection}` is {found}")


def _names() -> list[str]:
    from groundwork.orbt.remedies.catalogue import REMEDIES

    return sorted(REMEDIES)


def _require(name: str) -> Remedy:
    from groundwork.orbt.remedies.catalogue import remedy

    return remedy(name)


def _described(name: str) -> dict[str, Any]:
    from groundwork.orbt.remedies.policy import read_permission

    remedy = _require(name)
    permission = read_permission(remedy, Settings.from_environment().project)
    hours = permission.hours
    return {
        "name": remedy.name,
        "summary": remedy.summary,
        "mode": permission.mode,
        "is_writing": remedy.is_writing,
        "needs_store": remedy.needs_store,
        "cost": remedy.cost,
        "seconds": permission.limits.seconds,
        "rows": permission.limits.rows,
        "lock": permission.limits.lock,
        "blast_radius": permission.limits.blast_radius,
        "way_back": remedy.way_back,
        "targets": None if permission.targets is None else list(permission.targets),
        "hours": None if hours is None else f"{hours.start:%H:%M} to {hours.end:%H:%M} {hours.zone}",
        "settings": dict(permission.settings) or None,
    }


def _scene(name: str, connection: str, statement_file: Path | None, table: str | None, pattern: str) -> Scene:
    from groundwork.model.fault import Circumstances, Fault, TaskTry
    from groundwork.operators.connections import engine
    from groundwork.orbt.remedies.remedy import Scene
    from groundwork.store.base import utc_now

    settings = Settings.from_environment()
    target = engine(connection)
    return Scene(
        fault=Fault(fault_class=pattern, exception="none", message="asked for by a person"),
        task_try=TaskTry(dag_id="cli", run_id=f"cli__{utc_now().isoformat()}", task_id=name, try_number=1),
        circumstances=Circumstances(engine=target.dialect.name, target=connection, table=table, operation="cli"),
        target=target,
        engine_of=engine,
        store=_store_or_none(),
        project=settings.project,
        home=settings.home,
        statement=_read(statement_file),
    )


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the statement cannot be read", where=str(file), expected="SQL in UTF-8", found=error
        ) from error


def _tell(result: RemedyResult, *, as_json: bool) -> None:
    from dataclasses import asdict

    typer.echo(json.dumps(asdict(result), indent=2) if as_json else result.report)


def _confirm(question: str) -> None:
    if not typer.confirm(question, err=True):
        raise typer.Exit(_NOT_DONE)


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _store() -> Engine:
    from groundwork.operators.connections import engine

    return engine(STORE_CONNECTION)


def _store_or_none() -> Engine | None:
    try:
        return _store()
    except ConfigError:  # remedies that can do without it still run
        return None


def _audit(action: str, subject: str, details: dict[str, Any]) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    from groundwork.store.audit import AuditTrail

    try:
        AuditTrail(_store()).append(actor=_actor(), action=action, subject=subject, details=details)
    except (ConfigError, SQLAlchemyError):
        typer.echo("the store is away: this is not in the audit trail", err=True)
