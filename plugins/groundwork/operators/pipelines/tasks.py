"""The tasks of a pipeline: look before the load, load (whole or in parts), validate after it, tell who waits."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from groundwork.flow.pipelines.catalogue import pipeline_domain
from groundwork.flow.pipelines.pipeline import DEFAULT_POOL
from groundwork.model.errors import ConfigError, SkippableError
from groundwork.operators.assets import table_asset
from groundwork.operators.follow import followed
from groundwork.operators.integration import LOAD_COLOUR, Loading
from groundwork.operators.load_gate import load_gate
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.pipelines.run import is_asked, run_window
from groundwork.operators.task_progress import progress_listener

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from groundwork.contracts.contract import Domain, TableContract
    from groundwork.flow.loads.parallel import PartedLoad
    from groundwork.flow.window import Window


class PipelineOperator(GroundworkOperator):
    """Root of a pipeline's tasks.

    :param table: the table, `schema.name`
    :param cron: the expression that cuts partitions, null where a run is none
    :param watermark_type: type of the column that a range is about
    :param parallel: how many tasks load side by side
    """

    def __init__(
        self,
        *,
        table: str,
        cron: str | None = None,
        watermark_type: str | None = None,
        parallel: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.cron = cron
        self.watermark_type = watermark_type
        self.parallel = parallel

    @cached_property
    def contracts(self) -> Domain:
        """The part of the domain that this table needs: a broken contract elsewhere does not matter."""
        return pipeline_domain(self.settings.contracts, self.domain, self.table)

    @property
    def contract(self) -> TableContract:
        """The table's own contract."""
        return self.contracts.table(self.table)

    def source_connections(self) -> tuple[str, ...]:
        """The connection that the table is loaded from, where it has one."""
        found = (self.contract.source or {}).get("connection")
        return (str(found),) if found else ()

    def window(self, context: Context) -> Window | None:
        """The range that this run loads."""
        return run_window(context, cron=self.cron, watermark_type=self.watermark_type)

    def parted(self, context: Context) -> PartedLoad:
        """The load, cut into parts."""
        from groundwork.flow.loads.parallel import PartedLoad
        from groundwork.operators.resources import airflow_resources

        return PartedLoad(
            engine=self.warehouse,
            domain=self.contracts,
            table=self.contract,
            project=self.settings.project,
            run_id=str(context["run_id"]),
            wanted=self.parallel,
            window=self.window(context),
            resources=airflow_resources(self.settings.project),
            progress=progress_listener(self.log, context),
            before_publish=load_gate(
                self.settings, self.contracts, self.contract, self.connection_id, self.store_connection_id
            ),
        )


