"""The demo: everything up, the foundation of one domain built and proved, and told to a person.

A second call finds everything as the first left it, says so and runs nothing. A call after an interruption goes on with
the interrupted run; when that cannot be saved it starts a fresh one, which does only what is missing.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.local import environment
from groundwork.local.airflow_api import UNFINISHED, AirflowApi, TaskState
from groundwork.local.databases import STORE, WAREHOUSE, database_url
from groundwork.local.declarations import keep_mark, read_mark, reason_to_run
from groundwork.local.layout import Layout
from groundwork.local.lock import operation_lock
from groundwork.local.ports import Ports
from groundwork.local.progress import progress
from groundwork.local.steps import Steps
from groundwork.local.summary import summarise, told, told_failure
from groundwork.local.supervisor import Deployment
from groundwork.local.task_log import failure
from groundwork.local.watch import Outcome, follow, wait_for_dag
from groundwork.model.errors import ConfigError
from groundwork.settings import Settings

DAG = "data_foundation"
_LEAST_FREE_BYTES = 3_000_000_000  # databases, logs and a margin; the installed packages are not counted


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One demo of `domain` on the deployment in `layout`; `write` takes lines for a person."""

    layout: Layout
    domain: str
    write: Callable[[str], None]

    def run(self, *, is_forced: bool = False) -> bool:
        """Do what is missing, all of it when forced, and tell; whether everything is green in the end."""
        steps = Steps(write=self.write)
        self.layout.prepare()
        with operation_lock(self.layout.run / "demo.lock", "demo", steps.note):
            with steps.step("preflight") as step:
                step.outcome = self._preflight()
            deployment = Deployment(layout=self.layout)
            ports = deployment.up(steps)
            domain = read_domain(self.domain, Settings(project=self.layout.project, home=self.layout.home).contracts)
            with self._engines(ports) as (warehouse, store):
                reason = "asked for" if is_forced else reason_to_run(self.layout, domain, warehouse, store)
                if reason is None:
                    return self._tell_nothing_to_do(domain, ports, warehouse, store)
                steps.note(f"foundation of {domain.name}: {reason}")
                outcome = self._build(deployment, ports, steps)
                return self._tell_outcome(outcome, domain, ports, warehouse, store)

    def _preflight(self) -> str:
        free = self.layout.free_bytes()
        if free < _LEAST_FREE_BYTES and not self.layout.is_installed:
            raise ConfigError(
                "the disk has too little space for the demo",
                where=str(self.layout.home),
                expected=f"{_LEAST_FREE_BYTES / 1e9:.0f} GB free",
                found=f"{free / 1e9:.1f} GB",
                next_step="free some space, or set GROUNDWORK_HOME to a folder on another disk",
            )
        return f"Python {platform.python_version()}, {free / 1e9:.0f} GB free"

    @contextlib.contextmanager
    def _engines(self, ports: Ports) -> Iterator[tuple[Engine, Engine]]:
        warehouse = create_engine(database_url(self.layout, ports.postgres, WAREHOUSE), pool_pre_ping=True)
        store = create_engine(database_url(self.layout, ports.postgres, STORE), pool_pre_ping=True)
        try:
            yield warehouse, store
        finally:
            warehouse.dispose()
            store.dispose()

    def _build(self, deployment: Deployment, ports: Ports, steps: Steps) -> Outcome:
        """Run the Dag to its end; an interrupted run is continued, and when it fails for that, a fresh one made."""
        with AirflowApi(ports.airflow_url, "admin", environment.password(self.layout, "admin")) as airflow:
            with steps.step("Dags") as step:
                wait_for_dag(airflow, DAG)
                step.outcome = f"{self._unpause(airflow, is_timed=False)} unpaused"
            outcome = self._run_dag(deployment, airflow, steps)
            if outcome.run.state == "success":
                self._unpause(airflow, is_timed=True)
            return outcome

    def _run_dag(self, deployment: Deployment, airflow: AirflowApi, steps: Steps) -> Outcome:
        interrupted = self._unfinished(airflow)
        if interrupted is not None:
            steps.note(f"going on with the unfinished run {interrupted}")
            outcome = self._follow(deployment, airflow, interrupted, steps)
            if outcome.run.state == "success":
                return outcome
            steps.note("the unfinished run failed; a fresh one goes on from what it reached")
        return self._follow(deployment, airflow, airflow.trigger(DAG, {"domain": self.domain}), steps)

    def _follow(self, deployment: Deployment, airflow: AirflowApi, run_id: str, steps: Steps) -> Outcome:
        steps.note(f"{DAG} {run_id}")
        with steps.step(DAG) as step, progress(self.write) as display:
            outcome = follow(deployment, airflow, DAG, run_id, display=display, steps=steps)
            step.outcome = outcome.run.state
        return outcome

    def _unpause(self, airflow: AirflowApi, *, is_timed: bool) -> int:
        """Let Dags run: those that the clock alone starts only when the foundation stands, or they slow it.

        Those that wait for an asset are let run before, because Airflow keeps no event for a paused Dag.
        """
        chosen = [dag["dag_id"] for dag in airflow.dags() if dag["is_paused"] and _is_timed(dag) is is_timed]
        for dag_id in chosen:
            airflow.unpause(dag_id)
        return len(chosen)

    def _unfinished(self, airflow: AirflowApi) -> str | None:
        runs = [run for run in airflow.runs(DAG) if run.conf.get("domain", self.domain) == self.domain]
        return next((run.run_id for run in runs if run.state in UNFINISHED), None)

    def _tell_nothing_to_do(self, domain: Domain, ports: Ports, warehouse: Engine, store: Engine) -> bool:
        mark = read_mark(self.layout, domain)
        self.write(f"  {DAG:<24} nothing to do: declarations, schema and rows are as its last run left them")
        if mark is not None:
            self._tell_all(told(summarise(self.layout, domain, mark.run_id, warehouse, store)))
        self._tell_addresses(ports)
        return True

    def _tell_outcome(self, outcome: Outcome, domain: Domain, ports: Ports, warehouse: Engine, store: Engine) -> bool:
        summary = summarise(self.layout, domain, outcome.run.run_id, warehouse, store)
        is_green = outcome.run.state == "success" and not summary.failed_criteria
        self._tell_all(told(summary))
        if is_green:
            keep_mark(self.layout, domain, outcome.run.run_id, warehouse)
        else:
            self.write(f"\nthe run {outcome.run.run_id} did not succeed")
            self._tell_all(told_failure(summary.failed_criteria))
            for task in outcome.tasks:
                if task.state == "failed":
                    self._tell_task(outcome.run.run_id, task)
        self._tell_addresses(ports)
        return is_green

    def _tell_task(self, run_id: str, task: TaskState) -> None:
        found = failure(self.layout, DAG, run_id, task)
        self.write(f"✗ task {task.label}")
        if found.error:
            self.write("    " + found.error.replace("\n", "\n    "))
        self.write(f"    log: {found.log or 'none'}")

    def _tell_all(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def _tell_addresses(self, ports: Ports) -> None:
        self.write(f"\nAirflow   {ports.airflow_url}")
        self.write(f"          user admin, password by `groundwork password` (kept in {self.layout.login_passwords})")
        self.write(f"data API  {ports.api_url}/api/v1, with a key from `groundwork api-key issue`")
        self.write("stop with `make down`, look with `make status`")


def _is_timed(dag: Mapping[str, Any]) -> bool:
    """Whether only the clock starts a Dag."""
    summary = dag["timetable_summary"] or ""
    return bool(summary) and not summary.startswith("Asset")
