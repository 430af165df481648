"""Which indexes of a table another index already serves."""

from __future__ import annotations

from dataclasses import dataclass

from groundwork.contracts.derive.metadata import quote
from groundwork.model.shape import IndexShape, TableShape


@dataclass(frozen=True, kw_only=True)
class Redundancy:
    """An index that `covered_by` makes useless."""

    schema: str
    table: str
    name: str
    covered_by: str


def redundant_indexes(table: TableShape) -> list[Redundancy]:
    """The indexes of `table` that another index or key serves as well, in order of name.

    A B-tree is served by a valid one whose keys begin with its keys, in the same order and over the same rows; unique
    ones and those of other methods only by an equal one, which takes the same values for equal. Of two equal indexes
    the later name is named.
    """
    owned = [table.primary_key] if table.primary_key else []
    keys = [
        IndexShape(
            name=key.name,
            keys=tuple(quote(column) for column in key.columns),
            is_unique=True,
            include=tuple(quote(column) for column in key.include),
            options=key.options,
        )
        for key in (*owned, *table.unique_keys)
    ]
    indexes = sorted(table.indexes, key=lambda index: index.name)
    found = []
    for position, index in enumerate(indexes):
        others = [*keys, *(other for place, other in enumerate(indexes) if place != position)]
        cover = next((other for other in others if _covers(other, index, is_key=other in keys)), None)
        if cover is not None:
            found.append(Redundancy(schema=table.schema, table=table.name, name=index.name, covered_by=cover.name))
    return found


def _covers(other: IndexShape, index: IndexShape, *, is_key: bool) -> bool:
    if (other.method, other.predicate) != (index.method, index.predicate) or not other.is_valid:
        return False
    if index.is_unique and other.options != index.options:  # what counts as the same differs, or when it is checked
        return False
    if other.keys == index.keys and other.include == index.include and other.is_unique >= index.is_unique:
        is_equal = other.is_unique == index.is_unique
        return is_key or not is_equal or other.name < index.name
    begins = other.keys[: len(index.keys)] == index.keys and len(other.keys) > len(index.keys)
    return index.method == "btree" and not index.is_unique and not index.include and begins
