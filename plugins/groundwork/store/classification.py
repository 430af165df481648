"""Results of classification runs, and the decisions of people that override them.

Grain: `column_classification` one row per run, table and column (a repeated run replaces its rows);
`classification_override` one row per decision, never changed, the latest counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Engine, Float, Index, Integer, Table, Text, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.model.detection import ClassificationComparison, ClassificationOverride
from groundwork.model.vocabulary import Classification, PersonalData
from groundwork.store.base import METADATA, identity, moment

COLUMN_CLASSIFICATION = Table(
    "column_classification",
    METADATA,
    identity(),
    Column("run_id", Text, nullable=False, comment="Airflow run id"),
    Column("domain", Text, nullable=False),
    Column("table_name", Text, nullable=False, comment="schema.table"),
    Column("column_name", Text, nullable=False),
    Column("declared_classification", Text, comment="null: the contract declares none"),
    Column("declared_personal_data", Text, comment="null: declared to hold none"),
    Column("detected_classification", Text, nullable=False, comment="the least that the evidence demands"),
    Column("detected_personal_data", Text, comment="null: none detected"),
    Column("confidence", Float, nullable=False, comment="0..1"),
    Column("evidence", JSONB, nullable=False, comment="rules with shares of sampled values; never a value"),
    Column("sampled", Integer, nullable=False, comment="distinct values looked at"),
    Column("is_agreed", Boolean, nullable=False),
    Column("difference", Text, comment="null when contract and detection agree"),
    Column("overridden_by", Text, comment="person whose decision stands in place of the rules"),
    moment("classified_at"),
    UniqueConstraint("run_id", "domain", "table_name", "column_name"),
    Index(None, "domain", "classified_at"),
)
CLASSIFICATION_OVERRIDE = Table(
    "classification_override",
    METADATA,
    identity(),
    Column("table_name", Text, nullable=False, comment="schema.table"),
    Column("column_name", Text, nullable=False),
    Column("name_pattern", Text, nullable=False, index=True, comment="counts for every column of a like name"),
    Column("personal_data", Text, comment="null: it holds none"),
    Column("classification", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    moment("decided_at"),
)


class ClassificationResults:
    """Repository of classification results and overrides."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, run_id: str, domain: str, comparisons: Sequence[ClassificationComparison]) -> None:
        """Keep the results of a run; recording the same run again replaces them."""
        if not comparisons:
            return
        statement = insert(COLUMN_CLASSIFICATION).values([_row(run_id, domain, found) for found in comparisons])
        keys = {"run_id", "domain", "table_name", "column_name"}
        replaced = {
            column.name: statement.excluded[column.name]
            for column in COLUMN_CLASSIFICATION.columns
            if column.name not in keys | {"id", "classified_at"}
        }
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=sorted(keys), set_={**replaced, "classified_at": func.now()}
                )
            )

    def of_run(self, run_id: str, domain: str) -> list[Mapping[str, Any]]:
        """The results of a run in order of declaration; columns of `column_classification`."""
        query = (
            select(COLUMN_CLASSIFICATION)
            .where(COLUMN_CLASSIFICATION.c.run_id == run_id, COLUMN_CLASSIFICATION.c.domain == domain)
            .order_by(COLUMN_CLASSIFICATION.c.id)
        )
        return self._rows(query)

    def latest(self, domain: str) -> list[Mapping[str, Any]]:
        """The results of the domain's newest run; empty when it was never classified."""
        newest = (
            select(COLUMN_CLASSIFICATION.c.run_id)
            .where(COLUMN_CLASSIFICATION.c.domain == domain)
            .order_by(COLUMN_CLASSIFICATION.c.classified_at.desc(), COLUMN_CLASSIFICATION.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = (
            select(COLUMN_CLASSIFICATION)
            .where(COLUMN_CLASSIFICATION.c.run_id == newest, COLUMN_CLASSIFICATION.c.domain == domain)
            .order_by(COLUMN_CLASSIFICATION.c.id)
        )
        return self._rows(query)

    def record_override(self, override: ClassificationOverride) -> None:
        """Keep a person's decision."""
        with self._engine.begin() as connection:
            connection.execute(
                CLASSIFICATION_OVERRIDE.insert().values(
                    table_name=override.table,
                    column_name=override.column,
                    name_pattern=override.name_pattern,
                    personal_data=override.personal_data,
                    classification=override.classification,
                    reason=override.reason,
                    decided_by=override.decided_by,
                )
            )

    def overrides(self) -> list[ClassificationOverride]:
        """All decisions, the latest first."""
        return [
            ClassificationOverride(
                table=row["table_name"],
                column=row["column_name"],
                name_pattern=row["name_pattern"],
                personal_data=PersonalData(row["personal_data"]) if row["personal_data"] else None,
                classification=Classification(row["classification"]),
                reason=row["reason"],
                decided_by=row["decided_by"],
            )
            for row in self._rows(select(CLASSIFICATION_OVERRIDE).order_by(CLASSIFICATION_OVERRIDE.c.id.desc()))
        ]

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _row(run_id: str, domain: str, comparison: ClassificationComparison) -> dict[str, Any]:
    found = comparison.detection
    return {
        "run_id": run_id,
        "domain": domain,
        "table_name": f"{found.schema}.{found.table}",
        "column_name": found.column,
        "declared_classification": comparison.declared_classification,
        "declared_personal_data": comparison.declared_personal_data,
        "detected_classification": found.classification,
        "detected_personal_data": found.personal_data,
        "confidence": found.confidence,
        "evidence": list(comparison.evidence),
        "sampled": found.sampled,
        "is_agreed": comparison.agrees,
        "difference": comparison.difference,
        "overridden_by": found.overridden_by,
    }