class CheckSourceOperator(PipelineOperator):
    """Look whether everything is there that the load needs: the pool, the table, the source.

    With the parameter `full_refresh` the watermark is forgotten, so that the source is read from its beginning. With
    `dry_run` the source is read and checked, what was found is told, and the rest of the run is skipped.

    :param load_pool: pool of the loading tasks
    :param publishes_each: whether the parts of a load that is cut are loads of their own
    """

    ui_color = "#eef3dc"

    def __init__(self, *, load_pool: str = DEFAULT_POOL, publishes_each: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.load_pool = load_pool
        self.publishes_each = publishes_each

    def run(self, context: Context) -> Any:
        """Return the names of the parts of a load that is cut, else what is going to be loaded."""
        from groundwork.flow.loads.preflight import forget_watermark, require_table

        require_pool(self.load_pool)
        table, window = self.contract, self.window(context)
        # groundwork: allow own_session hands a connection to an engine room, which does the work
        with self.warehouse.begin() as connection:
            require_table(connection, table)
            if is_asked(context, "full_refresh") and not is_asked(context, "dry_run"):
                forget_watermark(connection, table.schema, table.name)
        if is_asked(context, "dry_run"):
            raise SkippableError(str(self._dry_run(context, window)))
        if self.parallel > 1:
            followed(self, context, self.contracts, table, window)  # once, before there are parts
            parted = self.parted(context)
            return list(parted.cut() if self.publishes_each else parted.plan())
        source = self._source()
        self.log.info("%s from %s, range %s", self.table, source.description, window or "since the watermark")
        return {"table": self.table, "source": source.description, "columns": list(source.columns)}

    def _source(self) -> Any:
        """The source, opened so far that its form is known."""
        from groundwork.flow.source import open_source
        from groundwork.operators.resources import airflow_resources

        table = self.contract
        return open_source(
            self.warehouse,
            self.contracts,
            table,
            project=self.settings.project,
            schema=table.schema,
            resources=airflow_resources(self.settings.project),
        )

    def _dry_run(self, context: Context, window: Window | None) -> Any:
        from groundwork.flow.loads.preflight import dry_run
        from groundwork.operators.resources import airflow_resources

        return dry_run(
            self.warehouse,
            self.contracts,
            self.contract,
            project=self.settings.project,
            window=window,
            resources=airflow_resources(self.settings.project),
            progress=progress_listener(self.log, context),
        )


class LoadTableOperator(Loading, PipelineOperator):
    """Load the table from its source: cast, checked, published in one transaction; the same run twice changes nothing.

    Rows that break the contract go to quarantine with every reason.
    """

    ui_color = LOAD_COLOUR

    def run(self, context: Context) -> dict[str, Any]:
        """Return the books: read = loaded + updated + unchanged + quarantined + duplicates."""
        window = self.window(context)
        domain, table = followed(self, context, self.contracts, self.contract, window)
        result = self.load(context, domain, table, window=window)
        self.lineage = self.keep(context, domain, table, result)
        return result.to_json()


class ValidateTableOperator(PipelineOperator):
    """Run every check of the table, keep the results and the score; fails when a check of severity error fails.

    The table is compared with what this run's load read of its source, where that can be read again.

    Great Expectations runs where somebody wrote a suite for the table; else SQL does, which costs a tenth.
    """

    ui_color = "#e3d9f0"

    def run(self, context: Context) -> dict[str, Any]:
        """Return the number of checks, of failures, and the score."""
        from groundwork.contracts.derive.dataset import table_dataset
        from groundwork.model.lineage import Lineage
        from groundwork.operators.resources import airflow_resources
        from groundwork.quality.run import validate_domain

        domain, with_suites = self._domain()
        table = domain.table(self.table)
        outcome = validate_domain(
            self.warehouse,
            self.store,
            domain,
            expectations=self.settings.expectations,
            run_id=str(context["run_id"]),
            stage="after_load",
            tables=[self.table],
            use_great_expectations=with_suites,
            project=self.settings.project,
            resources=airflow_resources(self.settings.project),
        )
        self.log.info("%s", outcome.to_text())
        self.lineage = Lineage(inputs=(table_dataset(self.warehouse.url, table),), assertions=tuple(outcome.results))
        outcome.raise_if_failed()
        return outcome.to_json()

    def _domain(self) -> tuple[Domain, bool]:
        """The domain, and whether a suite was written for the table; the part of it when another contract is broken."""
        from groundwork.contracts.read import read_domain

        if not has_suite(self.settings.expectations, self.domain, self.contract):
            return self.contracts, False
        return read_domain(self.domain, self.settings.contracts), True  # a suite may be about any table of the domain


class AnnounceTableOperator(PipelineOperator):
    """Tell the Dags that wait for this table that it was loaded and is good; the event says what changed.

    :param loaded_by: task whose books the event carries
    """

    ui_color = "#dcefe9"

    def __init__(self, *, loaded_by: str, table: str, **kwargs: Any) -> None:
        schema, _, name = table.partition(".")
        asset = table_asset(schema, name)
        super().__init__(**{"table": table, "outlets": [asset], **kwargs})
        self.loaded_by = loaded_by
        self.asset = asset

    def run(self, context: Context) -> dict[str, Any]:
        """Return what the event carries: the counts of the books."""
        books = context["ti"].xcom_pull(task_ids=self.loaded_by) or {}
        extra = {name: books.get(name, 0) for name in ("load_id", "loaded", "updated", "quarantined")}
        context["outlet_events"][self.asset].extra.update(extra)
        return extra


def has_suite(folder: Path, domain: str, table: TableContract) -> bool:
    """Whether somebody wrote a suite for the table as it stands after a load; a file that cannot be read may be one."""
    from groundwork.quality.suites import concerns_table

    return any(concerns_table(path, domain, table) for path in sorted(folder.glob("*.json")))


def require_pool(name: str) -> None:
    """Return when the pool is there; without it the load would wait for ever and nobody would know why.

    Raises: ConfigError when Airflow has no such pool.
    """
    if name == DEFAULT_POOL:
        return
    from groundwork.operators.airflow_api import pool_names

    known = pool_names()
    if known is not None and name not in known:
        raise ConfigError(
            "the pool of this source is not there, so its load would never start",
            where=f"pool {name}",
            expected="one of " + ", ".join(sorted(known)),
            next_step="groundwork pools --create, or groundwork up on one machine",
        )
