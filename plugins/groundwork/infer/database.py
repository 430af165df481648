"""A live schema to a proposed contract: its tables exactly as they are, and what their rows suggest beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import text

from groundwork.catalog.postgres import observe_schemas
from groundwork.infer.database_profile import Profiler
from groundwork.infer.domain_types import domain_types
from groundwork.infer.keys import SURE_OF_KEY
from groundwork.infer.profile import Guess, Proposal, TableProfile
from groundwork.infer.propose import RelationshipProposal, propose_column, propose_keys, propose_relationships
from groundwork.infer.relationships_circles import without_circles
from groundwork.infer.shape_document import shape_contract
from groundwork.infer.shape_table import TableNotes
from groundwork.model.errors import ConfigError
from groundwork.model.shape import SchemaShape, TableShape

if TYPE_CHECKING:
    from sqlalchemy import Connection


def infer_schema(
    connection: Connection,
    schema: str,
    *,
    tables: Sequence[str] | None = None,
    domain: str,
    profile: bool = True,
    accept_relationships: bool = False,
) -> Proposal:
    """The contract of the tables of `schema` (all, or those in `tables`), its enum types and its sequences.

    Tables made from the contract are equal to the live ones, but for what `left_out` tells. With `profile` some rows
    are looked at, in bounded time and without changing anything, for classification, rules and undeclared references;
    references are declared with `accept_relationships` only, because the live tables do not have them.

    Raises: ConfigError for a schema or table that is not there.
    """
    shapes = _chosen(connection, observe_schemas(connection, [schema]), schema, tables)
    purpose = f"Proposed from the schema {schema} of a database; to be reviewed."
    bases = domain_types(connection)
    if not profile:
        return shape_contract(shapes, schema, domain=domain, purpose=purpose, domain_types=bases)
    profiler = Profiler(connection, shapes.tables)
    profiles = profiler.profiles()
    found = _undeclared(profiler, shapes.tables, profiles)
    accepted = without_circles([each for each in found if not each.missing]) if accept_relationships else []
    notes = {
        table.name: TableNotes(
            columns={
                column.name: propose_column(
                    column,
                    neighbours=profiles[table.name].columns,
                    table=table.name,
                    is_key=bool(table.primary_key and column.name in table.primary_key.columns),
                )
                for column in profiles[table.name].columns
            },
            relationships=tuple(each for each in accepted if each.table == table.name),
        )
        for table in shapes.tables
    }
    proposal = shape_contract(shapes, schema, domain=domain, purpose=purpose, domain_types=bases, notes=notes)
    told = [each for each in found if each not in accepted]
    guesses = (*proposal.guesses, *_key_guesses(profiler, shapes.tables, profiles), *_told(told, shapes.tables))
    return replace(proposal, guesses=guesses, left_out=(*proposal.left_out, *profiler.notes))


def _chosen(connection: Connection, shapes: SchemaShape, schema: str, tables: Sequence[str] | None) -> SchemaShape:
    names = [table.name for table in shapes.tables]
    if (
        not names
        and not connection.execute(
            text("SELECT count(*) FROM pg_namespace WHERE nspname = :name"), {"name": schema}
        ).scalar_one()
    ):
        known = connection.execute(
            text(
                "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
                " ORDER BY nspname"
            )
        ).scalars()
        raise ConfigError(
            "there is no schema of this name in the database",
            expected=f"one of {', '.join(known)}",
            found=schema,
            next_step="name one of them, or another connection",
        )
    if tables is None:
        return shapes
    absent = [name for name in tables if name not in names]
    if absent:
        raise ConfigError(
            f"there is no table of this name in the schema {schema}",
            expected=f"one of {', '.join(names)}",
            found=absent[0],
            next_step="name one of them, or the schema alone for all of its tables",
        )
    kept = tuple(table for table in shapes.tables if table.name in tables)
    texts = " ".join(f"{column.type} {column.default}" for table in kept for column in table.columns)
    return SchemaShape(
        tables=kept,
        enum_types=tuple(each for each in shapes.enum_types if each.name in texts),
        sequences=tuple(each for each in shapes.sequences if each.name in texts),
        unsupported=tuple(each for each in shapes.unsupported if each.table in tables),
    )


def _undeclared(
    profiler: Profiler, tables: Sequence[TableShape], profiles: Mapping[str, TableProfile]
) -> list[RelationshipProposal]:
    """References that values and names suggest and no foreign key declares."""
    keys = {
        table.name: [
            *([table.primary_key.columns] if table.primary_key else []),
            *(key.columns for key in table.unique_keys),
        ]
        for table in tables
    }
    declared = {(table.name, key.columns) for table in tables for key in table.foreign_keys}
    proposals = propose_relationships(
        list(profiles.values()), profiler.included, keys={name: found for name, found in keys.items() if found}
    )
    return [each for each in proposals if (each.table, each.columns) not in declared]


def _told(proposals: Sequence[RelationshipProposal], tables: Sequence[TableShape]) -> list[Guess]:
    places = {table.name: place for place, table in enumerate(tables)}
    return [
        Guess(
            pointer=f"/schema/{places[each.table]}",
            what=f"{', '.join(each.columns)} refers to {each.target_table} ({', '.join(each.target_columns)}), "
            "which no foreign key says",
            evidence=each.evidence,
            confidence=each.confidence,
        )
        for each in proposals
    ]


def _key_guesses(profiler: Profiler, tables: Sequence[TableShape], profiles: Mapping[str, TableProfile]) -> list[Guess]:
    """What could be the key of a table that has none."""
    found = []
    for place, table in enumerate(tables):
        keys = () if table.primary_key else propose_keys(profiles[table.name], profiler.counting(table.name))
        if keys and keys[0].confidence >= SURE_OF_KEY:
            what = f"primary key ({', '.join(keys[0].columns)}), which the table does not have"
            confidence = keys[0].confidence
            pointer = f"/schema/{place}"
            found.append(Guess(pointer=pointer, what=what, evidence=keys[0].evidence, confidence=confidence))
    return found
