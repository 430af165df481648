"""The OpenAPI document, derived from the contracts: each table's paths, parameters and row schemas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import types as sqltypes
from sqlalchemy.types import TypeEngine

import groundwork
from groundwork.access.api.requests import PREFIX
from groundwork.access.query import DEFAULT_LIMIT, MAXIMUM_LIMIT, MAXIMUM_VALUES, operators_of
from groundwork.access.relation import Relation, relation
from groundwork.access.values import comparison_type
from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.contracts.derive.json_schema import change_schema, create_schema, row_schema, type_schema

Described = dict[str, Any]
_OPERATOR_WORDS = {
    "eq": "equal to",
    "ne": "not equal to (null counts as different)",
    "gt": "greater than",
    "gte": "greater than or equal to",
    "lt": "less than",
    "lte": "less than or equal to",
    "in": "one of, with commas between",
    "is_null": "absent (true) or present (false)",
    "contains": "containing this JSON document",
    "search": "matching these words in a full-text search",
}
_PROBLEMS = {
    "400": "The body is not JSON.",
    "401": "No key, or one that is unknown, expired or revoked.",
    "403": "The key's role may not do this.",
    "404": "No such table or row.",
    "409": "Another row has this key, or a row that this one points at does not exist.",
    "412": "The row was changed since its version was read.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "A parameter or field breaks its rule; every field error is listed.",
    "428": "The header If-Match is missing.",
    "503": "Tables or roles are not there yet, or the database does not answer; try again later.",
}
_READ = ("401", "403", "404", "422", "503")
_CREATE = ("400", "401", "403", "404", "409", "413", "415", "422", "503")
_CHANGE = (*_CREATE, "412", "428")


def document(domains: Sequence[Domain]) -> Described:
    """The OpenAPI 3.1 document of the tables of `domains`."""
    paths: Described = {"/health": {"get": _health()}}
    schemas: Described = {"Problem": _PROBLEM}
    for domain in domains:
        for table in domain.tables:
            paths |= _paths(domain, table)
            schemas |= _schemas(domain, table)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Groundwork data API",
            "version": groundwork.__version__,
            "description": "Tables as their contracts declare them. Every request acts as the contract role of its "
            "key: columns above the role's clearance are masked and cannot be filtered or ordered by.",
        },
        "security": [{"ApiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            "schemas": schemas,
            "responses": {status: _problem(words) for status, words in _PROBLEMS.items()},
        },
        "tags": [
            {"name": table.name, "description": table.description or table.name}
            for domain in domains
            for table in domain.tables
        ],
    }


def is_writable(domain: Domain) -> bool:
    """Whether any role of the domain may write."""
    return any(role.access == "write" for role in domain.roles)


def key_path(domain: Domain, table: TableContract) -> str:
    """The path of one row, with a parameter for each column of the primary key."""
    return f"{PREFIX}/{domain.name}/{table.name}/{','.join(f'{{{name}}}' for name in table.primary_key)}"


def _paths(domain: Domain, table: TableContract) -> Described:
    known = relation(table)
    collection: Described = {"get": _list(domain, known)}
    row: Described = {"parameters": _key_parameters(known), "get": _get(domain, known)}
    if is_writable(domain):
        collection["post"] = _create(domain, table)
        row["patch"] = _change(domain, table)
    found = {f"{PREFIX}/{domain.name}/{table.name}": collection}
    return found | ({key_path(domain, table): row} if table.primary_key else {})


def _list(domain: Domain, known: Relation) -> Described:
    name = _name(domain, known.contract)
    page = {
        "type": "object",
        "required": ["data", "next"],
        "properties": {
            "data": {"type": "array", "items": _reference(name)},
            "next": {"type": ["string", "null"], "description": "Address of the next page; null on the last."},
        },
    }
    return {
        "operationId": f"list_{name}",
        "summary": f"List {known.contract.name}",
        "description": known.contract.description or "",
        "tags": [known.contract.name],
        "parameters": [*_page_parameters(known), *_filters(known)],
        "responses": {"200": _content("One page of rows.", page), **_problems(_READ)},
    }


def _get(domain: Domain, known: Relation) -> Described:
    name = _name(domain, known.contract)
    return {
        "operationId": f"get_{name}",
        "summary": f"Show one row of {known.contract.name}",
        "tags": [known.contract.name],
        "parameters": [_fields(known)],
        "responses": {
            "200": _content("The row.", _reference(name), etag=True),
            "304": {"description": "The row is still what If-None-Match names."},
            **_problems(_READ),
        },
    }


def _create(domain: Domain, table: TableContract) -> Described:
    name = _name(domain, table)
    return {
        "operationId": f"create_{name}",
        "summary": f"Create a row of {table.name}",
        "tags": [table.name],
        "requestBody": _body(f"{name}_new"),
        "responses": {
            "201": _content("The row as it was stored.", _reference(name), etag=True),
            **_problems(_CREATE),
        },
    }


def _change(domain: Domain, table: TableContract) -> Described:
    name = _name(domain, table)
    version = {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "ETag of the row as it was read, or * for any.",
        "schema": {"type": "string"},
    }
    return {
        "operationId": f"change_{name}",
        "summary": f"Change one row of {table.name}",
        "tags": [table.name],
        "parameters": [version],
        "requestBody": _body(f"{name}_changes"),
        "responses": {"200": _content("The row as it is now.", _reference(name), etag=True), **_problems(_CHANGE)},
    }


def _schemas(domain: Domain, table: TableContract) -> Described:
    name = _name(domain, table)
    found = {name: row_schema(table)}
    if is_writable(domain):
        fixed = frozenset(column for column in (*table.primary_key, relation(table).version_column) if column)
        found |= {f"{name}_new": create_schema(table), f"{name}_changes": change_schema(table, fixed=fixed)}
    return found


def _key_parameters(known: Relation) -> list[Described]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": known.contract.column(name).description or "",
            "schema": _comparable(known.types[name]) | ({"minLength": 1} if _is_text(known.types[name]) else {}),
        }
        for name in known.key
    ]


def _page_parameters(known: Relation) -> list[Described]:
    names = [column.name for column in known.contract.columns if column.is_required and _has_order(column, known)]
    return [
        _parameter("limit", "Rows of one page.", {
            "type": "integer", "minimum": 1, "maximum": MAXIMUM_LIMIT, "default": DEFAULT_LIMIT,
        }),
        _parameter("cursor", "Where the page begins; from `next` of the page before.", {"type": "string"}),
        _listed("order", "Columns to order by, descending with - in front; the primary key when absent.",
                {"enum": [*names, *[f"-{name}" for name in names]]}, len(names)),
        _fields(known),
    ]  # fmt: skip


def _filters(known: Relation) -> Iterator[Described]:
    for column in known.contract.columns:
        for operator in operators_of(known.types[column.name]):
            name = column.name if operator == "eq" else f"{column.name}__{operator}"
            words = f"`{column.name}` {_OPERATOR_WORDS[operator]}."
            if operator == "in":
                yield _listed(name, words, _element(column, known), MAXIMUM_VALUES)
            elif operator == "is_null":
                yield _parameter(name, words, {"type": "boolean"})
            elif operator in ("contains", "search"):
                yield _parameter(name, words, {"type": "string"})
            else:
                yield _parameter(name, words, _element(column, known))


def _element(column: ColumnContract, known: Relation) -> Described:
    return _comparable(known.types[column.name])


def _comparable(kind: TypeEngine[Any]) -> Described:
    return type_schema(comparison_type(kind))


def _fields(known: Relation) -> Described:
    return _listed("fields", "Columns to show; all when absent.", {"enum": list(known.readable)}, len(known.readable))


def _parameter(name: str, words: str, schema: Described) -> Described:
    return {"name": name, "in": "query", "description": words, "schema": schema}


def _listed(name: str, words: str, element: Described, most: int) -> Described:
    schema = {"type": "array", "items": element, "minItems": 1, "maxItems": most, "uniqueItems": True}
    return {**_parameter(name, words, schema), "style": "form", "explode": False}


def _body(name: str) -> Described:
    return {"required": True, "content": {"application/json": {"schema": _reference(name)}}}


def _content(words: str, schema: Described, *, etag: bool = False) -> Described:
    found: Described = {"description": words, "content": {"application/json": {"schema": schema}}}
    if etag:
        found["headers"] = {"ETag": {"description": "Version of the row.", "schema": {"type": "string"}}}
    return found


def _problems(statuses: Sequence[str]) -> Described:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _problem(words: str) -> Described:
    return {"description": words, "content": {"application/problem+json": {"schema": _reference("Problem")}}}


def _reference(name: str) -> Described:
    return {"$ref": f"#/components/schemas/{name}"}


def _name(domain: Domain, table: TableContract) -> str:
    return f"{domain.name}_{table.name}"


def _is_text(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, sqltypes.String)


def _has_order(column: ColumnContract, known: Relation) -> bool:
    return not {"contains", "search"} & set(operators_of(known.types[column.name])) and column.is_required


def _health() -> Described:
    return {
        "operationId": "health",
        "summary": "Say whether the service runs",
        "security": [],
        "responses": {
            "200": _content("It runs.", {"type": "object", "properties": {"status": {"type": "string"}}}),
        },
    }


_PROBLEM: Described = {
    "type": "object",
    "title": "Problem details (RFC 9457)",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "instance": {"type": "string"},
        "where": {"type": "string"},
        "expected": {"type": "string"},
        "found": {"type": ["string", "integer"]},
        "next_step": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "column": {"type": ["string", "null"]},
                    "expected": {"type": "string"},
                    "found": {"type": "string"},
                    "suggestion": {"type": "string"},
                    "corrected": {"description": "A value that would pass, where there is no doubt about it."},
                },
            },
        },
    },
}
