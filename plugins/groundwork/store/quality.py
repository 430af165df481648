"""Results of quality checks and the scores of tables.

Grain: `check_result` one row per run, stage and check; `quality_score` one per run, stage and table. Both are replaced
when a run repeats a stage. Samples are masked before they come here: no value classified above `internal` is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Engine, Index, Integer, Numeric, Table, Text, and_, func, select
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.model.checks import CheckResult
from groundwork.model.operation import Operation
from groundwork.model.score import TableScore
from groundwork.model.vocabulary import Dimension
from groundwork.store.base import METADATA, identity, moment

_PERCENT = Numeric(6, 3)
CHECK_RESULT = Table(
    "check_result",
    METADATA,
    identity(),
    Column("run_id", Text, nullable=False, comment="Airflow run id"),
    Column("domain", Text, nullable=False),
    Column("stage", Text, nullable=False, comment="before_load, after_load, after_transform or scheduled"),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("check_id", Text, nullable=False, comment="unique within a domain, the same from run to run"),
    Column("columns", JSONB, nullable=False),
    Column("kind", Text, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("engine", Text, nullable=False, comment="great_expectations, sql or dbt"),
    Column("is_passed", Boolean, nullable=False),
    Column("expected", Text, nullable=False),
    Column("observed", Text, nullable=False),
    Column("failing_count", BigInteger, comment="rows; null when the check is on the whole table"),
    Column("row_count", BigInteger, comment="rows of the table at the time"),
    Column("sample", JSONB, nullable=False, comment="a few failing rows, masked"),
    Column("operation_id", Text, nullable=False),
    moment("checked_at"),
    Index(None, "run_id", "stage"),
    Index(None, "domain", "table_name", "check_id", "checked_at"),
)
QUALITY_SCORE = Table(
    "quality_score",
    METADATA,
    identity(),
    Column("run_id", Text, nullable=False, comment="Airflow run id"),
    Column("domain", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("schema_name", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("row_count", BigInteger),
    *(Column(f"{dimension}_pct", _PERCENT, comment="null when not measured") for dimension in Dimension),
    Column("overall_pct", _PERCENT, comment="mean of the measured dimensions; null when none was"),
    Column("check_count", Integer, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("operation_id", Text, nullable=False),
    moment("scored_at"),
    Index(None, "domain", "schema_name", "table_name", "scored_at"),
)
_STEPS = {"before_load": 310, "after_load": 320, "after_transform": 330, "scheduled": 340}


class QualityResults:
    """Repository of check results and scores."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(
        self, run_id: str, domain: str, stage: str, results: Sequence[CheckResult], scores: Sequence[TableScore]
    ) -> None:
        """Keep the outcome of one stage of a run; what the run had for the same tables and stage is replaced."""
        common = {"run_id": run_id, "domain": domain, "stage": str(stage), "operation_id": _operation(domain, stage).id}
        names = sorted({result.check.table for result in results})
        with self._engine.begin() as connection:
            for table in (CHECK_RESULT, QUALITY_SCORE):
                same = (table.c.run_id == run_id) & (table.c.domain == domain) & (table.c.stage == str(stage))
                connection.execute(table.delete().where(same, table.c.table_name.in_(names)))
            if results:
                connection.execute(CHECK_RESULT.insert(), [common | _result_row(result) for result in results])
            if scores:
                connection.execute(QUALITY_SCORE.insert(), [common | _score_row(score) for score in scores])

    def record_checks(self, run_id: str, domain: str, stage: str, results: Sequence[CheckResult]) -> None:
        """Keep results that no score comes of, beside others of the stage; what the run had for the same checks is
        replaced.
        """
        common = {"run_id": run_id, "domain": domain, "stage": str(stage), "operation_id": _operation(domain, stage).id}
        column, ids = CHECK_RESULT.c, [result.check.id for result in results]
        same = (column.run_id == run_id) & (column.domain == domain) & (column.stage == str(stage))
        with self._engine.begin() as connection:
            connection.execute(CHECK_RESULT.delete().where(same, column.check_id.in_(ids)))
            connection.execute(CHECK_RESULT.insert(), [common | _result_row(result) for result in results])

    def results(self, run_id: str, stage: str | None = None, *, only_failed: bool = False) -> list[Mapping[str, Any]]:
        """The results of a run in order of running; columns of `check_result`."""
        query = select(CHECK_RESULT).where(CHECK_RESULT.c.run_id == run_id).order_by(CHECK_RESULT.c.id)
        if stage is not None:
            query = query.where(CHECK_RESULT.c.stage == str(stage))
        if only_failed:
            query = query.where(CHECK_RESULT.c.is_passed.is_(False))
        return self._rows(query)

    def latest_scores(self, domain: str) -> list[Mapping[str, Any]]:
        """The newest score of every table of a domain after its rows came, in order of name; columns of the table."""
        table = QUALITY_SCORE
        query = (
            select(table)
            .where(table.c.domain == domain, table.c.stage != "before_load")
            .distinct(table.c.schema_name, table.c.table_name)
            .order_by(table.c.schema_name, table.c.table_name, table.c.id.desc())
        )
        return self._rows(query)

    def latest_results(
        self, domain: str, *, table_name: str | None = None, only_failed: bool = False
    ) -> list[Mapping[str, Any]]:
        """The results behind the newest score of every table (of one called `table_name`), in order of running;
        columns of `check_result`.
        """
        result, score = CHECK_RESULT, QUALITY_SCORE
        newest = (
            select(score.c.schema_name, score.c.table_name, score.c.run_id, score.c.stage)
            .where(score.c.domain == domain, score.c.stage != "before_load")
            .distinct(score.c.schema_name, score.c.table_name)
            .order_by(score.c.schema_name, score.c.table_name, score.c.id.desc())
            .subquery()
        )
        same = [result.c[name] == newest.c[name] for name in newest.c.keys()]  # noqa: SIM118  not a mapping
        query = select(result).join(newest, and_(*same)).where(result.c.domain == domain).order_by(result.c.id)
        if table_name is not None:
            query = query.where(result.c.table_name == table_name)
        if only_failed:
            query = query.where(result.c.is_passed.is_(False))
        return self._rows(query)

    def check_trends(self, domain: str, check_ids: Sequence[str], limit: int = 30) -> dict[str, list[int]]:
        """Failing rows at the newest `limit` measurements of each check, oldest first, by the check's id; one query.

        A check on the whole table counts 1 when it failed and 0 when it held.
        """
        table = CHECK_RESULT
        place = func.row_number().over(partition_by=table.c.check_id, order_by=table.c.id.desc())
        ranked = (
            select(table.c.id, table.c.check_id, table.c.failing_count, table.c.is_passed, place.label("place"))
            .where(table.c.domain == domain, table.c.check_id.in_(check_ids), table.c.stage != "before_load")
            .subquery()
        )
        found: dict[str, list[int]] = {}
        for row in self._rows(select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.id)):
            counted = row["failing_count"]
            found.setdefault(row["check_id"], []).append(int(not row["is_passed"]) if counted is None else int(counted))
        return found

    def trend(self, domain: str, table_name: str, limit: int = 30) -> list[Mapping[str, Any]]:
        """The newest `limit` scores of one table, oldest first; columns of `quality_score`."""
        table = QUALITY_SCORE
        newest = (
            select(table)
            .where(table.c.domain == domain, table.c.table_name == table_name, table.c.stage != "before_load")
            .order_by(table.c.id.desc())
            .limit(limit)
            .subquery()
        )
        return self._rows(select(newest).order_by(newest.c.id))

    def trends(self, domain: str, limit: int = 30) -> dict[str, list[float | None]]:
        """The newest `limit` overall scores of every table of a domain, oldest first, by `schema.table`; one query."""
        table = QUALITY_SCORE
        place = func.row_number().over(
            partition_by=[table.c.schema_name, table.c.table_name], order_by=table.c.id.desc()
        )
        ranked = (
            select(table, place.label("place"))
            .where(table.c.domain == domain, table.c.stage != "before_load")
            .subquery()
        )
        found: dict[str, list[float | None]] = {}
        for row in self._rows(select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.id)):
            value = row["overall_pct"]
            found.setdefault(f"{row['schema_name']}.{row['table_name']}", []).append(
                None if value is None else float(value)
            )
        return found

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _operation(domain: str, stage: str) -> Operation:
    return Operation(project=domain, name=f"quality {stage}", step=_STEPS.get(str(stage), 300), kind="monitoring")


def _result_row(result: CheckResult) -> dict[str, Any]:
    check = result.check
    return {
        "schema_name": check.schema,
        "table_name": check.table,
        "check_id": check.id,
        "columns": list(check.columns),
        "kind": str(check.kind),
        "dimension": str(check.dimension),
        "severity": str(check.severity),
        "engine": result.engine,
        "is_passed": result.passed,
        "expected": result.expected,
        "observed": result.observed,
        "failing_count": result.failing_count,
        "row_count": result.row_count,
        "sample": [dict(row) for row in result.sample],
    }


def _score_row(score: TableScore) -> dict[str, Any]:
    return {
        "schema_name": score.schema,
        "table_name": score.table,
        "row_count": score.row_count,
        **{f"{dimension}_pct": value for dimension, value in score.dimensions.items()},
        "overall_pct": score.overall_pct,
        "check_count": score.check_count,
        "failed_count": score.failed_count,
    }
