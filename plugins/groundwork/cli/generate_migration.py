"""`groundwork generate-migration`: migrations explained, applied, rolled back and followed.

Without a sub-command the target's migration is explained. Progress goes to stderr, the plan to stdout.
"""

# groundwork: allow-file own_session reads the catalog of the live database, which no repository serves

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from groundwork.model.errors import ConfigError
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.change.stage import Acceptance, MigrationPlan, Stage
    from groundwork.contracts.contract import Domain

_LEFT = 1  # exit code: differences are left
_DEFAULT = "explain"


class _ExplainedByDefault(TyperGroup):
    """`generate-migration market` means `generate-migration explain market`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The sub-command that is meant."""
        if args and args[0] not in self.commands:
            args = [_DEFAULT, *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_ExplainedByDefault, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Target = Annotated[str, typer.Argument(metavar="TABLE|DOMAIN", help="A table (or schema.table), or a domain.")]
Connection = Annotated[str, typer.Option(help="Airflow connection id of the database.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Accept = Annotated[
    list[str] | None, typer.Option("--accept", metavar="rewrite|loss", help="What may be done beyond the harmless.")
]
MigrationId = Annotated[int, typer.Argument(metavar="ID", help="Number of the migration, as `status` shows it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before what locks, rewrites or loses.")]
LockTimeout = Annotated[float, typer.Option(min=0.1, help="Seconds one statement may wait for its lock.")]


@app.callback()
def migrations() -> None:
    """Migrations from the live database to what contracts declare.

    Exit code 0 when nothing is left to do, 1 when differences are left, 2 when the command could not do its work.
    """


@app.command()
def explain(
    target: Target,
    *,
    connection: Connection = WAREHOUSE_CONNECTION,
    accept: Accept = None,
    output: Annotated[Path | None, typer.Option(help="Write the plan as JSON into this file too.")] = None,
    squawk: Annotated[bool, typer.Option("--squawk/--no-squawk", help="Ask squawk about the statements.")] = True,
    as_json: Json = False,
) -> None:
    """Show each stage with what, why, lock, risk, statements and the way back; change nothing.

    Exit code 0 when there is nothing to do, 1 when there is, 2 when it cannot be told.
    """
    from groundwork.change.squawk import opinions

    plan = _plan(_engine(connection), target, _acceptances(accept))
    said = opinions(plan) if squawk else ()
    document = {**plan.to_json(), "squawk": [opinion.to_json() for opinion in said]}
    if output is not None:
        output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(plan.explain())
        for opinion in said:
            if opinion.answer is None:
                typer.echo(f"squawk: {opinion.rule}: {opinion.message} ({opinion.help or 'no advice'})")
        answered = sum(opinion.answer is not None for opinion in said)
        if said:
            typer.echo(f"squawk: {len(said)} opinions, {answered} answered (--json shows them)", err=True)
    if not plan.is_empty or plan.left_alone:
        raise typer.Exit(_LEFT)


@app.command()
def apply(  # noqa: PLR0913  one parameter per option
    target: Target,
    *,
    connection: Connection = WAREHOUSE_CONNECTION,
    accept: Accept = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Apply only what this plan (written by explain) holds.")
    ] = None,
    skip_refused: Annotated[bool, typer.Option(help="Leave what is refused and do the rest.")] = False,
    lock_timeout: LockTimeout = 3.0,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Carry the migration out; what an interrupted run has done is not done again, and two at once wait in turn.

    Exit code 0 when contracts and database agree, 1 when differences are left, 2 when it could not be done.
    """
    from groundwork.change.agreement import keep_contracts
    from groundwork.change.apply import Limits, apply_migration

    engine = _engine(connection)
    plan = _plan(engine, target, _acceptances(accept))
    if plan_file is not None:
        plan = _reduced(plan, plan_file)
    if not dry_run and not yes:
        _ask(plan)
    outcome = apply_migration(
        engine,
        plan,
        store_engine=_engine(STORE_CONNECTION),
        dry_run=dry_run,
        skip_refused=skip_refused,
        limits=Limits(lock_timeout_seconds=lock_timeout),
        actor=f"cli:{getpass.getuser()}",
        observer=_observe,
    )
    keep_contracts(_engine(STORE_CONNECTION), outcome, connection)
    left = _of_target(outcome.remaining.changes, target, plan.domain)
    if as_json:
        typer.echo(json.dumps({**outcome.to_json(), "left": len(left)}, indent=2))
    else:
        verb = "would be applied" if dry_run else "applied"
        typer.echo(f"{len(plan.stages if dry_run else outcome.applied)} stages {verb}, {len(left)} differences left")
        if outcome.migration_id is not None:
            number = outcome.migration_id
            typer.echo(f"migration {number}; back by: groundwork generate-migration rollback {number}")
    if left:
        raise typer.Exit(_LEFT)


@app.command()
def rollback(
    migration_id: MigrationId,
    *,
    connection: Connection = WAREHOUSE_CONNECTION,
    accept: Accept = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring back the form that the database had before a migration; rows that were dropped do not come back.

    Exit code 0 when it was done, 2 when it cannot be done.
    """
    from groundwork.change.rollback import rollback_migration

    outcome = rollback_migration(
        _engine(connection),
        _engine(STORE_CONNECTION),
        migration_id,
        accept=_acceptances(accept),
        dry_run=dry_run,
        actor=f"cli:{getpass.getuser()}",
        observer=_observe,
    )
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2))
        return
    for stage in outcome.undone:
        typer.echo(f"{'would undo' if dry_run else 'undone'}: {stage.what}")
    typer.echo(f"{len(outcome.undone)} stages {'would be undone' if dry_run else 'undone'}")


