"""From a property of a contract's schema to a column, with what is nested in it.

Read generously: a `classification` outside our vocabulary counts as the strictest, since nothing may be shown for
want of a word; an unknown kind of personal data counts as none and is told by the lint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundwork.contracts.contract import ColumnContract, EnumTypeContract
from groundwork.contracts.custom_properties import custom_values, text_or_none
from groundwork.contracts.logical_types import is_serial, physical_type
from groundwork.model.vocabulary import Classification, PersonalData

EnumTypes = Mapping[str, EnumTypeContract]


def read_column(data: Mapping[str, Any], pointer: str, enum_types: EnumTypes) -> ColumnContract:
    """The column that stands at `pointer`; `enum_types` are the declared enum types by every name they go by."""
    custom = custom_values(data)
    position = key_position(data)
    name, physical = data.get("name") or "", data.get("physicalName")
    kind = physical_type(data)
    return ColumnContract(
        name=physical or name,
        logical_name=name if physical and physical != name else None,
        type=kind,
        enum_type=enum_type_of(kind, enum_types),
        logical_type=data.get("logicalType"),
        options=data.get("logicalTypeOptions") or {},
        is_required=bool(data.get("required")) or position is not None,
        primary_key_position=position,
        is_unique=bool(data.get("unique")),
        default=text_or_none(custom.get("default")),
        identity=_identity(custom.get("identity"), kind),
        sequence=custom.get("sequence"),
        generated=text_or_none(custom.get("generated")),
        generated_kind=str(custom.get("generatedKind") or "stored").lower(),
        collation=text_or_none(custom.get("collation")),
        description=data.get("description"),
        classification=_classification(data.get("classification")),
        personal_data=_personal_data(custom.get("personalData")),
        masking=custom.get("masking"),
        allowed_values=tuple(
            entry["value"] if isinstance(entry, Mapping) else entry for entry in data.get("enum") or ()
        ),
        quality=tuple(data.get("quality") or ()),
        properties=tuple(
            read_column(nested, f"{pointer}/properties/{index}", enum_types)
            for index, nested in enumerate(data.get("properties") or ())
        ),
        items=_items(data, pointer, enum_types),
        pointer=pointer,
    )


def key_position(data: Mapping[str, Any]) -> int | None:
    """The position in the primary key, null for a column that is not in it (-1 is the standard's default)."""
    if not data.get("primaryKey"):
        return None
    position = data.get("primaryKeyPosition", 1)
    return position if isinstance(position, int) and position > 0 else 1


def enum_type_of(physical: str, enum_types: EnumTypes) -> EnumTypeContract | None:
    """The enum type that a physical type names, alone or as the element of an array."""
    name = physical.strip()
    while name.endswith("[]"):
        name = name[:-2].rstrip()
    return enum_types.get(name)


def _items(data: Mapping[str, Any], pointer: str, enum_types: EnumTypes) -> ColumnContract | None:
    """The elements of an array, or the values of a map."""
    items, map_ = data.get("items"), data.get("map")
    if isinstance(items, Mapping):
        return read_column(items, f"{pointer}/items", enum_types)
    if isinstance(map_, Mapping) and isinstance(map_.get("value"), Mapping):
        return read_column(map_["value"], f"{pointer}/map/value", enum_types)
    return None


def _identity(value: object, kind: str) -> str | None:
    if value is None:
        return "serial" if is_serial(kind) else None
    return " ".join(str(value).lower().split())


def _classification(value: object) -> Classification | None:
    if value is None or value == "":
        return None
    word = str(value).strip().lower()
    return Classification(word) if word in set(Classification) else Classification.RESTRICTED


def _personal_data(value: object) -> PersonalData | None:
    word = str(value).strip().lower()
    return PersonalData(word) if word in set(PersonalData) else None
