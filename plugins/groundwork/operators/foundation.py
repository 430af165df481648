"""Operators of the data foundation's frame: open a run, begin a phase, pass its gate, close the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundwork.foundation.gate import Criterion, Gate, report
from groundwork.model.errors import ConfigError, SkippableError
from groundwork.model.vocabulary import Phase
from groundwork.operators.assets import DOMAIN_STAGES, LOADED, announce
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import is_true
from groundwork.settings import API_CONNECTION
from groundwork.store.audit import AuditTrail
from groundwork.store.foundation import FoundationRuns

if TYPE_CHECKING:
    from airflow.sdk import Context


class OpenRunOperator(GroundworkOperator):
    """Record that a run of the data foundation began.

    :param is_dry_run: when true the run explains what it would do and changes nothing (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "is_dry_run")

    def __init__(self, *, is_dry_run: object = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_dry_run = is_dry_run

    def run(self, context: Context) -> str:
        """Return the run's id."""
        run_id = str(context["run_id"])
        domain = self.contracts
        FoundationRuns(self.store).start(run_id, domain.name, self.connection_id, is_dry_run=is_true(self.is_dry_run))
        self.log.info("domain %s: %d contracts, %d tables", domain.name, len(domain.contracts), len(domain.tables))
        return run_id


class CloseRunOperator(GroundworkOperator):
    """Record how a run of the data foundation ended; runs whatever happened before it."""

    def run(self, context: Context) -> str:
        """Return the state that was recorded: success when no phase failed or was left open."""
        run_id = str(context["run_id"])
        runs = FoundationRuns(self.store)
        states = {row["phase"]: row["state"] for row in runs.phases(run_id)}
        for phase, state in states.items():
            if state == "running":  # a task before the gate failed
                runs.finish_phase(run_id, Phase(phase), is_success=False)
        is_dry_run = any(row["run_id"] == run_id and row["is_dry_run"] for row in runs.latest(self.domain))
        is_success = is_dry_run or all(states.get(phase) == "success" for phase in Phase)
        runs.finish(run_id, is_success=is_success)
        return "success" if is_success else "failed"


class BeginPhaseOperator(GroundworkOperator):
    """Record that a phase began.

    :param phase: which of the three
    """

    def __init__(self, *, phase: Phase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.phase = phase

    def run(self, context: Context) -> str:
        """Return the name of the phase's deliverable."""
        FoundationRuns(self.store).start_phase(str(context["run_id"]), self.phase)
        return self.phase.deliverable


class PhaseGateOperator(GroundworkOperator):
    """Check the success criteria of a phase on the live system, keep the evidence, and pass or fail.

    :param phase: which of the three
    :param api_connection_id: Airflow connection of the data API (templated)
    :param is_dry_run: when true nothing is checked and what follows is skipped (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "api_connection_id", "is_dry_run")
    ui_color = "#c9e4d2"

    def __init__(
        self, *, phase: Phase, api_connection_id: str = API_CONNECTION, is_dry_run: object = False, **kwargs: Any
    ) -> None:
        super().__init__(**{"outlets": [DOMAIN_STAGES], **kwargs})
        self.phase = phase
        self.api_connection_id = api_connection_id
        self.is_dry_run = is_dry_run

    def run(self, context: Context) -> dict[str, Any]:
        """Return each criterion with what was found."""
        if is_true(self.is_dry_run):
            raise SkippableError("a dry run explains and checks nothing; the phases that follow are skipped")
        gate = Gate(
            phase=self.phase,
            domain=self.domain,
            run_id=str(context["run_id"]),
            actor=self.actor(context),
            runs=FoundationRuns(self.store),
            audit=AuditTrail(self.store),
        )
        results = gate.pass_or_fail(self._criteria())
        if self.phase is Phase.DATA_INTEGRATION:
            announce(context, self.domain, LOADED, self.connection_id)
        self.log.info("the gate of %s is open\n%s", self.phase, report(results))
        return {result.criterion: result.found for result in results}

    def _criteria(self) -> list[Criterion]:
        domain, warehouse = self.contracts, self.warehouse
        if self.phase is Phase.SCHEMA_DESIGN:
            from groundwork.foundation import schema_design

            return schema_design.criteria(warehouse, domain, self.settings.contracts)
        if self.phase is Phase.DATA_ACCESS_LAYER:
            from groundwork.foundation import data_access_layer

            return data_access_layer.criteria(self._api_url(), domain, warehouse, self.store)
        from groundwork.foundation import data_integration
        from groundwork.operators.resources import airflow_resources

        project = self.settings.project
        return data_integration.criteria(warehouse, domain, project, airflow_resources(project))

    def _api_url(self) -> str:
        from airflow.sdk import Connection

        found = Connection.get(self.api_connection_id)
        if not found.host or not found.port:
            raise ConfigError(
                f"the connection `{self.api_connection_id}` does not say where the data API is",
                expected="a host and a port",
                next_step="groundwork status",
            )
        return f"{found.schema or 'http'}://{found.host}:{found.port}"
