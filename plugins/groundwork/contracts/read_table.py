"""From an object of a contract's schema to a table, with its keys, references, indexes and partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from groundwork.contracts.contract import (
    AccessPattern,
    ColumnContract,
    ConstraintContract,
    IndexContract,
    IndexKey,
    PartitionContract,
    PartitioningContract,
    TableContract,
)
from groundwork.contracts.custom_properties import custom_pointers, custom_values, deferral, text_or_none
from groundwork.contracts.derive.names import object_name
from groundwork.contracts.read_column import EnumTypes, read_column
from groundwork.contracts.read_relationship import Identifiers, read_relationships

_KEY = re.compile(
    r"^(?P<column>.+?)(?:\s+(?P<order>asc|desc))?(?:\s+nulls\s+(?P<nulls>first|last))?\s*$", re.IGNORECASE
)
_MEASURE = "measure"


def read_table(
    data: Mapping[str, Any],
    pointer: str,
    *,
    schema: str,
    service_levels: Sequence[Mapping[str, Any]],
    enum_types: EnumTypes,
    identifiers: Identifiers,
) -> TableContract:
    """The object that stands at `pointer`; `identifiers` tell what the contract's stable ids stand for."""
    custom = custom_values(data)
    places = custom_pointers(data, pointer)
    logical = data["name"]
    name = data.get("physicalName") or logical
    columns = [
        (column.get("semanticType"), read_column(column, f"{pointer}/properties/{index}", enum_types))
        for index, column in enumerate(data.get("properties") or ())
    ]
    physical = tuple(column for kind, column in columns if kind != _MEASURE)
    return TableContract(
        name=name,
        logical_name=logical if logical != name else None,
        schema=schema,
        physical_type=data.get("physicalType"),
        description=data.get("description"),
        grain=data.get("dataGranularityDescription"),
        tags=tuple(data.get("tags") or ()),
        columns=physical,
        measures=tuple(column for kind, column in columns if kind == _MEASURE),
        relationships=tuple(read_relationships(data, pointer, physical, identifiers)),
        indexes=tuple(_index(entry, place) for entry, place in _entries(custom, places, "indexes")),
        unique_keys=(*_single_keys(name, physical), *_unique_keys(custom, places)),
        checks=tuple(
            ConstraintContract(name=entry["name"], condition=entry["condition"], pointer=place)
            for entry, place in _entries(custom, places, "checks")
        ),
        partitioning=_partitioning(custom, places),
        access_patterns=tuple(
            AccessPattern(name=entry["name"], query=entry["query"], description=entry.get("description"), pointer=place)
            for entry, place in _entries(custom, places, "accessPatterns")
        ),
        quality=tuple(data.get("quality") or ()),
        source=custom.get("source"),
        retention=_service_level(service_levels, "retention", name),
        freshness=_service_level(service_levels, "freshness", name),
        retention_column=custom.get("retentionColumn"),
        primary_key_name=text_or_none(custom.get("primaryKeyName")),
        primary_key_include=tuple(custom.get("primaryKeyInclude") or ()),
        primary_key_deferrable=deferral(custom.get("primaryKeyDeferrable")),
        pointer=pointer,
    )


def _entries(
    custom: Mapping[str, Any], places: Mapping[str, str], name: str
) -> Iterator[tuple[Mapping[str, Any], str]]:
    for position, entry in enumerate(custom.get(name) or ()):
        yield entry, f"{places[name]}/{position}"


def _index(entry: Mapping[str, Any], pointer: str) -> IndexContract:
    return IndexContract(
        name=entry["name"],
        keys=tuple(_index_key(key) for key in entry["columns"]),
        is_unique=bool(entry.get("unique", False)),
        method=str(entry.get("method") or "btree").lower(),
        where=entry.get("where"),
        include=tuple(entry.get("include") or ()),
        reason=entry.get("reason"),
        nulls_not_distinct=bool(entry.get("nullsNotDistinct", False)),
        pointer=pointer,
    )


