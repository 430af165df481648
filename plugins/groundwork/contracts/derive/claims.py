"""What each target carries of a contract, and why it leaves the rest: data for `groundwork.contracts.derive.losses`.

A claim is a pattern of paths, with a condition where the same property is carried for some columns only. The tests
change every declared value and compare: a claim that is not true, or a value that is carried unclaimed, fails.
"""

from __future__ import annotations

from dataclasses import replace

from groundwork.contracts.derive.json_schema import is_server_made, type_schema, value_schema
from groundwork.contracts.derive.losses import Claim, Claims, Leaf
from groundwork.contracts.derive.types import sql_type

_PEOPLE = "it is said to people, not to programs"
_GOVERNANCE = "Groundwork's governance applies it in the database"
_QUALITY = "Groundwork's quality run checks it"
_FLOW = "Groundwork's loads use it"
_TYPED = "the physical type says it already"
SHARED: tuple[tuple[str, str], ...] = (
    ("*/reason", _PEOPLE),
    ("*/businessName", _PEOPLE),
    ("*/authoritativeDefinitions/*", _PEOPLE),
    ("*/examples/*", _PEOPLE),
    ("contract/description/*", _PEOPLE),
    ("contract/support/*", _PEOPLE),
    ("contract/price/*", _PEOPLE),
    ("contract/team*", _PEOPLE),
    ("contract/apiVersion", "it says how the contract is written"),
    ("contract/kind", "it says how the contract is written"),
    ("table/logicalType", "a table is a table"),
    ("column/logicalType", _TYPED),
    ("column/masking", _GOVERNANCE),
    ("column/personalData", _GOVERNANCE),
    ("column/classification", _GOVERNANCE),
    ("contract/roles/*", _GOVERNANCE),
    ("contract/residency", _GOVERNANCE),
    ("contract/sla/retention/*", _GOVERNANCE),
    ("table/retentionColumn", _GOVERNANCE),
    ("contract/sla/*", _QUALITY),
    ("quality/*", _QUALITY),
    ("column/logicalTypeOptions/*", _QUALITY),
    ("table/source/*", _FLOW),
    ("table/accessPatterns/*", "Groundwork's performance checks use it"),
    ("measure/*", "it is computed of many rows and stored in none"),
    ("other/*", "the object is no table of a database"),
    ("nested/*", "the database keeps the value as a whole"),
)


def is_untyped(leaf: Leaf) -> bool:
    """Whether the column's type follows from its logical type and options."""
    return not leaf.owner.get("physicalType")


def _has_no_reason(leaf: Leaf) -> bool:
    return not leaf.path.endswith("/reason")


def is_no_key(leaf: Leaf) -> bool:
    """A column of the primary key is required whatever else is written."""
    return leaf.column is not None and leaf.column.primary_key_position is None


def _is_in_compound_key(leaf: Leaf) -> bool:
    return leaf.table is not None and len(leaf.table.primary_key) > 1


def is_given(leaf: Leaf) -> bool:
    """Whether rows to create have the column at all."""
    return leaf.column is not None and not is_server_made(leaf.column)


def _is_serial(leaf: Leaf) -> bool:
    return leaf.column is not None and leaf.column.identity == "serial"


def limits_value(leaf: Leaf) -> bool:
    """Whether the option stands in the value's JSON Schema, or the schema would be looser without it."""
    column, name = leaf.column, leaf.path.rpartition("/")[2]
    if column is None or not is_given(leaf):
        return False
    if value_schema(column).get(name) == leaf.value:
        return True
    without = replace(column, options={key: value for key, value in column.options.items() if key != name})
    return value_schema(column) != value_schema(without)


def has_json_type(leaf: Leaf) -> bool:
    """Whether JSON can tell anything of the column's type; of a document it can only tell the logical type."""
    return is_given(leaf) and leaf.column is not None and bool(type_schema(sql_type(leaf.column)))


