"""The way back from a recorded migration: its applied stages are undone, the last one first.

What is undone is what the record says was done, by the statements that were planned then: the contracts on disk may
have moved on. A rollback that is interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.session import run
from groundwork.change.apply import Limits, Observer
from groundwork.change.failure import explained
from groundwork.change.session import limit_lock_wait, migration_session
from groundwork.change.stage import Acceptance, Risk, Stage, stage_from
from groundwork.model.errors import ConfigError
from groundwork.model.operation import Operation
from groundwork.store.audit import AuditTrail
from groundwork.store.migration import Migrations

_CAN_GO_BACK = ("applied", "failed", "rolling back")


@dataclass(frozen=True, kw_only=True)
class RollbackOutcome:
    """What a rollback undid, in the order it was undone; of a dry run: what it would undo."""

    migration_id: int
    domain: str
    is_dry_run: bool
    undone: tuple[Stage, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "migration_id": self.migration_id,
            "domain": self.domain,
            "is_dry_run": self.is_dry_run,
            "undone": [{"what": stage.what, "sql": list(stage.rollback_sql)} for stage in self.undone],
        }


def rollback_migration(
    engine: Engine,
    store_engine: Engine,
    migration_id: int,
    *,
    accept: frozenset[Acceptance] = frozenset(),
    dry_run: bool = False,
    limits: Limits | None = None,
    actor: str = "groundwork",
    observer: Observer | None = None,
) -> RollbackOutcome:
    """Bring back the form that the database had before a migration.

    Values that the migration dropped do not come back; a migration that dropped any is only rolled back with `loss`
    accepted. `observer` is called before each statement.
    Raises: ConfigError when there is no such migration, it is running or rolled back already, something else was
    migrated after it, or a stage cannot be undone; DataQualityError when rows do not fit the old form; RetriableError
    when locks or the turn were not to be had. Calling it again goes on.
    """
    migrations, chosen = Migrations(store_engine), limits or Limits()
    record = _record(migrations, migration_id)
    domain, todo = str(record["domain"]), _applied(migrations, record)
    _require_possible(todo, accept, migration_id)
    outcome = RollbackOutcome(migration_id=migration_id, domain=domain, is_dry_run=dry_run, undone=tuple(todo))
    if dry_run:
        return outcome
    with migration_session(
        engine,
        domain,
        statement_timeout_seconds=chosen.statement_timeout_seconds,
        turn_timeout_seconds=chosen.turn_timeout_seconds,
    ) as connection:
        migrations.mark(migration_id, "rolling back")
        for stage in todo:
            _undo(connection, stage, chosen, observer)
            migrations.undone(migration_id, stage.what)
            _note(store_engine, domain, migration_id, actor, stage)
    migrations.mark(migration_id, "rolled back")
    _note(store_engine, domain, migration_id, actor, None)
    return outcome


def _record(migrations: Migrations, migration_id: int) -> Mapping[str, Any]:
    record = migrations.get(migration_id)
    if record is None:
        raise ConfigError(
            "there is no such migration",
            where="groundwork.migration",
            found=migration_id,
            next_step="groundwork generate-migration status",
        )
    where = f"migration {migration_id} of {record['domain']}"
    if record["state"] not in _CAN_GO_BACK:
        raise ConfigError(
            "the migration cannot be rolled back",
            where=where,
            expected=f"a state of {', '.join(_CAN_GO_BACK)}",
            found=record["state"],
            next_step=f"groundwork generate-migration status {migration_id}",
        )
    rows = migrations.latest(str(record["domain"]), limit=1000)
    later = [row["id"] for row in rows if row["id"] > migration_id and row["state"] != "rolled back"]
    if later:
        raise ConfigError(
            "the domain was migrated again since",
            where=where,
            expected="the newest migration that is not rolled back",
            found=f"later ones: {', '.join(map(str, later))}",
            next_step=f"groundwork generate-migration rollback {max(later)} first",
        )
    return record


def _applied(migrations: Migrations, record: Mapping[str, Any]) -> list[Stage]:
    """The stages whose statements were all done and that are not undone yet, the last one first."""
    done = {
        (row["stage"], row["position"]) for row in migrations.statements(int(record["id"])) if row["state"] == "done"
    }
    stages = [stage_from(stage) for stage in record["plan"]["stages"]]
    return [
        stage
        for stage in reversed(stages)
        if all((stage.what, position) in done for position in range(1, len(stage.sql) + 1))
    ]


def _require_possible(stages: list[Stage], accept: frozenset[Acceptance], migration_id: int) -> None:
    stuck = [stage.what for stage in stages if not stage.is_reversible]
    if stuck:
        raise ConfigError(
            "the migration holds stages that cannot be undone; nothing was changed",
            where=f"migration {migration_id}",
            expected="stages with a way back",
            found="; ".join(stuck),
            next_step="change the contract to what is wanted and migrate forward",
        )
    lost = [stage.what for stage in stages if stage.risk is Risk.LOSES]
    if lost and Acceptance.LOSS not in accept:
        raise ConfigError(
            "the migration dropped values that a rollback cannot bring back; nothing was changed",
            where=f"migration {migration_id}",
            expected="stages that lost nothing",
            found="; ".join(lost),
            next_step="restore the values from a backup, or accept `loss`: the form comes back, empty",
        )


def _undo(connection: Connection, stage: Stage, limits: Limits, observer: Observer | None) -> None:
    is_whole = not any(_is_concurrent(statement) for statement in stage.rollback_sql)
    limit_lock_wait(connection, limits.lock_timeout_seconds)
    if is_whole:
        run(connection, "BEGIN")
    try:
        for statement in stage.rollback_sql:
            if observer:
                observer(stage, statement)
            if not is_whole:
                limit_lock_wait(connection, 0 if _is_concurrent(statement) else limits.lock_timeout_seconds)
            run(connection, statement)
    except DBAPIError as error:
        if is_whole and not connection.invalidated:
            run(connection, "ROLLBACK")
        raise explained(stage, error, 1) from error
    if is_whole:
        run(connection, "COMMIT")


def _is_concurrent(statement: str) -> bool:
    return " CONCURRENTLY " in statement.partition("(")[0]


def _note(store_engine: Engine, domain: str, migration_id: int, actor: str, stage: Stage | None) -> None:
    operation = Operation(project=domain, name="roll back migration", step=0, kind="migrations")
    details: dict[str, Any] = {"migration_id": migration_id}
    if stage is not None:
        details |= {"what": stage.what, "sql": list(stage.rollback_sql)}
    AuditTrail(store_engine).append(
        actor=actor,
        action="migration_rolled_back" if stage is None else "migration_stage_undone",
        subject=f"warehouse:{domain}",
        details=details,
        operation_id=operation.id,
        section=operation.section,
    )
