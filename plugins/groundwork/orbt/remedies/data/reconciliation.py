"""Data reconciliation: the table against its source; records that are only missing come by the ordinary load."""

from __future__ import annotations

import json
import uuid
from typing import ClassVar

from groundwork.flow.loads.load import load_table
from groundwork.flow.reconciliation.reconcile import Reconciliation, reconcile
from groundwork.flow.resources import ConnectionFacts, Resources
from groundwork.flow.source import declared_source, write_mode
from groundwork.model.errors import ConfigError, DataQualityError, GroundworkError, RetriableError
from groundwork.model.fault import Change
from groundwork.model.vocabulary import WriteMode
from groundwork.orbt.remedies.data.subject import Subject, refusal, subject_of
from groundwork.orbt.remedies.data.withdrawing import MOST_ROWS
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, Scene

_ADDING = (WriteMode.MERGE, WriteMode.APPEND)


class ReconcileData(Remedy):
    """Compare the table with its source; load what is only missing."""

    name = "reconcile_data"
    summary = "compares the table with its source, and loads records that are only missing by the ordinary load"
    limits = Limits(seconds=300, rows=MOST_ROWS, blast_radius="rows of one table that its own source has and it lacks")
    way_back = "what was loaded is what the source has, and the load's books name it; it stays"
    is_writing = True
    cost: ClassVar[int] = 4

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """What is compared with what, and whether anything could be loaded."""
        subject = subject_of(scene)
        _require_source(subject)
        why = _why_not_loaded(scene, subject)
        return (
            f"compare {subject.name} with its source",
            f"load nothing: {why}" if why else "load what is only missing",
        )

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Compare, and load what is only missing."""
        subject, limits = subject_of(scene), scene.limits or self.limits
        _require_source(subject)
        found = _reconciled(scene, subject)
        journal.note(_told(found))
        if found.missing == 0:
            return
        why = _why_not_loaded(scene, subject) or _why_not_these(found, limits.rows)
        if why:
            journal.note(f"nothing was loaded: {why}")
            return
        run_id = f"remedy/{uuid.uuid4()}"
        journal.will(f"load {found.missing} missing records of {subject.name} by the ordinary load", run_id=run_id)
        _load(scene, subject, run_id, journal)
        journal.note(f"now {_told(_reconciled(scene, subject))}")

    def undo(self, scene: Scene, change: Change) -> str:
        """Nothing: a load publishes whole or not at all."""
        return f"nothing to undo: {self.way_back}"


def _reconciled(scene: Scene, subject: Subject) -> Reconciliation:
    try:
        return reconcile(
            scene.target, subject.domain, subject.table, project=scene.project, resources=_resources(scene)
        )
    except GroundworkError as error:
        raise refusal(error) from error


def _load(scene: Scene, subject: Subject, run_id: str, journal: Journal) -> None:
    try:
        books = load_table(
            scene.target,
            subject.domain,
            subject.table,
            project=scene.project,
            run_id=run_id,
            resources=_resources(scene),
        )
    except (DataQualityError, RetriableError) as error:
        journal.note(f"the load gave up and changed nothing: {refusal(error)}")
        return
    journal.note(str(books))


def _told(found: Reconciliation) -> str:
    state = "agrees with its source" if found.agrees else "is not what its source says"
    changed = "; the source changed since the last load" if found.is_source_unchanged is False else ""
    return (
        f"{found.table} {state} ({found.source}): of {found.source_rows} rows {found.missing} missing, "
        f"{found.differing} different; {found.extra} rows that the source does not have{changed}"
    )


def _require_source(subject: Subject) -> None:
    try:
        declared_source(subject.table)
        write_mode(subject.table)
    except GroundworkError as error:
        raise refusal(error) from error


def _why_not_loaded(scene: Scene, subject: Subject) -> str | None:
    """Why the ordinary load may not be asked for here, or null."""
    source = declared_source(subject.table)
    if not scene.settings.get("load_missing", True):
        return "policy says so"
    if write_mode(subject.table) not in _ADDING:
        return f"a load of mode {write_mode(subject.table)} also takes rows away or ends them"
    if source.get("kind") != "file":
        return f"a source of kind {source.get('kind')} is read from its watermark on: groundwork load --full-refresh"
    if _is_gated(scene, subject):
        return f"a suite judges waiting rows first: groundwork load {subject.name}"
    return None


def _why_not_these(found: Reconciliation, limit: int | None) -> str | None:
    most = MOST_ROWS if limit is None else limit
    if found.missing > most:
        return f"{found.missing} are missing, more than {most}"
    if found.differing:
        return (
            f"a load would also change the {found.differing} rows that differ: a person has to say which side is right"
        )
    return None


def _is_gated(scene: Scene, subject: Subject) -> bool:
    """Whether a suite asks to see the waiting rows of a load; one that cannot be read may be such a suite."""
    for path in sorted((scene.project / "expectations").glob("*.json")):
        try:
            meta = json.loads(path.read_text(encoding="utf-8"))["meta"]
        except (OSError, ValueError, KeyError, TypeError):
            return True
        names = (subject.table.name, subject.name, subject.table.logical_name)
        if meta.get("stage") == "before_load" and meta.get("table") in names:
            return True
    return False


def _resources(scene: Scene) -> Resources:
    """Files of the project, and databases by the connections that remedies can reach."""

    def facts(name: str) -> ConnectionFacts:
        url = scene.engine_of(name).url
        if not url.drivername.startswith("postgresql"):
            raise ConfigError("remedies reach sources in PostgreSQL and in files only", where=f"connection {name}")
        return ConnectionFacts(
            name=name,
            kind="postgres",
            host=url.host,
            port=url.port,
            login=url.username,
            password=url.password,
            database=url.database,
        )

    return Resources(project=scene.project, connection=facts)