TABLES: tuple[Claim, ...] = (
    ("contract/databaseSchema", None),
    ("table/name", None),
    ("table/physicalName", None),
    ("table/physicalType", None),
)
_STRUCTURE: tuple[Claim, ...] = (
    *TABLES,
    ("contract/enumTypes/*/name", None),
    ("contract/enumTypes/*/values/*", None),
    ("table/description", None),
    ("table/indexes/*", _has_no_reason),
    ("table/uniqueKeys/*", None),
    ("table/checks/*", None),
    ("table/primaryKey*", None),
    ("table/partitioning/strategy", None),
    ("table/partitioning/columns/*", None),
    ("column/name", None),
    ("column/physicalName", None),
    ("column/physicalType", None),
    ("column/logicalType", is_untyped),
    ("column/description", None),
    ("column/required", is_no_key),
    ("column/primaryKey", None),
    ("column/primaryKeyPosition", _is_in_compound_key),
    ("column/unique", None),
    ("column/enum/*", None),
    ("column/default", None),
    ("column/identity", None),
    ("column/generated", None),
    ("column/generatedKind", None),
    ("column/collation", None),
    ("relationship/from*", None),
    ("relationship/to*", None),
    ("relationship/onDelete", None),
    ("relationship/onUpdate", None),
    ("relationship/deferrable", None),
    ("relationship/name", None),
    ("relationship/match", None),
)
_KEYS = (
    ("column/required", "a column of the primary key is required anyhow"),
    ("column/primaryKeyPosition", "the key has one column"),
)
DDL = Claims(
    carried=(
        *_STRUCTURE,
        ("contract/enumTypes/*/description", None),
        ("contract/sequences/*", None),
        ("table/partitioning/*", None),
        ("column/sequence/*", None),
    ),
    reasons=(*_KEYS, *SHARED),
    default_reason="DDL has no word for it",
)
SQLALCHEMY = Claims(
    carried=(*_STRUCTURE, ("column/sequence/*", lambda leaf: not _is_serial(leaf))),
    reasons=(
        *_KEYS,
        ("contract/enumTypes/*", "metadata has no comment on a type"),
        ("contract/sequences/*", "metadata holds the sequences of columns only"),
        ("column/sequence/*", "SQLAlchemy has no options for serial columns; the DDL sets them"),
        ("table/partitioning/*", "metadata names how a table is partitioned; the DDL makes the partitions"),
        *SHARED,
    ),
    default_reason="SQLAlchemy's metadata has no word for it",
)
JSON_SCHEMA = Claims(
    carried=(
        ("table/name", None),
        ("table/physicalName", None),
        ("table/physicalType", None),
        ("table/description", None),
        ("contract/enumTypes/*/name", None),
        ("contract/enumTypes/*/values/*", None),
        ("column/name", is_given),
        ("column/physicalName", is_given),
        ("column/physicalType", has_json_type),
        ("column/description", is_given),
        ("column/required", lambda leaf: is_given(leaf) and is_no_key(leaf)),
        ("column/enum/*", is_given),
        ("column/default", None),
        ("column/identity", None),
        ("column/generated", None),
        ("column/logicalTypeOptions/*", limits_value),
    ),
    reasons=(
        (
            "column/logicalTypeOptions/*",
            "JSON Schema has no keyword for it with this type; the check of rows does",
        ),
        *SHARED,
    ),
    default_reason="JSON Schema describes one row, and has no word for it",
)
DBT = Claims(
    carried=(
        *TABLES,
        ("contract/id", None),
        ("contract/version", None),
        ("contract/team/name", None),
        ("table/description", None),
        ("table/dataGranularityDescription", None),
        ("table/tags/*", None),
        ("column/name", None),
        ("column/physicalName", None),
        ("column/physicalType", None),
        ("column/logicalType", is_untyped),
        ("column/description", None),
        ("column/classification", None),
    ),
    reasons=SHARED,
    default_reason="a dbt source names tables and columns; Groundwork itself checks and makes them",
)
