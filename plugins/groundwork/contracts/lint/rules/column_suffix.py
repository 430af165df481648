"""Names that say what a column holds.

A moment (`timestamptz`, `timestamp`) ends in `_at`, a day (`date`) in `_date`, a truth value starts with `is_` or
`has_`: a reader knows the kind from the name. Existing data may have its reasons, so this is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.physical import built_type
from groundwork.contracts.lint.subject import ColumnPart, DomainPart, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.WARNING


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every column whose name hides its kind."""
    for table in domain.tables:
        for column in table.columns:
            wanted = _wanted(column)
            if wanted:
                yield column.problem(
                    "/name", f"`{column.name}` is a {column.type} and its name does not say so", f"call it `{wanted}`"
                )


def _wanted(column: ColumnPart) -> str | None:
    from sqlalchemy import types

    kind = built_type(column.type)
    name = column.name
    if isinstance(kind, types.DateTime) and not name.endswith("_at"):
        return f"{name.removesuffix('_date').removesuffix('_time')}_at"
    if isinstance(kind, types.Date) and not name.endswith("_date"):
        return f"{name.removesuffix('_at').removesuffix('_day')}_date"
    if isinstance(kind, types.Boolean) and not name.startswith(("is_", "has_")):
        return f"is_{name}"
    return None
