"""Runs, phases and the evidence of their criteria, from the store to the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from groundwork.model.vocabulary import Phase
from groundwork.pages.view import CriterionView, FoundationView, PhaseView, RunView
from groundwork.store.foundation import FoundationRuns


def latest_foundation(store: Engine, domain: str) -> FoundationView:
    """The newest run of a domain with its phases; all pending when there was none."""
    runs = FoundationRuns(store).latest(domain, limit=1)
    return foundation_of(store, _run(runs[0])) if runs else FoundationView(run=None, phases=_phases([], []))


def foundation_of(store: Engine, run: RunView) -> FoundationView:
    """A run with its phases and their evidence."""
    repository = FoundationRuns(store)
    rows = [_as_left(row, run) for row in repository.phases(run.run_id)]
    if any(row["state"] == "running" for row in rows):
        run = replace(run, state="running", finished_at=None)
    return FoundationView(run=run, phases=_phases(rows, repository.criteria(run.run_id)))


def latest_runs(store: Engine, limit: int = 8) -> tuple[RunView, ...] | None:
    """The newest runs of all domains; null when there was none."""
    return tuple(_run(row) for row in FoundationRuns(store).latest(limit=limit)) or None


def find_run(store: Engine, run_id: str) -> FoundationView | None:
    """The run called `run_id`; null when the store knows none."""
    found = FoundationRuns(store).get(run_id)
    return foundation_of(store, _run(found)) if found else None


def _run(row: Mapping[str, Any]) -> RunView:
    names = ("run_id", "domain", "state", "is_dry_run", "started_at", "finished_at")
    return RunView(**{name: row[name] for name in names})


def _as_left(row: Mapping[str, Any], run: RunView) -> Mapping[str, Any]:
    """A phase that was still open when its run ended was cut off; one that began after is being tried again."""
    is_cut_off = row["state"] == "running" and run.finished_at is not None and row["started_at"] < run.finished_at
    return {**row, "state": "failed"} if is_cut_off else row


def _phases(rows: Sequence[Mapping[str, Any]], evidence: Sequence[Mapping[str, Any]]) -> tuple[PhaseView, ...]:
    by_phase = {row["phase"]: row for row in rows}
    by_criterion = {(row["phase"], row["criterion"]): row for row in evidence}
    return tuple(_phase(phase, by_phase.get(phase), by_criterion) for phase in Phase)


def _phase(
    phase: Phase, row: Mapping[str, Any] | None, evidence: Mapping[tuple[str, str], Mapping[str, Any]]
) -> PhaseView:
    started_at = row["started_at"] if row else None
    state = row["state"] if row else "pending"
    found = {name: evidence.get((phase.value, name)) for name in phase.criteria}
    if state == "running":  # evidence of an earlier try says nothing about this one
        found = {name: kept if kept and kept["checked_at"] >= started_at else None for name, kept in found.items()}
    return PhaseView(
        name=phase.value,
        deliverable=phase.deliverable,
        state=state,
        started_at=started_at,
        finished_at=row["finished_at"] if row else None,
        criteria=tuple(_criterion(name, kept) for name, kept in found.items()),
    )


def _criterion(name: str, row: Mapping[str, Any] | None) -> CriterionView:
    if row is None:
        return CriterionView(name=name)
    texts = ("expected", "found", "how_measured", "likely_cause", "next_step", "operation_id", "section", "checked_at")
    return CriterionView(
        name=name,
        state="passed" if row["is_passed"] else "failed",
        details=row["details"],
        **{text: row[text] for text in texts},
    )
