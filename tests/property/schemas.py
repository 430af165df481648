"""Random schemas as contracts: what hypothesis draws, and what becomes of it when somebody changes a few things.

A drawn schema is plain data (a list of tables), so that it shrinks and prints well; `domain_of` makes contracts of it.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from groundwork.contracts.contract import Domain
from groundwork.contracts.document import Document
from groundwork.contracts.read import read_contract

Schema = dict[str, Any]
TABLES = ("account", "visit", "Order Line", "größe")
COLUMNS = ("alpha", "beta", "gamma", "delta", "Select", "x y")
_UUID = "00000000-0000-4000-8000-00000000000"
# type, a default, two values as SQL, in families whose members convert into one another where the value fits
TYPES: dict[str, tuple[str, str, str, str]] = {
    "integer": ("integer", "7", "1", "2"),
    "bigint": ("bigint", "8", "1", "2"),
    "text": ("text", "'it''s'", "'1'", "'2'"),
    "varchar(40)": ("string", "'a'", "'1'", "'2'"),
    "varchar(60)": ("string", "'b'", "'1'", "'2'"),
    "numeric(10,2)": ("number", "1.5", "1", "2"),
    "numeric(14,2)": ("number", "2.5", "1", "2"),
    "date": ("date", "'2020-01-01'", "'2021-01-01'", "'2021-01-02'"),
    "timestamptz": ("timestamp", "now()", "'2021-01-01 00:00+00'", "'2021-01-02 00:00+00'"),
    "boolean": ("boolean", "true", "true", "false"),
    "uuid": ("string", "gen_random_uuid()", f"'{_UUID}1'", f"'{_UUID}2'"),
    "jsonb": ("object", "'{}'::jsonb", """'{"a": 1}'""", """'{"a": 2}'"""),
    "text[]": ("array", "'{}'::text[]", "'{a}'", "'{b}'"),
    "mood": ("string", "'calm'", "'calm'", "'glad'"),
}  # fmt: skip
_LOGICAL = {"text": "string", "bigint": "integer"}
_SORTABLE = (
    "integer",
    "bigint",
    "text",
    "varchar(40)",
    "varchar(60)",
    "numeric(10,2)",
    "numeric(14,2)",
    "date",
    "uuid",
)


@st.composite
def columns(draw: st.DrawFn, name: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(TYPES)))
    return {
        "name": name,
        "type": kind,
        "required": draw(st.booleans()),
        "default": TYPES[kind][1] if draw(st.booleans()) else None,
        "comment": draw(st.sampled_from([None, "It's a note; -- with marks", "größer"])),
        "generated": draw(st.sampled_from([None] * 5 + ["id * 2"])) if kind in ("integer", "bigint") else None,
    }


@st.composite
def tables(draw: st.DrawFn, name: str, targets: list[str]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5, unique=True))
    found = [draw(columns(each)) for each in names]
    sortable = [each["name"] for each in found if each["type"] in _SORTABLE]
    plain = [each["name"] for each in found if each["type"] in _SORTABLE and each["generated"] is None]
    return {
        "name": name,
        "columns": found,
        "identity": draw(st.sampled_from([None, "always", "by default"])),
        "comment": draw(st.sampled_from([None, "A table."])),
        "unique": draw(st.sampled_from(plain)) if plain and draw(st.booleans()) else None,
        "index": draw(indexes(sortable)) if sortable and draw(st.booleans()) else None,
        "check": draw(st.sampled_from([None, "id > 0", "id <> 13"])),
        "reference": draw(st.sampled_from([None, *targets])),
        "on_delete": draw(st.sampled_from(["NO ACTION", "CASCADE", "SET NULL"])),
    }


@st.composite
def indexes(draw: st.DrawFn, sortable: list[str]) -> dict[str, Any]:
    return {
        "columns": draw(st.lists(st.sampled_from(sortable), min_size=1, max_size=2, unique=True)),
        "descending": draw(st.booleans()),
        "where": draw(st.sampled_from([None, "id > 10"])),
        "method": draw(st.sampled_from(["btree", "btree", "brin"])),
    }


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(st.sampled_from(TABLES), min_size=1, max_size=3, unique=True))
    return {
        "tables": [draw(tables(name, names[: position + 1])) for position, name in enumerate(names)],
        "moods": draw(st.sampled_from([["calm", "glad"], ["calm", "glad", "wild"]])),
    }


@st.composite
def changed(draw: st.DrawFn, schema: Schema) -> Schema:
    """`schema` after one to four changes of the kind that people make."""
    found = copy.deepcopy(schema)
    for _ in range(draw(st.integers(1, 4))):
        draw(_change(found))
    return found


_CHANGES = ("table", "column", "column", "type", "property", "property", "index", "key", "check", "mood")


@st.composite
def _change(draw: st.DrawFn, schema: Schema) -> None:
    table = draw(st.sampled_from(schema["tables"]))
    kind = draw(
        st.sampled_from(["table", "column", "column", "type", "property", "property", "index", "key", "check", "mood"])
    )
    if kind == "table":
        _toggle_table(draw, schema)
    elif kind == "column":
        _toggle_column(draw, table)
    elif kind == "type":
        column = draw(st.sampled_from(table["columns"]))
        column.update(draw(columns(column["name"])))
    elif kind == "property":
        column = draw(st.sampled_from(table["columns"]))
        fresh = draw(columns(column["name"]))
        word = draw(st.sampled_from(["required", "comment"]))
        column[word] = fresh[word]
    elif kind == "index":
        sortable = [each["name"] for each in table["columns"] if each["type"] in _SORTABLE]
        table["index"] = draw(indexes(sortable)) if sortable else None
    elif kind == "check":
        table["check"] = draw(st.sampled_from([None, "id > 0", "id <> 13"]))
    elif kind == "mood":
        schema["moods"] = ["calm", "glad", "wild"]
    else:
        table["unique"] = None
    _repaired(table)


def _toggle_table(draw: st.DrawFn, schema: Schema) -> None:
    names = [each["name"] for each in schema["tables"]]
    absent = [name for name in TABLES if name not in names]
    if absent and (len(names) == 1 or draw(st.booleans())):
        schema["tables"].append(draw(tables(absent[0], names)))
        return
    gone = schema["tables"].pop(draw(st.integers(0, len(names) - 1)))["name"]
    for table in schema["tables"]:
        if table["reference"] == gone:
            table["reference"] = None


def _toggle_column(draw: st.DrawFn, table: dict[str, Any]) -> None:
    names = [each["name"] for each in table["columns"]]
    absent = [name for name in COLUMNS if name not in names]
    if absent and (len(names) == 1 or draw(st.booleans())):
        table["columns"].append(draw(columns(draw(st.sampled_from(absent)))))
    else:
        table["columns"].pop(draw(st.integers(0, len(names) - 1)))


def _repaired(table: dict[str, Any]) -> None:
    """Take back what a change left pointing at nothing."""
    kinds = {each["name"]: each for each in table["columns"]}
    index = table["index"]
    if index and any(kinds.get(name, {}).get("type") not in _SORTABLE for name in index["columns"]):
        table["index"] = None
    unique = kinds.get(table["unique"])
    if unique is None or unique["type"] not in _SORTABLE or unique["generated"]:
        table["unique"] = None


def domain_of(schema: Schema, name: str) -> Domain:
    """The schema as one contract of the domain `name`, which is also the database schema."""
    data = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "name": name,
        "version": "1.0.0",
        "status": "active",
        "domain": name,
        "customProperties": [
            {"property": "databaseSchema", "value": name},
            {"property": "enumTypes", "value": [{"name": "mood", "values": schema["moods"]}]},
        ],
        "schema": [_table(table) for table in schema["tables"]],
    }
    return Domain(
        name=name, contracts=(read_contract(Document(path=Path(f"{name}.odcs.yaml"), data=data, positions={})),)
    )


def _table(table: dict[str, Any]) -> dict[str, Any]:
    key = {
        "name": "id", "logicalType": "integer", "physicalType": "bigint", "primaryKey": True, "primaryKeyPosition": 1,
        "required": True,
    }  # fmt: skip
    if table["identity"]:
        key["customProperties"] = [{"property": "identity", "value": table["identity"]}]
    properties = [key, *(_column(column) for column in table["columns"])]
    if table["reference"]:
        properties.append(
            {
                "name": "ref",
                "logicalType": "integer",
                "physicalType": "bigint",
                "relationships": [
                    {
                        "to": f"{table['reference']}.id",
                        "customProperties": [{"property": "onDelete", "value": table["on_delete"]}],
                    }
                ],
            }
        )
    custom: list[dict[str, Any]] = []
    if table["index"]:
        custom.append({"property": "indexes", "value": [_index(table["name"], table["index"])]})
    if table["check"]:
        custom.append({"property": "checks", "value": [{"name": "id_check", "condition": table["check"]}]})
    if table["unique"]:
        custom.append(
            {"property": "uniqueKeys", "value": [{"name": f"{table['name']} key", "columns": [table["unique"]]}]}
        )
    found = {"name": table["name"], "physicalType": "table", "properties": properties, "customProperties": custom}
    return {**found, "description": table["comment"]} if table["comment"] else found


def _column(column: dict[str, Any]) -> dict[str, Any]:
    kind = column["type"]
    custom = []
    if column["generated"]:
        custom.append({"property": "generated", "value": column["generated"]})
    elif column["default"]:
        custom.append({"property": "default", "value": column["default"]})
    found: dict[str, Any] = {
        "name": column["name"],
        "logicalType": _LOGICAL.get(kind, TYPES[kind][0]),
        "physicalType": kind,
        "required": column["required"],
        "customProperties": custom,
    }
    return {**found, "description": column["comment"]} if column["comment"] else found


def _index(table: str, index: dict[str, Any]) -> dict[str, Any]:
    order = " desc" if index["descending"] and index["method"] == "btree" else ""
    keys: list[Any] = [{"column": name, **({"order": "desc"} if order else {})} for name in index["columns"]]
    found: dict[str, Any] = {"name": f"{table} idx", "columns": keys, "method": index["method"]}
    return {**found, "where": index["where"]} if index["where"] else found


def row_values(table: dict[str, Any], number: int) -> dict[str, str]:
    """One row of a drawn table as SQL literals by column; rows 1 and 2 differ in every value."""
    values = {"id": str(number)}
    for column in table["columns"]:
        if not column["generated"]:
            values[column["name"]] = TYPES[column["type"]][1 + number]
    if table["reference"]:
        values["ref"] = "1"
    return values
