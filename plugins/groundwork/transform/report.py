"""What a run of dbt did, as values: models, tests, seconds, rows, and lineage down to columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

GOOD = frozenset({"success", "pass", "warn", "skipped", "no-op"})


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A column that another is made from; `how` is `identity` for an unchanged copy, else `expression`."""

    unique_id: str
    column: str
    how: str


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """One model, snapshot or seed; `status` is dbt's word, `materialized` tells the kinds apart.

    `row_count` is the rows it wrote (null for views and for what did not run), `parents` are the dbt ids of what it
    reads (`model.…`, `source.…`), `relation` is `schema.name`, `columns` (name, type) as described, with an empty type
    where none is declared, `sql` the statement that was run (null when it did not compile), `started_at` and
    `finished_at` are UTC in ISO 8601 (null for what did not run).
    """

    unique_id: str
    name: str
    relation: str
    materialized: str
    status: str
    message: str | None
    row_count: int | None
    seconds: float
    parents: tuple[str, ...]
    description: str | None
    columns: tuple[tuple[str, str], ...]
    sql: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """One data test or unit test; `failing_count` is rows (null when it could not run), `model` what it tests.

    `severity` is `error` or `warn`: whether a failure stops what is built from the model.
    """

    __test__ = False  # pytest takes every class of this name for a test

    unique_id: str
    name: str
    model: str | None
    column: str | None
    kind: str
    status: str
    message: str | None
    failing_count: int | None
    seconds: float
    severity: str = "error"


@dataclass(frozen=True, kw_only=True)
class TransformReport:
    """One run of dbt.

    `column_lineage` maps (model id, column) to the columns it is made from; a column that is missing is
    unknown. `unparsed` names the models, or the columns, for which that is so, with the reason.
    """

    models: tuple[ModelResult, ...]
    tests: tuple[TestResult, ...]
    seconds: float
    dbt_version: str
    relations: Mapping[str, str]
    column_lineage: Mapping[tuple[str, str], tuple[Origin, ...]] = field(default_factory=dict)
    unparsed: Mapping[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[ModelResult | TestResult, ...]:
        """Models and tests that did not end well; what was skipped because of them is not among them."""
        results: tuple[ModelResult | TestResult, ...] = (*self.models, *self.tests)
        return tuple(result for result in results if result.status not in GOOD)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The dbt ids of what is not as it should be after this run: failed, skipped, or failed by a test."""
        models = [model.unique_id for model in self.models if model.status not in GOOD - {"skipped"}]
        tested = [test.model for test in self.tests if test.status not in GOOD and test.model]
        return tuple(dict.fromkeys((*models, *tested)))

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Lineage as (relation read, relation made), in order of models."""
        return tuple(
            (self.relations[parent], model.relation)
            for model in self.models
            for parent in model.parents
            if parent in self.relations
        )

    def to_text(self) -> str:
        """Models with their rows, and failures, for a person."""
        lines = [f"dbt {self.dbt_version}: {len(self.models)} models, {len(self.tests)} tests, {self.seconds:.1f} s"]
        lines += [f"  {m.relation}: {m.status}, {m.materialized}, {_rows(m.row_count)}" for m in self.models]
        lines += [f"  {result.name}: {result.status}: {result.message}" for result in self.failures]
        return "\n".join(lines + [f"  lineage unknown: {name}: {why}" for name, why in self.unparsed.items()])

    def to_json(self) -> dict[str, object]:
        """Counts, JSON-ready."""
        return {
            "models": len(self.models),
            "tests": len(self.tests),
            "failures": [result.name for result in self.failures],
            "models_by_status": dict(Counter(model.status for model in self.models)),
            "tests_by_status": dict(Counter(test.status for test in self.tests)),
            "rows": {model.relation: model.row_count for model in self.models if model.row_count is not None},
            "edges": len(self.edges),
            "columns_traced": len(self.column_lineage),
            "columns_untraced": len(self.unparsed),
            "seconds": round(self.seconds, 3),
        }


def _rows(count: int | None) -> str:
    return "a view" if count is None else f"{count:,} rows written"
