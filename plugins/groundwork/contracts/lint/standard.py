"""What each version of the standard added and allowed, and the JSON Schema of a version that follows from it.

The package `open_data_contract_standard` ships the schema of the newest version only. The tables here say what that
schema has to forget, or to say otherwise, to be the one of an older version. Older versions are taken strictly: a
property that none of them knows is a mistake there too, where version 3.0's own schema lets anything pass.

Source: the changelog of the Open Data Contract Standard, versions 3.0.0 to 3.2.0.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

Schema = dict[str, Any]

VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
NEWEST = VERSIONS[-1]
_ROOT = ""  # the contract itself

# version → part of the schema (a pointer below `$defs`, or from the root with `/`) → properties that came with it
PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "v3.0.1": {
        _ROOT: "authoritativeDefinitions",
        "/properties/description": "authoritativeDefinitions customProperties",
        "Role": "customProperties",
    },
    "v3.0.2": {
        "SchemaBaseProperty": "physicalName",
        "TeamMember": "name description",
    },
    "v3.1.0": {
        "AuthoritativeDefinitions/items": "id description",
        "CustomProperty": "id description",
        "DataQuality": "id",
        "DataQualityLibrary": "metric arguments",
        "Pricing": "id",
        "Role": "id",
        "SchemaBaseProperty": "relationships",
        "SchemaElement": "id",
        "SchemaObject": "relationships",
        "Server": "id",
        "ServerSource/CustomServer": "stream",
        "ServiceLevelAgreementProperty": "id description schedule scheduler",
        "SupportItem": "id customProperties",
        "TeamMember": "id tags customProperties authoritativeDefinitions",
    },
    "v3.2.0": {
        _ROOT: "context",
        "CustomProperty": "vendor",
        "RelationshipBase": "id",
        "SchemaBaseProperty": "enum semanticType",
        "SchemaBaseProperty/allOf/8/then": "map",
        "SchemaElement": "deprecated synonyms",
        "SchemaObject": "context",
        "ServerSource/AthenaServer": "workgroup",
        "ServerSource/AzureServer": "encoding",
        "ServerSource/CustomServer": "encoding",
        "ServerSource/GlueServer": "encoding",
        "ServerSource/KafkaServer": "encoding",
        "ServerSource/KinesisServer": "encoding",
        "ServerSource/LocalServer": "encoding",
        "ServerSource/S3Server": "encoding",
        "ServerSource/SftpServer": "encoding",
        "ServiceLevelAgreementProperty": "customProperties authoritativeDefinitions",
    },
}

# version → property with a fixed vocabulary → words that came with it
WORDS: Mapping[str, Mapping[str, str]] = {
    "v3.1.0": {
        "SchemaBaseProperty/properties/logicalType": "timestamp time",
        "Server/properties/type": "hive impala zen",
    },
    "v3.2.0": {
        "SchemaBaseProperty/properties/logicalType": "map vector",
        "Server/properties/type": (
            "btrieve exasol fastobjects ingres poet hana iceberg teradata vectorwise versant"  # codespell:ignore poet
        ),
    },
}

_LIMITS = ("exclusiveMaximum", "exclusiveMinimum")
_FORMATS = {"type": "string", "enum": ["parquet", "delta", "json", "csv"]}
_DELIMITERS = {"type": "string", "enum": ["new_line", "array"]}


@cache
def schema_of(version: str) -> Schema:
    """The JSON Schema (Draft 2019-09) of one of `VERSIONS`."""
    schema = copy.deepcopy(_shipped())
    position = VERSIONS.index(version)
    for later in VERSIONS[position + 1 :]:
        for part, names in PROPERTIES.get(later, {}).items():
            for name in names.split():
                part_of(schema, part)["properties"].pop(name, None)
        for part, words in WORDS.get(later, {}).items():
            words_now = part_of(schema, part)
            words_now["enum"] = [word for word in words_now["enum"] if word not in words.split()]
    schema["properties"]["apiVersion"] = {"type": "string"}  # which it may be is not the version's own business
    if position < VERSIONS.index("v3.2.0"):
        _before_3_2(schema)
    if position < VERSIONS.index("v3.1.0"):
        _before_3_1(schema)
    _without_later_types(schema["$defs"]["SchemaBaseProperty"])
    _without_guesses(schema["$defs"]["SchemaBaseProperty"])
    return schema


def came_with(name: str, kind: Mapping[str, Mapping[str, str]], version: str) -> str | None:
    """The first version after `version` in which a property (or word) called `name` came, null when none is known."""
    later = VERSIONS[VERSIONS.index(version) + 1 :]
    return next((each for each in later if any(name in names.split() for names in kind.get(each, {}).values())), None)


@cache
def _shipped() -> Schema:
    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    found: Schema = json.loads(text)
    return found


def part_of(schema: Schema, path: str) -> Any:
    """The part of the schema at `path`: below `$defs`, from the root when it starts with `/`."""
    part: Any = schema if not path or path.startswith("/") else schema["$defs"]
    for step in path.strip("/").split("/") if path else ():
        part = part[int(step)] if isinstance(part, list) else part[step]
    return part


def _before_3_2(schema: Schema) -> None:
    schema["required"] = [*schema["required"], "status"]
    part_of(schema, "ServerSource/AthenaServer")["required"] = ["stagingDir", "schema"]
    part_of(schema, "Port")["type"] = "integer"
    part_of(schema, "ShorthandReference")["pattern"] = r"^[A-Za-z_]\w*\.[A-Za-z_]\w*$"


def _before_3_1(schema: Schema) -> None:
    definitions = schema["$defs"]
    members = {key: value for key, value in definitions["TeamMember"].items() if key != "required"}
    schema["properties"]["team"] = {"type": "array", "items": members}
    definitions["SupportItem"]["required"] = ["channel", "url"]
    definitions["DataQualityLibrary"]["required"] = ["rule"]
    definitions["DataQualityLibrary"]["properties"] |= {"rule": {"type": "string"}}
    definitions["DataQuality"]["allOf"][0]["if"] = {"properties": {"type": {"const": "library"}}}
    operators = definitions["DataQualityOperators"].pop("oneOf")
    definitions["DataQualityOperators"]["properties"] = {
        name: value for branch in operators for name, value in branch["properties"].items()
    }
    for options in _options(definitions):
        for limit in _LIMITS:
            if limit in options:
                options[limit] = {"type": "boolean"}
    for server in ("AzureServer", "S3Server", "SftpServer"):
        properties = definitions["ServerSource"][server]["properties"]
        properties |= {"format": _FORMATS, "delimiter": _DELIMITERS}
    definitions["ServerSource"]["DuckdbServer"]["properties"]["schema"] = {"type": "integer"}


def _without_later_types(column: Schema) -> None:
    """Drop what is asked of columns of a logical type that did not exist yet."""
    known = column["properties"]["logicalType"]["enum"]
    column["allOf"] = [
        branch
        for branch in column["allOf"]
        if branch.get("if", {}).get("properties", {}).get("logicalType", {}).get("const", known[0]) in known
    ]


def _without_guesses(column: Schema) -> None:
    """Ask for what one logical type has only of a column of that type: an `if` that names no value holds for all."""
    for branch in column["allOf"]:
        if "if" in branch:
            branch["if"]["required"] = ["logicalType"]
    untyped = {name: column_part for name, column_part in _typed_parts(column) if name != "map"}
    column["allOf"].append({"if": {"not": {"required": ["logicalType"]}}, "then": {"properties": untyped}})


def _typed_parts(column: Schema) -> Iterator[tuple[str, Schema]]:
    for branch in column["allOf"]:
        for name, part in branch.get("then", {}).get("properties", {}).items():
            yield name, {"type": "object"} if name == "logicalTypeOptions" else part


def _options(definitions: Schema) -> Iterator[Schema]:
    """The properties of each logical type's options."""
    for branch in definitions["SchemaBaseProperty"]["allOf"]:
        options = branch.get("then", {}).get("properties", {}).get("logicalTypeOptions")
        if options is not None:
            yield options["properties"]
