"""Names that PostgreSQL takes without quotes.

Schemas, tables, columns, indexes and constraints are written in small letters, digits and underscores, start with a
letter, and have at most 63 bytes: PostgreSQL cuts longer ones off silently. Tables and columns are no reserved words.
Names that are made from declared ones (`<table>_<columns>_fkey`, partitions) must fit as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_FORM = re.compile(r"[a-z][a-z0-9_]*")
_MOST_BYTES = 63
_LONGEST_PARTITION_SUFFIX = "_y2000m01"


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every name that is not as it must be."""
    for contract in domain.contracts:
        place = contract.custom_pointer("databaseSchema") or "/domain"
        yield from _name(contract, place, contract.schema, "schema")
        for kind, property_ in (("enum type", "enumTypes"), ("sequence", "sequences")):
            for part in contract.custom_parts(property_):
                yield from _name(part, "/name", part.text("name"), kind)
    for table in domain.tables:
        yield from _name(table, _pointer(table), table.name, "table", may_be_reserved=False)
        for column in table.columns:
            yield from _name(column, _pointer(column), column.name, "column", may_be_reserved=False)
        for kind, property_ in (("index", "indexes"), ("unique key", "uniqueKeys"), ("check", "checks")):
            for part in table.custom_parts(property_):
                yield from _name(part, "/name", part.text("name"), kind)
        yield from _chosen(table)
        yield from _derived(table)


def _pointer(part: Part) -> str:
    return "/physicalName" if part.text("physicalName") else "/name"


def _name(part: Part, pointer: str, name: str, kind: str, *, may_be_reserved: bool = True) -> Iterator[Problem]:
    if not name:
        return  # the structure asks for a name; a missing one of ours is told by the rule of its part
    if not _FORM.fullmatch(name):
        yield part.problem(pointer, f"the {kind} name `{name}` is not in snake_case", f"write `{_snake_case(name)}`")
    elif len(name) > _MOST_BYTES:
        yield part.problem(
            pointer, f"the {kind} name has {len(name)} bytes, 63 are kept", f"shorten it, e.g. `{name[:50]}`"
        )
    elif not may_be_reserved and name in _reserved():
        yield part.problem(
            pointer, f"the {kind} name `{name}` is a reserved word of SQL", f"write e.g. `{name}_{_ending(kind)}`"
        )


def _chosen(table: TablePart) -> Iterator[Problem]:
    """Names that a contract may choose for what is named by rule otherwise."""
    place = table.custom_pointer("primaryKeyName")
    yield from _name(table, place, table.custom_text("primaryKeyName") or "", "primary key")
    for relationship in table.relationships:
        place = relationship.custom_pointer("name")
        yield from _name(relationship, place, relationship.custom_text("name") or "", "foreign key")
    partitioning = table.custom_part("partitioning")
    for partition in partitioning.parts("partitions") if partitioning else ():
        yield from _name(partition, "/name", partition.text("name"), "partition")


def _derived(table: TablePart) -> Iterator[Problem]:
    if len(table.name) > _MOST_BYTES:
        return
    for relationship in table.relationships:
        name = f"{table.name}_{'_'.join(relationship.columns)}_fkey"
        if len(name) > _MOST_BYTES:
            yield relationship.problem(
                "", f"its foreign key's name `{name}` exceeds 63 bytes", "shorten the names in it"
            )
    for column in table.columns:
        name = f"{table.name}_{column.name}_check"
        if column.data.get("enum") and len(name) > _MOST_BYTES >= len(column.name):
            yield column.problem("/enum", f"its check's name `{name}` exceeds 63 bytes", "shorten the names in it")
    if table.custom_part("partitioning") and len(table.name + _LONGEST_PARTITION_SUFFIX) > _MOST_BYTES:
        yield table.problem(_pointer(table), "its partitions' names exceed 63 bytes", "shorten the table's name")


@cache
def _reserved() -> set[str]:
    from pglast.keywords import RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

    return {*RESERVED_KEYWORDS, *TYPE_FUNC_NAME_KEYWORDS}


def _snake_case(name: str) -> str:
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    words = re.sub(r"[^a-z0-9]+", "_", split).strip("_")
    return words if words[:1].isalpha() else f"t_{words}"


def _ending(kind: str) -> str:
    return "rows" if kind == "table" else "value"
