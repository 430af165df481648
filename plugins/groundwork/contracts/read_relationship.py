"""From relationships of a contract to foreign keys.

The standard lets a relationship name its columns in short (`table.column`) or by stable ids
(`schema/<id>/properties/<id>`, which another file may precede). Ids of the same contract are looked up; of another
contract's an id counts as the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundwork.contracts.contract import ColumnContract, RelationshipContract
from groundwork.contracts.custom_properties import custom_values, deferral, text_or_none

_FULL_LENGTH = 4  # schema / object / properties / property


@dataclass(frozen=True, kw_only=True)
class Identifiers:
    """What the stable ids of a contract stand for: objects by id, properties by (object id, property id)."""

    tables: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]


def identifiers(objects: Sequence[Mapping[str, Any]]) -> Identifiers:
    """The ids of `objects`, the contract's schema."""
    tables: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    for item in objects:
        key = str(item.get("id") or item["name"])
        tables[key] = str(item["name"])
        for column in item.get("properties") or ():
            columns[key, str(column.get("id") or column.get("name"))] = str(column.get("name"))
    return Identifiers(tables=tables, columns=columns)


def read_relationships(
    table: Mapping[str, Any], pointer: str, columns: Sequence[ColumnContract], known: Identifiers
) -> Iterator[RelationshipContract]:
    """The table's own relationships, then those of its columns."""
    physical = {column.logical_name: column.name for column in columns if column.logical_name}
    for index, entry in enumerate(table.get("relationships") or ()):
        sources = [_place(source, known)[1] for source in _listed(entry["from"])]
        named = tuple(physical.get(source, source) for source in sources)
        yield _relationship(entry, named, f"{pointer}/relationships/{index}", known)
    for position, column in enumerate(table.get("properties") or ()):
        for index, entry in enumerate(column.get("relationships") or ()):
            place = f"{pointer}/properties/{position}/relationships/{index}"
            yield _relationship(entry, (column.get("physicalName") or column["name"],), place, known)


def _relationship(
    entry: Mapping[str, Any], columns: tuple[str, ...], pointer: str, known: Identifiers
) -> RelationshipContract:
    targets = [_place(target, known) for target in _listed(entry["to"])]
    tables = {table for table, _ in targets}
    if len(tables) != 1:
        raise ValueError(f"a relationship points at exactly one table, found {sorted(tables)}")
    custom = custom_values(entry)
    return RelationshipContract(
        columns=columns,
        target_table=tables.pop(),
        target_columns=tuple(column for _, column in targets),
        on_delete=_action(custom.get("onDelete")),
        on_update=_action(custom.get("onUpdate")),
        deferrable=deferral(custom.get("deferrable")),
        name=text_or_none(custom.get("name")),
        match=str(custom.get("match") or "SIMPLE").upper(),
        pointer=pointer,
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _place(written: str, known: Identifiers) -> tuple[str, str]:
    """Table and column that a reference names."""
    steps = written.rpartition("#")[2].strip("/").split("/")
    if len(steps) >= _FULL_LENGTH and steps[0] == "schema" and steps[2] == "properties":
        table, column = steps[1], steps[3]
        return known.tables.get(table, table), known.columns.get((table, column), column)
    table, _, column = written.rpartition(".")
    return table, column


def _action(value: object) -> str:
    """The action in capitals; columns in brackets (`set null (a)`) keep their letters."""
    if not value:
        return "NO ACTION"
    words, bracket, columns = str(value).partition("(")
    return f"{' '.join(words.upper().split())}{' ' if bracket else ''}{bracket}{columns}"
