"""The shapes of live tables as a proposed contract: what the server has, exactly, in the words of contracts.

The contract's own tables, made from it and observed, have the same shapes. What contracts have no words for is
listed, never dropped in silence. Proposals about values (classification, rules) come from profiles, if there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from groundwork.infer.contract_head import contract_head, custom
from groundwork.infer.profile import Proposal
from groundwork.infer.shape_columns import numbering
from groundwork.infer.shape_table import ShapeTable, TableNotes
from groundwork.model.shape import EnumTypeShape, SchemaShape


def shape_contract(
    shapes: SchemaShape,
    schema: str,
    *,
    domain: str,
    purpose: str,
    domain_types: Mapping[str, str],
    notes: Mapping[str, TableNotes] | None = None,
) -> Proposal:
    """The contract of all tables, enum types and sequences of `shapes` that are in `schema`.

    `domain_types` are the base types of domains, `notes` are by name of table. `left_out` tells what contracts have no
    words for.
    """
    own = [each for each in shapes.enum_types if each.schema == schema]
    enum_types = {name: each.name for each in own for name in _type_names(each)}
    tables = [
        ShapeTable(
            table,
            f"/schema/{place}",
            enum_types=enum_types,
            domain_types=domain_types,
            there={each.name for each in shapes.tables},
            notes=(notes or {}).get(table.name, TableNotes()),
        )
        for place, table in enumerate(shapes.tables)
    ]
    built = [table.data() for table in tables]
    levels = [level for table in tables if (level := table.freshness())]
    head = contract_head(domain=domain, name=schema, purpose=purpose, schema=schema)
    head["customProperties"] += custom({"enumTypes": _enum_types(shapes), "sequences": _sequences(shapes)})
    document = {
        **head,
        **({"slaProperties": [data for data, _ in levels]} if levels else {}),
        "schema": built,
    }
    guesses = [guess for table in tables for guess in table.guesses]
    guesses += [replace(guess, pointer=f"/slaProperties/{place}") for place, (_, guess) in enumerate(levels)]
    left_out = [line for table in tables for line in table.left_out]
    left_out += [str(each) for each in shapes.unsupported]
    return Proposal(document=document, guesses=tuple(guesses), left_out=tuple(left_out))


def _type_names(each: EnumTypeShape) -> tuple[str, ...]:
    """How the server's texts name the type: with its schema, each part quoted where it must be."""
    from psycopg import sql

    quoted = sql.Identifier(each.schema, each.name).as_string()
    return f"{each.schema}.{each.name}", quoted, f'{each.schema}."{each.name}"', f'"{each.schema}".{each.name}'


def _enum_types(shapes: SchemaShape) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "values": list(each.values), **({"description": each.comment} if each.comment else {})}
        for each in shapes.enum_types
    ]


def _sequences(shapes: SchemaShape) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            **numbering(each, "bigint"),
            **({"description": each.comment} if each.comment else {}),
        }
        for each in shapes.sequences
    ]
