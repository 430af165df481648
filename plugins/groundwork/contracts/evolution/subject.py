"""A contract file as a tree of named things, the form in which two versions of it are compared.

Everything in the document ends up in the tree: what Groundwork knows as parts with a name of their own (tables,
columns, keys, indexes, roles, …), the rest as values under the path it stands at. So nothing can change unseen. Lists
whose order means nothing are sorted; a switch that is off is the same as one that is not there. Only marks of proposals
are left out: they have no effect, and go when somebody has looked at them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundwork.contracts.custom_properties import PROPOSED

CONTRACT, TABLE, COLUMN = "contract", "table", "column"
_SWITCHES = frozenset(["required", "unique", "partitioned", "criticalDataElement", "removePropertiesLogic"])
_UNORDERED = frozenset(["tags", "inputs"])
_NAMED_BY = {
    "role": ("role",),
    "server": ("server", "id"),
    "team member": ("username",),
    "support channel": ("channel",),
    "quality rule": ("name", "id", "metric"),
}
_TOLD_ELSEWHERE = frozenset(["relationships", "customProperties", "primaryKey", "primaryKeyPosition"])  # of a column
_PARTS_OF_TABLE = {
    "indexes": "index",
    "uniqueKeys": "unique key",
    "checks": "check",
    "accessPatterns": "access pattern",
}


@dataclass(frozen=True, kw_only=True)
class Value:
    """A plain value and the pointer to where it stands."""

    value: Any
    pointer: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One named thing of a contract; `name` is unique among the parts of its kind, `values` are by dotted path."""

    kind: str
    name: str
    pointer: str
    values: Mapping[str, Value] = field(default_factory=dict)
    parts: tuple[Subject, ...] = ()

    def get(self, attribute: str) -> Any:
        """The value of an attribute, null when it is not there."""
        found = self.values.get(attribute)
        return None if found is None else found.value

    def of_kind(self, kind: str) -> tuple[Subject, ...]:
        """The parts of one kind, in their order."""
        return tuple(part for part in self.parts if part.kind == kind)

    def part(self, kind: str, name: str) -> Subject | None:
        """The part of this kind and name."""
        return next((part for part in self.parts if part.kind == kind and part.name == name), None)


class _Gathered:
    """What is found while one thing of the document is read."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.parts: list[Subject] = []

    def take(self, key: str, value: Any, pointer: str) -> None:
        """Keep a value: mappings by dotted path, everything else whole."""
        if isinstance(value, Mapping) and value:
            for name, inner in value.items():
                self.take(f"{key}.{name}", inner, f"{pointer}/{_escaped(name)}")
        elif not (value is False and key.rpartition(".")[2] in _SWITCHES):
            self.values[key] = Value(value=_settled(key, value), pointer=pointer)

    def list(self, kind: str, entries: Any, pointer: str) -> None:
        """Keep every mapping of a list as a part of its own; anything else whole."""
        if (
            not isinstance(entries, Sequence)
            or isinstance(entries, str)
            or not all(isinstance(e, Mapping) for e in entries)
        ):
            self.take(kind, entries, pointer)
            return
        for position, entry in enumerate(entries):
            self.parts.append(_plain_part(kind, entry, f"{pointer}/{position}"))

    def subject(self, kind: str, name: str, pointer: str) -> Subject:
        """The thing with all that was kept, names told apart where two parts share one."""
        return Subject(kind=kind, name=name, pointer=pointer, values=self.values, parts=tuple(_told_apart(self.parts)))


def contract_subject(data: Mapping[str, Any]) -> Subject:
    """The tree of one contract's plain data."""
    found = _Gathered()
    for key, value in data.items():
        pointer = f"/{_escaped(key)}"
        if key == "schema":
            found.parts.extend(_table(table, f"{pointer}/{index}") for index, table in enumerate(value or ()))
        elif key == "roles":
            found.list("role", value, pointer)
        elif key == "slaProperties":
            found.parts.extend(_service_levels(value or (), pointer))
        elif key in ("servers", "support"):
            found.list(key.rstrip("s") if key == "servers" else "support channel", value, pointer)
        elif key == "team":
            _team(found, value, pointer)
        elif key != "customProperties":
            found.take(key, value, pointer)
    for name, value, pointer in _custom(data, ""):
        if name == "enumTypes":
            found.list("enum type", value, pointer)
        else:
            found.take(_free(found, name), value, pointer)
    return found.subject(CONTRACT, str(data.get("id")), "")


