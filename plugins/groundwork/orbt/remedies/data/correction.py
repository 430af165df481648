"""Manual correction: what is left for a person, told with what to correct, where, how many, and by which command."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Connection, func, select

from groundwork.flow.ledger import QUARANTINE
from groundwork.flow.quarantine.live_row import live_columns
from groundwork.flow.quarantine.read import Selection
from groundwork.model.errors import ConfigError
from groundwork.orbt.backups.file import backups
from groundwork.orbt.backups.policy import read_backup_policy
from groundwork.orbt.remedies.data.breaches import Breach, breaches
from groundwork.orbt.remedies.data.subject import Subject, bounded, subject_of
from groundwork.orbt.remedies.data.validation import COUNTED_ROWS
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, Scene


class AskForCorrection(Remedy):
    """Ask a person to correct the data, with all that helps them to begin."""

    name = "ask_for_correction"
    summary = "asks a person to correct the data: which rows, where, how many, and the commands to use"
    limits = Limits(seconds=60, blast_radius="nothing: reads one table")
    way_back = "nothing was changed"
    needs_store: ClassVar[bool] = False

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """What would be asked."""
        return (f"ask a person: {_request(scene, self.limits.seconds)}",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Ask."""
        journal.ask_person(_request(scene, (scene.limits or self.limits).seconds))


def _request(scene: Scene, seconds: float) -> str:
    subject = subject_of(scene)
    with bounded(scene.target, seconds, is_reading=True) as connection:
        found = breaches(connection, subject, COUNTED_ROWS)
        held = _held(connection, subject)
    return "; ".join([f"correct {subject.name} by hand: {_what(found, held)}", *_commands(scene, subject, found, held)])


def _what(found: tuple[Breach, ...], held: int) -> str:
    parts = [str(each) for each in found]
    if held:
        parts.append(f"{held} rows are held in quarantine")
    return ", ".join(parts) or "its rows break no rule of the contract, so look at what was about to be written"


def _commands(scene: Scene, subject: Subject, found: tuple[Breach, ...], held: int) -> list[str]:
    commands = [f"look: groundwork quarantine list --rows --table {subject.name}"] if held else []
    if held:
        commands.append(
            f"correct: groundwork quarantine export {subject.name} broken.csv, then groundwork quarantine replay "
            f"{subject.name} --file broken.csv"
        )
    if found:
        commands.append(
            f"move what breaks a constraint: groundwork remedies plan repair_constraints --table {subject.name}"
        )
    if _has_backup(scene, subject):
        commands.append(f"compare with the newest backup: groundwork backup restore {subject.name}")
    return commands


def _has_backup(scene: Scene, subject: Subject) -> bool:
    try:
        place = read_backup_policy(scene.project).folder(scene.home)
    except ConfigError:  # asking a person must not wait for a policy to be corrected
        return False
    return bool(backups(place, table=subject.name))


def _held(connection: Connection, subject: Subject) -> int:
    if not live_columns(connection, str(QUARANTINE.schema), QUARANTINE.name):
        return 0  # nothing was ever loaded or moved; making the ledger is not for a reader
    ours = Selection(schema=subject.table.schema, table=subject.table.name).condition()
    return int(connection.scalar(select(func.count()).select_from(QUARANTINE).where(ours)) or 0)
