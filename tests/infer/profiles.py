"""Profiles for tests, measured from values in Python the way files and databases are measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from groundwork.infer.profile import ColumnProfile, TableProfile


def column_profile(name: str, values: Sequence[Any], physical_type: str | None = None, **more: Any) -> ColumnProfile:
    """The profile of a column that has these values, null being None; texts by their own, numbers as integers."""
    filled = [value for value in values if value is not None]
    texts = [str(value) for value in filled]
    counts = Counter(texts)
    is_text = all(isinstance(value, str) for value in filled)
    return ColumnProfile(
        name=name,
        type=physical_type or ("text" if is_text else "integer"),
        rows=len(values),
        nulls=len(values) - len(filled),
        distinct=len(counts),
        minimum=str(min(filled)) if filled and not is_text else more.pop("minimum", None),
        maximum=str(max(filled)) if filled and not is_text else more.pop("maximum", None),
        shortest=min(map(len, texts)) if texts and is_text else None,
        longest=max(map(len, texts)) if texts and is_text else None,
        top_values=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))[:100],
        samples=tuple(sorted(counts))[:500],
        **more,
    )


def table_profile(name: str, columns: dict[str, Sequence[Any]], types: dict[str, str] | None = None) -> TableProfile:
    """The profile of a table that has these columns."""
    profiles = tuple(column_profile(each, values, (types or {}).get(each)) for each, values in columns.items())
    return TableProfile(name=name, source="test", rows=profiles[0].rows if profiles else 0, columns=profiles)