def _table(data: Mapping[str, Any], pointer: str) -> Subject:
    found = _Gathered()
    for key, value in data.items():
        place = f"{pointer}/{_escaped(key)}"
        if key == "properties":
            found.parts.extend(_column(column, f"{place}/{index}") for index, column in enumerate(value or ()))
        elif key == "quality":
            found.list("quality rule", value, place)
        elif key not in ("relationships", "customProperties") and not _is_identity(key, data):
            found.take(key, value, place)
    for name, value, place in _custom(data, pointer):
        if name in _PARTS_OF_TABLE:
            found.list(_PARTS_OF_TABLE[name], value, place)
        elif name == "partitioning" and isinstance(value, Mapping):
            found.list("partition", value.get("partitions") or [], f"{place}/partitions")
            found.take(name, {key: inner for key, inner in value.items() if key != "partitions"}, place)
        elif name == "deprecated":
            found.values[name] = Value(value=value, pointer=place)
        else:
            found.take(_free(found, name), value, place)
    found.parts.extend(_relationships(data, pointer))
    _derived(found, data, pointer)
    return found.subject(TABLE, str(data.get("physicalName", data["name"])), pointer)


def _derived(found: _Gathered, data: Mapping[str, Any], pointer: str) -> None:
    """What the columns say together: the primary key and their order."""
    columns = [column for column in data.get("properties") or () if isinstance(column, Mapping)]
    keyed = sorted((c for c in columns if c.get("primaryKey")), key=lambda c: c.get("primaryKeyPosition") or 1)
    places = {id(column): f"{pointer}/properties/{index}" for index, column in enumerate(columns)}
    if keyed:
        names = [str(column.get("physicalName", column["name"])) for column in keyed]
        found.values["primaryKey"] = Value(value=names, pointer=f"{places[id(keyed[0])]}/primaryKey")
    order = [str(column.get("physicalName", column["name"])) for column in columns]
    found.values["columnOrder"] = Value(value=order, pointer=f"{pointer}/properties")


def _column(data: Mapping[str, Any], pointer: str, name: str | None = None) -> Subject:
    found = _Gathered()
    for key, value in data.items():
        place = f"{pointer}/{_escaped(key)}"
        if key == "properties":
            found.parts.extend(_column(inner, f"{place}/{index}") for index, inner in enumerate(value or ()))
        elif key == "items" and isinstance(value, Mapping):
            found.parts.append(_column(value, place, "items"))
        elif key == "quality":
            found.list("quality rule", value, place)
        elif key == "enum":
            values = [entry.get("value") if isinstance(entry, Mapping) else entry for entry in value or ()]
            found.values["enum"] = Value(value=values, pointer=place)
            texts = [entry for entry in value or () if isinstance(entry, Mapping) and set(entry) - {"value"}]
            if texts:
                found.values["enumDescriptions"] = Value(value=texts, pointer=place)
        elif key not in _TOLD_ELSEWHERE and not _is_identity(key, data):
            found.take(key, value, place)
    if data.get("primaryKey"):
        found.values["required"] = Value(value=True, pointer=f"{pointer}/primaryKey")
    for key, value, place in _custom(data, pointer):
        if key == "deprecated":
            found.values[key] = Value(value=value, pointer=place)
        else:
            found.take(_free(found, key), value, place)
    return found.subject(COLUMN, name or str(data.get("physicalName", data.get("name", "items"))), pointer)


def _relationships(data: Mapping[str, Any], pointer: str) -> Iterator[Subject]:
    for index, entry in enumerate(data.get("relationships") or ()):
        yield _relationship(entry, entry.get("from"), f"{pointer}/relationships/{index}")
    for position, column in enumerate(data.get("properties") or ()):
        source = column.get("physicalName", column.get("name"))
        for index, entry in enumerate(column.get("relationships") or ()):
            yield _relationship(entry, source, f"{pointer}/properties/{position}/relationships/{index}")


