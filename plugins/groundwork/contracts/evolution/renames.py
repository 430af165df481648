"""Recognises what was renamed among what is gone and what is new.

A table is recognised by its columns, a column by its type, place, description and name, a key or an index by being the
same but for its name. Every guess has a confidence from 0 to 1; a pair counts when each is the other's best match and
nothing else comes close, so that two plausible candidates are no rename but a removal and an addition.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from groundwork.contracts.evolution.subject import COLUMN, TABLE, Subject

_LEAST = 0.6  # below it, gone and new are two things
_MARGIN = 0.1  # how far the best has to be ahead of the second
_MOST_PAIRS = 40_000  # compared; where more is gone and new, it is another table and not a renamed one
_SAME_BUT_NAME = frozenset(["index", "unique key", "check", "access pattern", "quality rule", "partition", "enum type"])

Rename = tuple[Subject, Subject, float]


def recognised(kind: str, gone: Sequence[Subject], new: Sequence[Subject]) -> list[Rename]:
    """Pairs of `gone` and `new` of one kind that are the same thing under another name, with confidence."""
    if kind == TABLE:
        return _pairs(gone, new, table_likeness)
    if kind == COLUMN:
        return _pairs(gone, new, column_likeness)
    if kind in _SAME_BUT_NAME:
        return _pairs(gone, new, _sameness)
    return []


def table_likeness(old: Subject, new: Subject) -> float:
    """How much two tables have in common: columns of one name and type mostly, then their own name."""
    first, second = (_typed_columns(table) for table in (old, new))
    if not first or not second:
        return 0.0
    shared = len(first & second) / len(first | second)
    return round(0.8 * shared + 0.2 * _alike(old.name, new.name), 2)


def column_likeness(old: Subject, new: Subject) -> float:
    """How likely two columns are one: not at all when types differ, else by place, name, description and the rest."""
    if old.get("logicalType") != new.get("logicalType") or old.get("physicalType") != new.get("physicalType"):
        return 0.0
    keys = (set(old.values) | set(new.values)) - {"name", "physicalName", "description", "businessName"}
    same = sum(old.get(key) == new.get(key) for key in keys) / len(keys) if keys else 1.0
    is_described_alike = bool(old.get("description")) and old.get("description") == new.get("description")
    is_same_place = old.pointer == new.pointer
    score = 0.3 * _alike(old.name, new.name) + 0.25 * is_same_place + 0.25 * same + 0.2 * is_described_alike
    return round(score, 2)


def _sameness(old: Subject, new: Subject) -> float:
    plain = [
        {key: value.value for key, value in part.values.items() if key not in ("description", "reason")}
        for part in (old, new)
    ]
    return 1.0 if plain[0] == plain[1] and plain[0] else 0.0


def _pairs(
    gone: Sequence[Subject], new: Sequence[Subject], likeness: Callable[[Subject, Subject], float]
) -> list[Rename]:
    if len(gone) * len(new) > _MOST_PAIRS:
        return []
    rows = [[likeness(old, other) for other in new] for old in gone]
    columns = list(zip(*rows, strict=True))
    found = []
    for i, row in enumerate(rows):
        for j, score in enumerate(row):
            rivals = [*row[:j], *row[j + 1 :], *columns[j][:i], *columns[j][i + 1 :]] if score >= _LEAST else []
            if score >= _LEAST and all(score - rival >= _MARGIN for rival in rivals):
                found.append((gone[i], new[j], min(score, 1.0)))
    return found


def _typed_columns(table: Subject) -> set[tuple[str, str]]:
    return {(column.name, str(column.get("physicalType"))) for column in table.of_kind(COLUMN)}


def _alike(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first.lower(), second.lower(), autojunk=False).ratio()
