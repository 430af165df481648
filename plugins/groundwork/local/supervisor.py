"""Brings the one-machine deployment up and down: PostgreSQL, its databases, the schemas, Airflow, pools, the data API.

Each call finds out what is already right and leaves it; whatever died, hangs on an old setting or was interrupted is
made again. It ends only processes it started, which it knows by their records.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.local import process
from groundwork.local.components import (
    Component,
    airflow_health,
    components,
    http_status,
    is_heartbeat_fresh,
)
from groundwork.local.connections import write_connections
from groundwork.local.databases import create_databases
from groundwork.local.environment import CLEARING_USER, password, process_environment, write_settings
from groundwork.local.layout import Layout
from groundwork.local.lock import operation_lock
from groundwork.local.pools import make_pools
from groundwork.local.ports import Ports, choose, remembered
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.local.schemas import migrate_airflow, migrate_store
from groundwork.local.steps import Steps
from groundwork.model.errors import ConfigError, FatalError, RetriableError

_HEALTHY_WITHIN_SECONDS = 240.0  # a busy two-core machine needs about a minute
_LEAST_FREE_BYTES = 500_000_000
_POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The deployment whose state lies in `layout`."""

    layout: Layout

    def server(self, ports: Ports) -> EmbeddedPostgres:
        """The deployment's PostgreSQL."""
        return EmbeddedPostgres(home=self.layout.postgres, port=ports.postgres)

    def ports(self) -> Ports:
        """The ports in use. Raises: ConfigError before the first start."""
        found = remembered(self.layout)
        if found is None:
            raise ConfigError(
                "nothing is installed here", where=str(self.layout.home), next_step="groundwork up, or make demo"
            )
        return found

    def record(self, component: str) -> process.Record | None:
        """What is known of a component's process, null when it was never started or was stopped."""
        return process.read(self._record_path(component))

    def dead(self) -> list[str]:
        """Names of the parts that should run and do not, PostgreSQL first."""
        ports = self.ports()
        server = [] if self.server(ports).pid() is not None else ["postgresql"]
        return server + [one.name for one in components(self.layout, ports) if not self._is_alive(one.name)]

    def up(self, steps: Steps) -> Ports:
        """Start everything that does not run, and return when all of it answers.

        Raises: ConfigError, RetriableError or FatalError with the log to read when something does not come up.
        """
        self.layout.prepare()
        with operation_lock(self.layout.run / "operation.lock", "up", steps.note):
            self._check_disk()
            ports = self._choose_ports(steps)
            self._start_postgres(ports, steps)
            digest = write_settings(self.layout, ports)
            write_connections(self.layout, ports, (CLEARING_USER, password(self.layout, CLEARING_USER)))
            self._migrate(ports, steps)
            self._start_components(ports, digest, steps)
            with steps.step("pools of sources") as step:
                made = make_pools(self.layout, ports)
                step.outcome = f"made {', '.join(made)}" if made else "none missing"
        return ports

    def down(self, steps: Steps) -> int:
        """End every process of the deployment and return how many there were; idempotent."""
        if not self.layout.run.exists():
            return 0
        with operation_lock(self.layout.run / "operation.lock", "down", steps.note):
            ended = 0
            for names in (("scheduler", "dag-processor", "triggerer", "data-api"), ("api-server",)):
                with steps.step(", ".join(names)) as step:
                    count = self._stop(names)
                    step.outcome = f"stopped, {count} processes" if count else "not running"
                    ended += count
            with steps.step("PostgreSQL") as step:
                ports = remembered(self.layout)
                was_running = ports is not None and self.server(ports).stop()
                step.outcome = "stopped" if was_running else "not running"
            return ended + int(was_running)

    def erase(self, steps: Steps) -> None:
        """End everything and delete all state of this deployment: databases, passwords, logs. There is no way back."""
        self.down(steps)
        ports = remembered(self.layout)
        if ports is not None:
            shutil.rmtree(self.server(ports).place, ignore_errors=True)
        shutil.rmtree(self.layout.home, ignore_errors=True)

    def _check_disk(self) -> None:
        free = self.layout.free_bytes()
        if free < _LEAST_FREE_BYTES:
            raise ConfigError(
                "the disk is almost full",
                where=str(self.layout.home),
                expected=f"at least {_LEAST_FREE_BYTES // 1_000_000} MB free",
                found=f"{free // 1_000_000} MB",
                next_step="free some space, or set GROUNDWORK_HOME to a folder on another disk",
            )

    def _choose_ports(self, steps: Steps) -> Ports:
        """The ports; those our living processes hold count as ours, and what a killed leader left is ended first."""
        self._stop(name for name in self._recorded() if (record := self.record(name)) and record.leader is None)
        before = remembered(self.layout)
        if before is None:
            return choose(self.layout, notice=steps.note)
        own = {self.server(before).running_port() or 0}
        own |= {before.airflow} if self._is_alive("api-server") else set()
        own |= {before.api} if self._is_alive("data-api") else set()
        return choose(self.layout, own, steps.note)

    def _start_postgres(self, ports: Ports, steps: Steps) -> None:
        server = self.server(ports)
        with steps.step("PostgreSQL") as step:
            step.outcome = f"{'started' if server.start() else 'already running'} on port {ports.postgres}"
        with steps.step("databases") as step:
            made = create_databases(server, self.layout)
            step.outcome = f"made {', '.join(made)}" if made else "already there"

    def _migrate(self, ports: Ports, steps: Steps) -> None:
        with steps.step("Airflow's schema") as step:
            step.outcome = "migrated" if migrate_airflow(self.layout, self.server(ports)) else "already current"
        with steps.step("Groundwork's schema") as step:
            step.outcome = "migrated" if migrate_store(self.layout, ports.postgres) else "already current"

    def _start_components(self, ports: Ports, digest: str, steps: Steps) -> None:
        with steps.step("Airflow and data API") as step:
            all_components = components(self.layout, ports)
            started = [one.name for one in all_components if self._ensure_started(one, _digest_for(one, digest))]
            started += self._wait_until_healthy(ports, digest, started)
            if not started:
                step.outcome = "already running"
            else:
                step.outcome = "started" if len(started) > 2 else f"started {', '.join(started)}"

    def _ensure_started(self, component: Component, digest: str) -> bool:
        record = self.record(component.name)
        if record is not None and record.leader is not None:
            if record.digest == digest:
                return False
            process.stop([record])
        process.start(
            component.command,
            environment=process_environment(self.layout),
            folder=self.layout.airflow,
            log=self.layout.logs / f"{component.name}.log",
            record=self._record_path(component.name),
            digest=digest,
        )
        return True

    def _wait_until_healthy(self, ports: Ports, digest: str, started: Sequence[str]) -> list[str]:
        """Wait for all; names of those started meanwhile.

        One that ran already and ends now had lost its database before this call, and is started again.
        """
        revived: list[str] = []
        database_since = self.server(ports).started_at()
        waiting = {component.name: component for component in components(self.layout, ports)}
        deadline = time.monotonic() + _HEALTHY_WITHIN_SECONDS
        while waiting:
            health = airflow_health(ports)
            for component in list(waiting.values()):
                record = self.record(component.name)
                if record is None or record.leader is None:
                    if component.name in (*started, *revived):
                        raise _stopped(component, self.layout)
                    revived.append(component.name)
                    self._ensure_started(component, _digest_for(component, digest))
                elif self._is_healthy(component, record, health, database_since):
                    del waiting[component.name]
            if waiting and time.monotonic() > deadline:
                name = min(waiting)
                raise RetriableError(
                    f"not everything answers after {_HEALTHY_WITHIN_SECONDS:.0f} seconds",
                    where=str(self.layout.logs / f"{name}.log"),
                    found=", ".join(waiting),
                    next_step="read the log; groundwork up goes on from here",
                )
            if waiting:
                time.sleep(_POLL_SECONDS)
        return revived

    def _is_healthy(
        self, component: Component, record: process.Record, health: Mapping[str, Any], database_since: float
    ) -> bool:
        if component.url is not None:
            return http_status(component.url) == 200
        return is_heartbeat_fresh(health, component, record.created_at, database_since)

    def _is_alive(self, name: str) -> bool:
        record = self.record(name)
        return record is not None and record.leader is not None

    def _stop(self, names: Iterable[str]) -> int:
        paths = [self._record_path(name) for name in names]
        records = [record for path in paths if (record := process.read(path)) is not None]
        ended = process.stop(records)
        for path in paths:
            path.unlink(missing_ok=True)
        return ended

    def _recorded(self) -> list[str]:
        return [path.name.removesuffix(".process.json") for path in self.layout.run.glob("*.process.json")]

    def _record_path(self, component: str) -> Path:
        return self.layout.run / f"{component}.process.json"


def _digest_for(component: Component, settings: str) -> str:
    return f"{settings} {component.declarations} {' '.join(component.command)}"


def _stopped(component: Component, layout: Layout) -> FatalError:
    log = layout.logs / f"{component.name}.log"
    return FatalError(
        f"{component.name} ended by itself",
        where=str(log),
        found=process.tail(log),
        next_step="repair what the log names, then run groundwork up again",
    )
