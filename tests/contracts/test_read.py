"""Contracts are read generously: whatever version 3 of the standard allows gives values, and nothing gets lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.contracts.contract import ColumnContract, Contract, Domain, IndexKey
from groundwork.contracts.derive.ddl import LeftOut, left_out, statements
from groundwork.contracts.derive.json_schema import create_schema
from groundwork.contracts.document import parse_document
from groundwork.contracts.logical_types import physical_type
from groundwork.contracts.read import assembled, read_contract, read_domain
from groundwork.contracts.read_table import index_key
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification

_HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: draft\n"


def read(text: str, head: str = _HEAD) -> Contract:
    return read_contract(parse_document(head + text, Path("/contracts/orchard/c.odcs.yaml")))


def column(text: str) -> ColumnContract:
    return read(f"schema: [{{name: t, properties: [{{name: c, {text}}}]}}]\n").tables[0].columns[0]


def test_the_least_that_the_standard_asks_for_is_enough() -> None:
    contract = read("", head="apiVersion: v3.2.0\nkind: DataContract\nid: 7\nversion: 1\n")
    assert (contract.id, contract.name, contract.version) == ("7", "7", "1")
    assert (contract.domain, contract.status, contract.owner, contract.tables) == ("orchard", "draft", "unowned", ())


@pytest.mark.parametrize(
    ("team", "owner"),
    [
        ("team: {name: growers}", "growers"),
        ("team: {members: [{username: ann}, {username: bo, role: Data Owner}]}", "bo"),
        ("team: [{username: ann}, {username: bo}]", "ann"),
        ("team: [{username: ann, role: steward}, {username: bo, role: owner}]", "bo"),
        ("team: []", "unowned"),
        ("team:", "unowned"),
    ],
)
def test_an_owner_in_every_form(team: str, owner: str) -> None:
    assert read(f"{team}\n").owner == owner


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"physicalType": "DECIMAL(4)", "logicalType": "string"}, "DECIMAL(4)"),
        ({"logicalType": "string"}, "text"),
        ({"logicalType": "string", "logicalTypeOptions": {"maxLength": 12}}, "varchar(12)"),
        ({"logicalType": "string", "logicalTypeOptions": {"format": "uuid", "maxLength": 36}}, "uuid"),
        ({"logicalType": "string", "logicalTypeOptions": {"format": "binary"}}, "bytea"),
        ({"logicalType": "integer"}, "bigint"),
        ({"logicalType": "integer", "logicalTypeOptions": {"format": "i32"}}, "integer"),
        ({"logicalType": "number"}, "numeric"),
        ({"logicalType": "number", "logicalTypeOptions": {"format": "f64"}}, "double precision"),
        ({"logicalType": "boolean"}, "boolean"),
        ({"logicalType": "date"}, "date"),
        ({"logicalType": "time"}, "time"),
        ({"logicalType": "timestamp"}, "timestamptz"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}}, "timestamp"),
        ({"logicalType": "object"}, "jsonb"),
        ({"logicalType": "map"}, "jsonb"),
        ({"logicalType": "vector"}, "real[]"),
        ({"logicalType": "array"}, "jsonb"),
        ({"logicalType": "array", "items": {"logicalType": "date"}}, "date[]"),
        ({"logicalType": "array", "items": {"logicalType": "object"}}, "jsonb"),
        ({"logicalType": "array", "items": {"logicalType": "array"}}, "jsonb"),
        ({}, "text"),
    ],
)
def test_a_type_follows_where_none_is_written(data: dict[str, object], expected: str) -> None:
    assert physical_type(data) == expected


def test_nested_properties_elements_and_map_values_are_kept() -> None:
    found = column(
        "logicalType: object, properties: [{name: street, logicalType: string, required: true},"
        " {name: tags, logicalType: array, items: {logicalType: string, logicalTypeOptions: {maxLength: 5}}},"
        " {name: counts, logicalType: map, map: {key: {logicalType: string}, value: {logicalType: integer}}}]"
    )
    street, tags, counts = found.properties
    assert (found.type, street.name, street.is_required) == ("jsonb", "street", True)
    assert street.pointer == "/schema/0/properties/0/properties/0"
    assert tags.items is not None
    assert (tags.items.type, tags.items.pointer) == ("varchar(5)", "/schema/0/properties/0/properties/1/items")
    assert counts.items is not None
    assert counts.items.pointer == "/schema/0/properties/0/properties/2/map/value"


def test_the_json_schema_goes_as_deep() -> None:
    table = read(
        "schema: [{name: t, properties: [{name: address, logicalType: object, required: true, properties:"
        " [{name: street, logicalType: string, physicalType: STRING(40), required: true},"
        " {name: tags, logicalType: array, logicalTypeOptions: {minItems: 1}, items: {logicalType: string}},"
        " {name: counts, logicalType: map, map: {key: {logicalType: string}, value: {logicalType: integer,"
        " logicalTypeOptions: {minimum: 0}, required: true}}}]}]}]\n"
    ).tables[0]
    address = create_schema(table)["properties"]["address"]
    assert address["type"] == "object"
    assert address["required"] == ["street"]
    assert address["properties"]["street"] == {"type": "string"}
    assert address["properties"]["tags"] == {
        "type": ["array", "null"],
        "items": {"type": ["string", "null"]},
        "minItems": 1,
    }
    counts = address["properties"]["counts"]["additionalProperties"]
    assert (counts["type"], counts["minimum"]) == ("integer", 0)


def test_objects_that_are_no_tables_are_kept_and_left_out_with_the_reason() -> None:
    contract = read(
        "schema: [{name: events, physicalType: topic, properties: [{name: key, logicalType: string,"
        " physicalType: AVRO}]}, {name: orders, properties: [{name: id, logicalType: integer},"
        " {name: turnover, logicalType: number, semanticType: measure}]}]\n"
    )
    domain = Domain(name="orchard", contracts=(contract,))
    assert [table.name for table in domain.tables] == ["orders"]
    assert [item.name for item in contract.other_objects] == ["events"]
    assert [column.name for column in domain.tables[0].columns] == ["id"]
    assert create_schema(contract.other_objects[0])["properties"]["key"] == {"type": ["string", "null"]}
    assert left_out(domain) == (
        LeftOut(name="events", reason="it is a topic, and DDL makes tables only"),
        LeftOut(name="orders.turnover", reason="it is a measure, computed of many rows"),
    )
    assert [statement.name for statement in statements(domain)] == ["orchard", "orders"]


def test_words_outside_our_vocabulary_are_taken_on_the_safe_side() -> None:
    assert column("classification: PII").classification is Classification.RESTRICTED
    assert column("classification: Internal").classification is Classification.INTERNAL
    assert column("logicalType: string").classification is None
    assert column("customProperties: [{property: personalData, value: shoe_size}]").personal_data is None


def test_names_and_ids_lead_to_physical_names() -> None:
    contract = read(
        "schema:\n"
        "  - id: people_obj\n    name: people\n    physicalName: tbl_people\n    properties:\n"
        "      - {id: id_prop, name: person, physicalName: person_id, logicalType: integer, primaryKey: true}\n"
        "  - name: pets\n    properties:\n"
        "      - {name: owner, physicalName: owner_id, logicalType: integer, relationships: [{to: people.person}]}\n"
        "      - {name: other, logicalType: integer}\n"
        "    relationships: [{from: schema/pets/properties/owner, to: schema/people_obj/properties/id_prop}]\n"
    )
    domain = Domain(name="orchard", contracts=(contract,))
    assert domain.table("people").name == "tbl_people"
    assert [key.columns for key in domain.table("pets").relationships] == [("owner_id",), ("owner_id",)]
    foreign = [statement.sql for statement in statements(domain) if statement.kind == "foreign key"]
    assert len(foreign) == 2
    assert all("REFERENCES orchard.tbl_people (person_id)" in sql for sql in foreign)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", IndexKey(column="a")),
        ("a desc", IndexKey(column="a", is_descending=True)),
        ("a ASC NULLS FIRST", IndexKey(column="a", nulls="first")),
        ("Mixed Case desc nulls last", IndexKey(column="Mixed Case", is_descending=True, nulls="last")),
    ],
)
def test_keys_written_as_one_text(text: str, expected: IndexKey) -> None:
    assert index_key(text) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("schema: [{physicalName: t}]", "KeyError: 'name'"),
        ("schema: [{name: t, customProperties: [{property: primaryKeyDeferrable, value: soon}]}]", "deferrable"),
        ("schema: [{name: t, customProperties: [{property: indexes, value: [{name: i}]}]}]", "KeyError: 'columns'"),
        ("schema: [{name: t, relationships: [{from: t.a, to: [a.x, b.y]}]}]", "points at exactly one table"),
        ("schema: 7", "TypeError"),
    ],
)
def test_what_has_no_meaning_is_refused(text: str, found: str) -> None:
    with pytest.raises(ConfigError, match="structure of the Open Data Contract Standard") as caught:
        read(f"{text}\n")
    assert found in str(caught.value.found)
    assert caught.value.next_step == "groundwork validate-schema /contracts/orchard/c.odcs.yaml"


def test_an_enum_type_serves_the_whole_domain() -> None:
    types = read("domain: orchard\ncustomProperties: [{property: enumTypes, value: [{name: size, values: [s, l]}]}]\n")
    uses = read("domain: orchard\nschema: [{name: t, properties: [{name: c, physicalType: 'orchard.size[]'}]}]\n")
    found = assembled("orchard", [uses, types]).tables[0].columns[0]
    assert found.enum_type is not None
    assert found.enum_type.values == ("s", "l")
    assert found.possible_values == ()


def test_a_serial_type_is_a_kind_of_numbering() -> None:
    assert (column("physicalType: bigserial").identity, column("physicalType: bigint").identity) == ("serial", None)


def test_a_domain_is_read_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "orchard"
    folder.mkdir()
    (folder / "a.odcs.yaml").write_text(_HEAD + "schema: [{name: t}]\n", encoding="utf-8")
    domain = read_domain("orchard", tmp_path)
    assert (domain.name, domain.contracts[0].domain, domain.schemas) == ("orchard", "orchard", ("orchard",))


@pytest.mark.parametrize("action", ["set null (b); DROP TABLE t; --)", "set null (c)", "explode", "cascade (b)"])
def test_an_action_that_is_none_never_reaches_ddl(action: str) -> None:
    relationship = f"{{to: t.a, customProperties: [{{property: onDelete, value: '{action}'}}]}}"
    contract = read(
        "schema: [{name: t, properties: [{name: a, logicalType: integer, primaryKey: true},"
        f" {{name: b, logicalType: integer, relationships: [{relationship}]}}]}}]\n"
    )
    with pytest.raises(ConfigError, match="no action of a foreign key"):
        statements(Domain(name="orchard", contracts=(contract,)))


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ("physicalType: integer, customProperties: [{property: identity, value: sometimes}]", "identity is not known"),
        ("physicalType: text, customProperties: [{property: identity, value: serial}]", "whole numbers can be serial"),
        ("physicalType: date, customProperties: [{property: collation, value: C}]", "only texts have a collation"),
        (
            "physicalType: int4, customProperties: [{property: identity, value: always}, {property: sequence,"
            " value: {increment: two}}]",
            "no whole number",
        ),
        (
            "physicalType: int4, customProperties: [{property: identity, value: serial}, {property: sequence,"
            " value: {step: 2}}]",
            "no option `step`",
        ),
        ("physicalType: 'text; DROP TABLE t'", "physical type is not known"),
    ],
)
def test_columns_that_no_server_could_make_are_refused(facts: str, problem: str) -> None:
    contract = read(f"schema: [{{name: t, properties: [{{name: c, {facts}}}]}}]\n")
    with pytest.raises(ConfigError, match=problem):
        statements(Domain(name="orchard", contracts=(contract,)))


def test_names_that_are_too_long_are_cut_as_the_server_cuts_them() -> None:
    long = "t" * 63
    contract = read(
        f"schema: [{{name: {long}, properties: [{{name: {'c' * 63}, logicalType: integer, primaryKey: true,"
        f" unique: true, relationships: [{{to: {long}.{'c' * 63}}}]}}]}}]\n"
    )
    made = " ".join(statement.sql for statement in statements(Domain(name="orchard", contracts=(contract,))))
    assert f"CONSTRAINT {'t' * 58}_pkey PRIMARY KEY" in made
    assert f"CONSTRAINT {'t' * 29}_{'c' * 29}_key UNIQUE" in made
    assert f"CONSTRAINT {'t' * 29}_{'c' * 28}_fkey FOREIGN KEY" in made
