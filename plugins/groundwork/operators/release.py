"""Operators of a release: each gate measured in a task of its own, and the decision that lets pass or blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundwork.operators.connections import scratch_engine
from groundwork.operators.operator import GroundworkOperator
from groundwork.store.release import Releases

if TYPE_CHECKING:
    from airflow.sdk import Context


class OpenReleaseOperator(GroundworkOperator):
    """Record that a release begins to be measured."""

    def run(self, context: Context) -> str:
        """Return the release's id, Dag id and run id with a slash between."""
        run_id = release_id(context)
        Releases(self.store).start(run_id, self.domain, self.actor(context))
        return run_id


class ReleaseGateOperator(GroundworkOperator):
    """Measure one gate of a release on the live system and keep the verdict; a closed gate does not fail this task.

    :param gate: `schema_reviewed`, `migration_tested`, `performance_tested`, `data_validated` or `backup_verified`
    """

    ui_color = "#c9e4d2"

    def __init__(self, *, gate: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate

    def run(self, context: Context) -> dict[str, Any]:
        """Return whether the gate is open, and what was found."""
        from groundwork.foundation.release.gates import measure_gate
        from groundwork.foundation.release.subject import ReleaseSubject

        subject = ReleaseSubject(
            domain=self.contracts,
            contracts=self.settings.contracts,
            warehouse=self.warehouse,
            store=self.store,
            scratch=scratch_engine(self.connection_id),
            target=self.connection_id,
        )
        result = measure_gate(subject, self.gate, run_id=release_id(context))
        self.log.info("%s: expected %s; found %s", self.gate, result.expected, result.found)
        return {"is_passed": result.passed, "found": result.found}


class DecideReleaseOperator(GroundworkOperator):
    """Let the release pass when every gate does, or a person overrode it; else fail, and say why.

    :param gates: the gates that must be open
    """

    def __init__(self, *, gates: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gates = gates

    def run(self, context: Context) -> dict[str, Any]:
        """Return the decision with each gate's verdict."""
        from groundwork.foundation.release.gates import decide

        decision = decide(
            self.store, self.domain, run_id=release_id(context), actor=self.actor(context), gates=tuple(self.gates)
        )
        self.log.info("%s", decision.to_text())
        decision.raise_if_blocked()
        return decision.to_json()


def release_id(context: Context) -> str:
    """The id of this run's release, unique over all Dags."""
    instance = context["ti"]
    return f"{instance.dag_id}/{instance.run_id}"
