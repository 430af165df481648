"""Backup restore: the newest backup of a table put beside it and compared; the table itself is never touched."""

# groundwork: allow-file raw_sql asks the target for its name

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import text

from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.model.fault import Change
from groundwork.orbt.backups.compare import compare_with_backup
from groundwork.orbt.backups.file import BackupFile, backups
from groundwork.orbt.backups.policy import read_backup_policy
from groundwork.orbt.backups.restore import drop_beside, restore_beside, side_schema
from groundwork.orbt.remedies.data.subject import LOCK_SECONDS, Subject, bounded, refusal, subject_of
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene
from groundwork.store.base import utc_now

_UNDO_SECONDS = 60


class RestoreBackup(Remedy):
    """Put the newest backup of the table beside it, and tell what the table lost, got and changed since."""

    name = "restore_backup"
    summary = "puts the newest backup of the table into a schema of its own and compares the two by key"
    limits = Limits(seconds=600, blast_radius="a schema groundwork_restore_… of its own; the table is only read")
    way_back = "the schema of its own is dropped"
    is_writing = True
    cost: ClassVar[int] = 5

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """Which file would be restored where."""
        subject = subject_of(scene)
        backup = _newest(scene, subject)
        return (
            f"restore {backup.name} as of {backup.taken_at:%Y-%m-%d %H:%M:%SZ} ({backup.rows} rows) into a schema of "
            "its own",
            f"compare it with {subject.name}",
        )

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Restore and compare."""
        subject, limits = subject_of(scene), scene.limits or self.limits
        backup = _newest(scene, subject)
        try:
            backup.require_whole()
        except ConfigError as error:
            raise refusal(error) from error
        schema = side_schema(backup, utc_now())
        journal.will(f"make the schema {schema} with the backup of {backup.name}", schema=schema)
        restore_beside(scene.target, backup, schema, seconds=limits.seconds)
        with bounded(scene.target, limits.seconds, is_reading=True) as connection:
            found = compare_with_backup(connection, subject.table, schema)
        journal.note(f"backup of {backup.taken_at:%Y-%m-%d %H:%M:%SZ}: {found}")
        if not found.agrees:
            journal.note(f"look at both, then: groundwork backup drop {schema}")

    def undo(self, scene: Scene, change: Change) -> str:
        """Drop the schema."""
        facts: Any = change.facts
        with bounded(scene.target, _UNDO_SECONDS) as connection:
            is_dropped = drop_beside(connection, facts["schema"])
        return f"the schema {facts['schema']} {'is dropped' if is_dropped else 'was never made'}"


def _newest(scene: Scene, subject: Subject) -> BackupFile:
    with bounded(scene.target, LOCK_SECONDS, is_reading=True) as connection:
        database = str(connection.execute(text("SELECT current_database()")).scalar_one())
    try:
        place = read_backup_policy(scene.project).folder(scene.home)
    except GroundworkError as error:
        raise refusal(error) from error
    found = [each for each in backups(place, database, subject.name) if each.schema == subject.table.schema]
    if not found:
        raise RemedyRefusedError(
            f"there is no backup of {subject.name} below {place}: groundwork backup make {subject.name}"
        )
    return found[0]
