"""The neutral check specification: what a contract asks of its data, before any engine is chosen.

Contract → checks → {Great Expectations suite, SQL, dbt tests, row checks while loading} → one result type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundwork.model.vocabulary import CheckKind, Dimension, Severity


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check on one table.

    `columns` is empty for table-level checks. `arguments` by kind: `in_set` values; `between` minimum, maximum,
    exclusive_minimum, exclusive_maximum (each optional); `length` minimum, maximum; `matches` pattern (as declared) and
    postgresql_pattern; `references` schema, table, columns; `expression` sql (a boolean over the row, true when good);
    `row_count` minimum, maximum; `freshness` column (null: the last load counts),
    maximum_age_seconds; `query` sql (one SELECT of one value) and
    accepts (a `Comparison`); `expectation` type, kwargs (of Great Expectations). A check on rows may carry `accepts`
    and unit (`rows` or `percent`): the comparison that its number of failing rows must satisfy, in place of = 0.
    `id` is unique within a domain and stable across runs.
    """

    id: str
    schema: str
    table: str
    columns: tuple[str, ...] = ()
    kind: CheckKind
    arguments: Mapping[str, object] = field(default_factory=dict)
    dimension: Dimension
    severity: Severity = Severity.ERROR
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one engine found for one check.

    `failing_count` and `row_count` are rows; `failing_count` is null when the engine cannot count (table-level checks).
    `sample` holds up to a few failing rows, already masked.
    """

    check: Check
    passed: bool
    engine: str
    expected: str
    observed: str
    failing_count: int | None = None
    row_count: int | None = None
    sample: tuple[Mapping[str, object], ...] = ()