def _relationship(entry: Mapping[str, Any], source: Any, pointer: str) -> Subject:
    sources = [str(name).rpartition(".")[2] for name in _listed(source)]
    targets = [str(name) for name in _listed(entry.get("to"))]
    found = _Gathered()
    for key, value in entry.items():
        if key not in ("from", "to", "customProperties"):
            found.take(key, value, f"{pointer}/{_escaped(key)}")
    for key, value, place in _custom(entry, pointer):
        found.take(_free(found, key), value, place)
    return found.subject("relationship", f"{', '.join(sources)} → {', '.join(targets)}", pointer)


def _service_levels(entries: Sequence[Mapping[str, Any]], pointer: str) -> Iterator[Subject]:
    """One part per promise and table: an entry that names three tables makes three promises."""
    for index, entry in enumerate(entries):
        place = f"{pointer}/{index}"
        for element in [name.strip() for name in str(entry.get("element") or "").split(",")]:
            found = _Gathered()
            for key, value in entry.items():
                if key not in ("property", "element", "value", "unit", "customProperties"):
                    found.take(key, value, f"{place}/{_escaped(key)}")
            for name, value, at in _custom(entry, place):
                found.take(_free(found, name), value, at)
            found.values["value"] = Value(value=[entry.get("value"), entry.get("unit")], pointer=f"{place}/value")
            found.values["table"] = Value(value=element.partition(".")[0], pointer=place)
            label = f"{entry.get('property')} of {element}" if element else str(entry.get("property"))
            yield found.subject("service level", label, place)


def _team(found: _Gathered, value: Any, pointer: str) -> None:
    if isinstance(value, Mapping):
        found.list("team member", value.get("members") or [], f"{pointer}/members")
        found.take("team", {key: inner for key, inner in value.items() if key != "members"}, pointer)
    else:
        found.list("team member", value or [], pointer)


def _plain_part(kind: str, entry: Mapping[str, Any], pointer: str) -> Subject:
    found = _Gathered()
    named = next((key for key in _NAMED_BY.get(kind, ("name", "id")) if isinstance(entry.get(key), str | int)), None)
    for key, value in entry.items():
        if key not in (named, "customProperties"):
            found.take(str(key), value, f"{pointer}/{_escaped(str(key))}")
    for key, value, place in _custom(entry, pointer):
        found.take(_free(found, key), value, place)
    name = str(entry[named]) if named else json.dumps(entry, sort_keys=True, default=str)
    return found.subject(kind, name, pointer)


def _custom(data: Mapping[str, Any], pointer: str) -> Iterator[tuple[str, Any, str]]:
    for index, entry in enumerate(data.get("customProperties") or ()):
        if isinstance(entry, Mapping) and entry.get("property", PROPOSED) != PROPOSED:
            yield str(entry["property"]), entry.get("value"), f"{pointer}/customProperties/{index}/value"


def _free(found: _Gathered, name: str) -> str:
    """A custom property's name, marked where the standard already has a value of that name."""
    taken = any(key == name or key.startswith(f"{name}.") for key in found.values)
    return f"customProperties.{name}" if taken else name


def _told_apart(parts: Sequence[Subject]) -> Iterator[Subject]:
    seen: dict[tuple[str, str], int] = {}
    for part in parts:
        count = seen[part.kind, part.name] = seen.get((part.kind, part.name), 0) + 1
        name = part.name if count == 1 else f"{part.name} ({count})"
        yield Subject(kind=part.kind, name=name, pointer=part.pointer, values=part.values, parts=part.parts)


def _is_identity(key: str, data: Mapping[str, Any]) -> bool:
    """Whether a key says the name that the thing is matched by, and nothing beside it."""
    return key == "physicalName" or (key == "name" and data.get("physicalName", data.get("name")) == data.get("name"))


def _settled(key: str, value: Any) -> Any:
    is_set = key.rpartition(".")[2] in _UNORDERED and isinstance(value, list)
    return sorted(value, key=str) if is_set else value


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _escaped(key: str) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
