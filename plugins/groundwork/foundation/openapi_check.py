"""Whether an OpenAPI document holds together: versions, operations, references, schemas, and every table covered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from groundwork.access.api.openapi import is_writable, key_path
from groundwork.access.api.requests import PREFIX
from groundwork.contracts.contract import Domain

_METHODS = ("get", "post", "patch", "put", "delete")


def faults(document: Mapping[str, Any], domain: Domain) -> list[str]:
    """What is wrong with the document, in words; empty when nothing is."""
    return [*_structure(document), *_operations(document), *_references(document), *_coverage(document, domain)]


def _structure(document: Mapping[str, Any]) -> Iterator[str]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not str(document.get("openapi", "")).startswith("3.1."):
        yield f"expected OpenAPI 3.1, found {document.get('openapi')!r}"
    missing = [name for name in ("title", "version") if name not in document.get("info", {})]
    if missing:
        yield f"`info` lacks {', '.join(missing)}"
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            yield f"schema {name} is no JSON Schema: {error.message}"


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for path, item in document.get("paths", {}).items():
        for method in set(_METHODS) & set(item):
            operation = item[method]
            name = operation.get("operationId")
            if not operation.get("responses"):
                yield f"{method} {path} declares no response"
            if not name or name in seen:
                yield f"{method} {path} has no operationId of its own"
            seen.add(name)
            declared = {each["name"] for each in item.get("parameters", []) if each["in"] == "path"}
            for part in path.split("{")[1:]:
                if part.partition("}")[0] not in declared:
                    yield f"{method} {path} does not declare {{{part.partition('}')[0]}}}"


def _references(document: Mapping[str, Any]) -> Iterator[str]:
    for reference in _found_references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place.get(part) if isinstance(place, Mapping) else None
        if place is None:
            yield f"the reference {reference} leads nowhere"


def _found_references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, member in node.items():
            if name == "$ref" and isinstance(member, str):
                yield member
            else:
                yield from _found_references(member)
    elif isinstance(node, list):
        for member in node:
            yield from _found_references(member)


def _coverage(document: Mapping[str, Any], domain: Domain) -> Iterator[str]:
    paths = document.get("paths", {})
    wanted = {"get", "post"} if is_writable(domain) else {"get"}
    for table in domain.tables:
        path = f"{PREFIX}/{domain.name}/{table.name}"
        if not wanted <= set(paths.get(path, {})):
            yield f"{path} lacks {', '.join(sorted(wanted - set(paths.get(path, {}))))}"
        if table.primary_key and "get" not in paths.get(key_path(domain, table), {}):
            yield f"{key_path(domain, table)} is missing"
