"""One load in parts that are carried out side by side, as mapped tasks are.

`together`: the parts fill the waiting tables of one load at once, and one publication makes all of them visible.
`each`: every part is a load of its own with its own books, visible as soon as it is done. The first hides a half-loaded
table from readers and costs the publication; the second is as fast as the connections are many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow import ledger
from groundwork.flow.books import LoadResult
from groundwork.flow.faults import database_faults
from groundwork.flow.loads.direct import load_directly
from groundwork.flow.loads.fill import fill
from groundwork.flow.loads.job import Job
from groundwork.flow.loads.load import declared_rows, load_through_staging, make_job
from groundwork.flow.loads.progress import Progress
from groundwork.flow.loads.publication import publish
from groundwork.flow.loads.session import load_session
from groundwork.flow.loads.staging import PartState
from groundwork.flow.loads.waiting import BeforePublish
from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.source import BATCH_ROWS
from groundwork.flow.sources.parts import named_part
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PartedLoad:
    """A load of `table` that is cut into about `wanted` parts; the same facts cut it the same way again.

    `source_override` takes the place of the declared source; `before_publish` judges what waits in all parts.
    """

    engine: Engine
    domain: Domain
    table: TableContract
    project: Path
    run_id: str
    wanted: int
    window: Window | None = None
    resources: Resources | None = None
    source_override: Source | None = None
    target_schema: str | None = None
    batch_rows: int = BATCH_ROWS
    progress: Callable[[Progress], None] | None = None
    before_publish: BeforePublish | None = None

    @property
    def schema(self) -> str:
        """Where the table stands."""
        return self.target_schema or self.table.schema

    @property
    def name(self) -> str:
        """`schema.table` where it stands."""
        return f"{self.schema}.{self.table.name}"

    def plan(self) -> tuple[str, ...]:
        """Make the waiting tables ready and return the descriptions of the parts, in order.

        Parts of an earlier try that are still good are kept.
        Raises: as `load_table`.
        """
        with database_faults(self.name), load_session(self.engine, self.name) as connection:
            job, parts = self._open(connection)
            plan = job.plan(parts)
            with connection.begin():
                states = job.area.states(connection)
                if plan is None or {state.plan for state in states} != {plan}:
                    job.area.begin(connection, plan or "", [part.description for part in parts])
            return tuple(part.description for part in parts)

    def cut(self) -> tuple[str, ...]:
        """The descriptions of the parts, in order, for those who `load` each on its own; nothing is made ready.

        Raises: as `load_table`.
        """
        with database_faults(self.name), load_session(self.engine, self.name, is_shared=True) as connection:
            _, parts = self._open(connection)
            return tuple(part.description for part in parts)

    def stage(self, part: str) -> PartState:
        """Fill the waiting table of one part, from where its last try stopped.

        Raises: ConfigError when the plan knows no such part; else as `load_table`.
        """
        with database_faults(self.name), load_session(self.engine, self.name, is_shared=True) as connection:
            source = self._source(connection)
            job, found = self._job(source), named_part(source, self.wanted, part)
            with connection.begin():
                states = {state.description: state for state in job.area.states(connection)}
            if part not in states or found is None:
                raise _unknown(self.name, part, sorted(states))
            return fill(connection, job, found, states[part])

    def publish(self) -> LoadResult:
        """Publish all parts in one transaction and return the books of the whole load.

        Raises: ConfigError when a part is not complete; else as `load_table`.
        """
        started = time.monotonic()
        with database_faults(self.name), load_session(self.engine, self.name) as connection:
            job = self._job(self._source(connection))
            with connection.begin():
                states = job.area.states(connection)
            waiting = [state.description for state in states if not state.is_complete]
            if waiting or not states:
                raise ConfigError(
                    "not all parts of the load are there",
                    where=self.name,
                    expected=f"{len(states)} complete parts" if states else "a plan with its parts",
                    found="still to do: " + ", ".join(waiting or ["all of them"]),
                    next_step="run the tasks of these parts again (or plan the load), then publish",
                )
            return publish(connection, job, states, started)

    def load(self, part: str) -> LoadResult:
        """Load one part as a load of its own, beside the others.

        Raises: as `stage`.
        """
        started = time.monotonic()
        with database_faults(self.name), load_session(self.engine, self.name, is_shared=True) as connection:
            job = self._part_job(connection, part)
            result = load_directly(connection, job, started, is_part=True)
        if result is not None:
            return result
        with database_faults(self.name), load_session(self.engine, self.name) as connection:
            return load_through_staging(connection, self._part_job(connection, part), started)

    def _part_job(self, connection: Connection, part: str) -> Job:
        source = self._source(connection)
        found = named_part(source, self.wanted, part)
        if found is None:
            raise _unknown(self.name, part, [each.description for each in source.parts(self.wanted)])
        return self._job(found)

    def _open(self, connection: Connection) -> tuple[Job, tuple[Source, ...]]:
        source = self._source(connection)
        return self._job(source), tuple(source.parts(self.wanted))

    def _source(self, connection: Connection) -> Source:
        with connection.begin():
            ledger.ensure(connection)
        return self.source_override or declared_rows(
            connection,
            self.engine,
            self.domain,
            self.table,
            project=self.project,
            schema=self.schema,
            run_id=self.run_id,
            batch_rows=self.batch_rows,
            resources=self.resources,
            window=self.window,
        )

    def _job(self, source: Source) -> Job:
        return make_job(
            self.domain,
            self.table,
            source,
            schema=self.schema,
            run_id=self.run_id,
            window=self.window,
            progress=self.progress,
            before_publish=self.before_publish,
        )


def _unknown(name: str, part: str, known: Sequence[str]) -> ConfigError:
    return ConfigError(
        "the load has no such part",
        where=name,
        expected=", ".join(known),
        found=part,
        next_step="plan the parts again: the source or the contract changed meanwhile",
    )