@app.command()
def status(
    migration_id: Annotated[int | None, typer.Argument(metavar="[ID]", help="One migration; else the newest.")] = None,
    *,
    domain: Annotated[str | None, typer.Option(help="Only of this domain.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """Show migrations with their state, or one with each of its statements.

    Exit code 0, or 2 when there is no such migration.
    """
    from groundwork.change import history

    store = _engine(STORE_CONNECTION)
    if migration_id is not None:
        found = history.migration(store, migration_id)
        if as_json:
            typer.echo(json.dumps(found, indent=2))
            return
        typer.echo(_line(found))
        for each in found["statements"]:
            typer.echo(f"  {each['state']:<12} {each['stage']}: {' '.join(each['sql'].split())}")
        return
    rows = history.migrations(store, domain, limit)
    if as_json:
        typer.echo(json.dumps({"migrations": rows}, indent=2))
        return
    for row in rows:
        typer.echo(_line(row))
    if not rows:
        typer.echo("nothing was migrated yet")


@app.command()
def review(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file with DDL; `-` reads standard input.")],
    *,
    domain: Annotated[str | None, typer.Option(help="Look the tables of this domain up; else of all.")] = None,
    connection: Connection = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Judge hand-written DDL against the live database: lock, danger, the safe form. Nothing is run.

    Exit code 0 when nothing is dangerous, 1 when something is, 2 when it cannot be told.
    """
    from groundwork.change.facts import Facts, table_facts
    from groundwork.change.review import review_sql

    text = _read(file)
    sizes: dict[str, Any] = {}
    with _engine(connection).connect() as database:
        for each in _domains():
            if domain in (None, each.name):
                sizes |= table_facts(database, each).sizes
    verdicts = review_sql(text, Facts(sizes=sizes), where=str(file))
    if as_json:
        typer.echo(json.dumps({"verdicts": [verdict.to_json() for verdict in verdicts]}, indent=2))
    else:
        for verdict in verdicts:
            typer.echo(f"{file}:{verdict.line}: {'danger' if verdict.is_dangerous else 'note'}: {verdict.message}")
            typer.echo(f"    rule: {verdict.rule}; {verdict.known or 'the table is not known here'}")
            if verdict.safe_form:
                typer.echo(f"    safe form: {verdict.safe_form}")
        dangerous = sum(verdict.is_dangerous for verdict in verdicts)
        typer.echo(f"{dangerous} dangerous of {len(verdicts)} findings", err=True)
    if any(verdict.is_dangerous for verdict in verdicts):
        raise typer.Exit(_LEFT)


def _plan(engine: Engine, target: str, accept: frozenset[Acceptance]) -> MigrationPlan:
    from groundwork.change.facts import table_facts
    from groundwork.change.plan import plan_migration
    from groundwork.contracts.diff import compare_domain

    domain, table = _chosen(target)
    with engine.connect() as connection:
        diff = compare_domain(connection, domain)
        facts = table_facts(connection, domain)
    return plan_migration(domain, diff if table is None else diff.of_table(table), facts=facts, accept=accept)


def _chosen(target: str) -> tuple[Domain, str | None]:
    domains = _domains()
    for domain in domains:
        if domain.name == target:
            return domain, None
    for domain in domains:
        for table in domain.tables:
            if target in (table.name, table.qualified_name):
                return domain, table.qualified_name
    raise ConfigError(
        f"no domain and no table is called `{target}`",
        expected=f"a domain ({', '.join(domain.name for domain in domains) or 'there are none'}) or its table",
        found=target,
        next_step="groundwork compare-to-db",
    )


def _of_target(changes: Any, target: str, domain: Domain) -> list[Any]:
    return [each for each in changes if target in (domain.name, each.table, each.qualified_table)]


def _domains() -> list[Domain]:
    from groundwork.contracts.read import SUFFIX, read_domain

    folder = Settings.from_environment().contracts
    names = sorted({path.parent.name for path in folder.glob(f"*/*{SUFFIX}")})
    return [read_domain(name, folder) for name in names]


def _reduced(plan: MigrationPlan, file: Path) -> MigrationPlan:
    """The plan without what the file does not hold: the world may have moved on since it was written."""
    from dataclasses import replace

    from groundwork.change.stage import stage_from

    try:
        kept = {stage_from(stage).sql for stage in json.loads(_read(file))["stages"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "the plan cannot be read",
            where=str(file),
            expected="the JSON that `generate-migration explain --output` writes",
            found=f"{type(error).__name__}: {error}",
            next_step=f"groundwork generate-migration explain {plan.domain.name} --output {file}",
        ) from error
    stages = tuple(stage for stage in plan.stages if stage.sql in kept)
    for stage in plan.stages:
        if stage.sql not in kept:
            typer.echo(f"not in the plan file, left: {stage.what}", err=True)
    gone = len(kept) - len(stages)
    if gone:
        typer.echo(f"{gone} stages of the plan file are done or no longer what is needed", err=True)
    return replace(plan, stages=stages, refusals=())


def _ask(plan: MigrationPlan) -> None:
    """Ask a person before what is risky. Raises: ConfigError where nobody can be asked."""
    from groundwork.change.stage import Risk

    risky = [stage for stage in plan.stages if stage.risk is not Risk.NONE]
    if not risky:
        return
    for stage in risky:
        typer.echo(f"{stage.risk}: {stage.what} ({stage.lock})", err=True)
    if not sys.stdin.isatty():
        raise ConfigError(
            "the migration locks, rewrites or loses, and nobody can be asked here",
            where=f"domain {plan.domain.name}",
            expected="a terminal, or --yes",
            found="; ".join(stage.what for stage in risky),
            next_step="look at `generate-migration explain`, then run it again with --yes",
        )
    typer.confirm("carry it out?", abort=True, err=True)


def _acceptances(words: list[str] | None) -> frozenset[Acceptance]:
    from groundwork.change.stage import Acceptance

    try:
        return frozenset(Acceptance(word) for word in words or ())
    except ValueError as error:
        raise ConfigError(
            "there is no such thing to accept",
            where="--accept",
            expected=f"one of {', '.join(each.value for each in Acceptance)}",
            found=", ".join(words or ()),
            next_step="groundwork generate-migration explain says what each stage puts at stake",
        ) from error


def _engine(connection_id: str) -> Engine:
    from groundwork.operators.connections import engine

    return engine(connection_id)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the file cannot be read", where=str(file), found=error) from error


def _observe(stage: Stage, statement: str) -> None:
    typer.echo(f"  {stage.what}: {' '.join(statement.split())}", err=True)


def _line(row: dict[str, Any]) -> str:
    seconds = f"{row['seconds']:.1f} s" if row["seconds"] is not None else "not finished"
    what = f"{row['id']:>5}  {row['state']:<13} {row['domain']:<12} {row['started_at'][:19]}"
    return f"{what}  {seconds}  {len(row['stages'])} stages  {row['actor']}"