def _index_key(key: str | Mapping[str, Any]) -> IndexKey:
    if isinstance(key, str):
        return index_key(key)
    return IndexKey(
        column=key.get("column"),
        expression=key.get("expression"),
        is_descending=str(key.get("order", "asc")).lower() == "desc",
        operator_class=key.get("operatorClass"),
        nulls=_nulls(key.get("nulls")),
        collation=text_or_none(key.get("collation")),
    )


def index_key(text: str) -> IndexKey:
    """A key written as one text: `column`, `column desc`, `column desc nulls last`.

    >>> index_key("born_on desc nulls last").nulls
    'last'
    """
    match = _KEY.match(text)
    if match is None:
        raise ValueError(f"`{text}` is no key of an index")
    is_descending = (match["order"] or "").lower() == "desc"
    return IndexKey(column=match["column"], is_descending=is_descending, nulls=_nulls(match["nulls"]))


def _nulls(value: object) -> str | None:
    word = None if value is None else str(value).lower()
    if word not in (None, "first", "last"):
        raise ValueError(f"`nulls` is `first` or `last`, found `{value}`")
    return word


def _single_keys(table: str, columns: tuple[ColumnContract, ...]) -> Iterator[ConstraintContract]:
    for column in columns:
        if column.is_unique:
            name = object_name(table, column.name, "key")
            yield ConstraintContract(name=name, columns=(column.name,), pointer=column.pointer)


def _unique_keys(custom: Mapping[str, Any], places: Mapping[str, str]) -> Iterator[ConstraintContract]:
    for entry, place in _entries(custom, places, "uniqueKeys"):
        yield ConstraintContract(
            name=entry["name"],
            columns=tuple(entry["columns"]),
            include=tuple(entry.get("include") or ()),
            nulls_not_distinct=bool(entry.get("nullsNotDistinct", False)),
            deferrable=deferral(entry.get("deferrable")),
            pointer=place,
        )


def _partitioning(custom: Mapping[str, Any], places: Mapping[str, str]) -> PartitioningContract | None:
    data = custom.get("partitioning")
    if data is None:
        return None
    place = places["partitioning"]
    explicit = tuple(
        _partition(entry, f"{place}/partitions/{position}")
        for position, entry in enumerate(data.get("partitions") or ())
    )
    is_by_interval = "partitions" not in data
    return PartitioningContract(
        strategy=str(data["strategy"]).lower(),
        columns=tuple(data["columns"]),
        interval=str(data["interval"]) if is_by_interval else "",
        start=str(data["start"]) if is_by_interval else "",
        end=str(data["end"]) if is_by_interval else "",
        has_default=bool(data.get("default", False)) or any(part.is_default for part in explicit),
        partitions=explicit,
        pointer=place,
    )


def _partition(entry: Mapping[str, Any], pointer: str) -> PartitionContract:
    return PartitionContract(
        name=entry["name"],
        lower=_values(entry.get("from")),
        upper=_values(entry.get("to")),
        values=_values(entry.get("values")),
        modulus=entry.get("modulus"),
        remainder=entry.get("remainder"),
        is_default=entry.get("default") is True,
        pointer=pointer,
    )


def _values(value: Any) -> tuple[Any, ...] | None:
    if value is None:
        return None
    return tuple(value) if isinstance(value, list) else (value,)


def _service_level(entries: Sequence[Mapping[str, Any]], name: str, table: str) -> tuple[float, str] | None:
    """Value and unit of the service level `name` that speaks of `table`; null when its value is no number."""
    for entry in entries:
        elements = [element.strip() for element in str(entry.get("element", "")).split(",")]
        if entry.get("property") == name and table in elements:
            try:
                return float(entry["value"]), str(entry.get("unit", "d"))
            except (KeyError, TypeError, ValueError):
                return None
    return None
