"""Operators of the phase `data_integration`: rows are loaded, transformed and validated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from groundwork.model.lineage import Lineage
from groundwork.operators.assets import CHANGED_TABLES, DOMAIN_STAGES, VALIDATED, announce, table_asset
from groundwork.operators.follow import followed
from groundwork.operators.load_gate import load_gate
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import names_in
from groundwork.operators.task_progress import progress_listener

LOAD_COLOUR = "#f3e3c9"

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.contracts.contract import Domain, TableContract
    from groundwork.flow.books import LoadResult


class Loading(GroundworkOperator):
    """What every operator that loads tables shares: resources and progress before, decisions and lineage after."""

    ui_color = LOAD_COLOUR

    def load(self, context: Context, domain: Domain, table: TableContract, **options: Any) -> LoadResult:
        """Load one table, and tell how far it is in the log; `options` are those of `load_table`."""
        from groundwork.flow.loads.load import load_table
        from groundwork.operators.resources import airflow_resources

        judge = load_gate(self.settings, domain, table, self.connection_id, self.store_connection_id)
        return load_table(
            self.warehouse,
            domain,
            table,
            project=self.settings.project,
            run_id=str(context["run_id"]),
            progress=progress_listener(self.log, context),
            resources=airflow_resources(self.settings.project),
            before_publish=judge,
            **options,
        )

    def keep(self, context: Context, domain: Domain, table: TableContract, result: LoadResult) -> Lineage:
        """Log the books, keep the decisions behind the rows, and return the lineage; an empty one when it fails."""
        from groundwork.contracts.derive.dataset import load_lineage

        self.log.info("%s", result)
        self._keep_decisions(domain, table, str(context["run_id"]))
        self._tell_age(domain, table)
        rows = result.loaded + result.updated
        try:
            return load_lineage(self.warehouse.url, domain, table, project=self.settings.project, row_count=rows)
        except Exception:  # whatever it is: the rows are in the table, and a task that fails now would be a lie
            self.log.exception("the lineage of %s cannot be told; the load itself is done", table.qualified_name)
            return Lineage()

    def _tell_age(self, domain: Domain, table: TableContract) -> None:
        """Mark what was made from a kept answer of an API, and clear the marks when the API itself answered."""
        if (table.source or {}).get("kind") != "http":
            return
        from groundwork.operators.resources import airflow_resources
        from groundwork.operators.tries.staleness import after_load, served_at

        at = served_at(airflow_resources(self.settings.project), table)
        after_load(lambda: self.store, domain, table, served_at=at, project=self.settings.project)

    def _keep_decisions(self, domain: Domain, table: TableContract, run_id: str) -> None:
        """Store the decisions behind the rows, so that a row's `decision_id` leads somewhere."""
        from groundwork.flow.sources.computed import decisions_behind
        from groundwork.store.decision import Decisions

        # groundwork: allow own_session hands a connection to an engine room, which does the work
        with self.warehouse.connect() as connection:
            decisions = decisions_behind(connection, domain, table)
        for decision in decisions:
            Decisions(self.store).record(replace(decision, operation_id=self.operation.id, run_id=run_id))


class LoadOperator(Loading):
    """Load tables from their declared sources, in the order given; each table is one transaction.

    Rows that break their contract go to quarantine with every reason. The same run twice changes nothing.

    When it is mapped, name `outlets=[CHANGED_TABLES]` in `partial` as well: a mapped operator is only made in its task,
    and an alias that Airflow first hears of from two tasks at once fails one of them (unique key, Airflow 3.3.2).

    :param tables: names of tables of the domain (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "tables")

    def __init__(self, *, tables: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**{"outlets": [CHANGED_TABLES], **kwargs})
        self.tables = tables

    def source_connections(self) -> tuple[str, ...]:
        """The connections that its tables are loaded from."""
        domain = self.contracts
        found = [(domain.table(name).source or {}).get("connection") for name in self.tables]
        return tuple(dict.fromkeys(str(each) for each in found if each))

    def run(self, context: Context) -> list[dict[str, Any]]:
        """Return the books of each table: read = loaded + updated + unchanged + quarantined + duplicates."""
        domain = self.contracts
        books = []
        lineages: list[Lineage] = []
        for name in self.tables:
            domain, table = followed(self, context, domain, domain.table(name))
            result = self.load(context, domain, table)
            lineages.append(self.keep(context, domain, table, result))
            books.append(result.to_json())
            if result.loaded or result.updated:
                asset = table_asset(table.schema, table.name, self.connection_id)
                extra: dict[str, Any] = {"loaded": result.loaded, "updated": result.updated}
                context["outlet_events"][CHANGED_TABLES].add(asset, extra=extra)
        self.lineage = merge(lineages)
        return books


class PlanLoadsOperator(GroundworkOperator):
    """Group the tables that have a source into chains that can be loaded side by side.

    :param kind: `file` for what comes from outside, `computed` for what is made from loaded tables
    """

    def __init__(self, *, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def run(self, context: Context) -> list[list[str]]:
        """Return lists of table names; within a list order matters, between lists it does not."""
        from groundwork.flow.loads.order import load_chains

        return [[table.name for table in chain] for chain in load_chains(self.contracts, self.kind)]


class ValidateDataOperator(GroundworkOperator):
    """Run every suite on the domain's tables, store the results and the scores.

    :param stage: `before_load`, `after_load`, `after_transform` or `scheduled`
    :param must_pass: fail when a check of severity error fails; else announce the domain as validated
    :param tables: names of tables; empty for all of the domain (templated; text with commas is understood)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "tables")
    ui_color = "#e3d9f0"

    def __init__(self, *, stage: str, must_pass: bool = True, tables: str | Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**{"outlets": [DOMAIN_STAGES], **kwargs})
        self.stage = stage
        self.must_pass = must_pass
        self.tables = tables

    def run(self, context: Context) -> dict[str, Any]:
        """Return the number of checks, of failures, and the score of each table."""
        from groundwork.contracts.derive.dataset import table_dataset
        from groundwork.operators.resources import airflow_resources
        from groundwork.quality.run import validate_domain

        domain = self.contracts
        outcome = validate_domain(
            self.warehouse,
            self.store,
            domain,
            expectations=self.settings.expectations,
            run_id=str(context["run_id"]),
            stage=self.stage,
            tables=names_in(self.tables) or None,
            project=self.settings.project,
            resources=airflow_resources(self.settings.project),
        )
        self.log.info("%s", outcome.to_text())
        inputs = tuple(table_dataset(self.warehouse.url, table) for table in domain.tables)
        self.lineage = Lineage(inputs=inputs, assertions=tuple(outcome.results))
        if self.must_pass:
            outcome.raise_if_failed()
        if self.must_pass and self.stage != "after_transform":  # marts are none of the domain's tables
            announce(context, self.domain, VALIDATED, self.connection_id)
        return outcome.to_json()


def merge(lineages: Sequence[Lineage]) -> Lineage:
    """One lineage of several steps; datasets keep the order in which they first came."""
    return Lineage(
        inputs=tuple(dict.fromkeys(dataset for one in lineages for dataset in one.inputs)),
        outputs=tuple(dict.fromkeys(dataset for one in lineages for dataset in one.outputs)),
        column_sources={key: value for one in lineages for key, value in one.column_sources.items()},
        assertions=tuple(result for one in lineages for result in one.assertions),
    )
