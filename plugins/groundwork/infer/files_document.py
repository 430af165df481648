"""From measured files to a proposed contract as plain ODCS data, with the place of every guess in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from groundwork.infer.contract_head import contract_head, custom
from groundwork.infer.files_nested import nested_parts
from groundwork.infer.keys import SURE_OF_KEY
from groundwork.infer.profile import ColumnProfile, Guess, Proposal, TableProfile
from groundwork.infer.propose import ColumnProposal, KeyProposal, RelationshipProposal
from groundwork.infer.proposed_parts import freshness, reference
from groundwork.infer.quality import allowed_values_rule
from groundwork.infer.relationships_names import table_words
from groundwork.infer.types import Family, family_of, logical_type_of, roomy_type

_SURE_OF_UNIQUE = 0.9
_MOST_BYTES = 63


@dataclass(frozen=True, kw_only=True)
class ProposedTable:
    """All that is proposed for one table; `source` is null where a load could not read its files."""

    profile: TableProfile
    columns: tuple[ColumnProposal, ...]
    nested: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[KeyProposal, ...] = ()
    relationships: tuple[RelationshipProposal, ...] = ()
    source: Mapping[str, Any] | None = None

    @property
    def key(self) -> KeyProposal | None:
        """The key that is sure enough to be the primary one."""
        return self.keys[0] if self.keys and self.keys[0].confidence >= SURE_OF_KEY else None

    @property
    def uniques(self) -> tuple[str, ...]:
        """Columns that are unique beside the primary key and meant to be."""
        key = self.key.columns if self.key else ()
        return tuple(
            column.name
            for column in self.columns
            if (column.name,) != key
            and any(guess.pointer == "/unique" and guess.confidence >= _SURE_OF_UNIQUE for guess in column.guesses)
        )

    def type_of(self, name: str) -> str:
        """The physical type of a column, with room for larger values."""
        return roomy(self.profile.column(name))


def contract(tables: Sequence[ProposedTable], *, domain: str, name: str, left_out: Sequence[str]) -> Proposal:
    """The contract of all `tables`."""
    types = _types(tables)
    built = [_Table(table, f"/schema/{place}", types) for place, table in enumerate(tables)]
    levels = [level for table in built if (level := table.freshness())]
    sources = ", ".join(table.profile.source for table in tables)
    document = {
        **contract_head(domain=domain, name=name, purpose=f"Proposed from {sources}; to be reviewed.", schema=domain),
        **({"slaProperties": [data for data, _ in levels]} if levels else {}),
        "schema": [table.data() for table in built],
    }
    guesses = [guess for table in built for guess in table.guesses]
    guesses += [replace(guess, pointer=f"/slaProperties/{place}") for place, (_, guess) in enumerate(levels)]
    return Proposal(document=document, guesses=tuple(guesses), left_out=tuple(left_out))


def _types(tables: Sequence[ProposedTable]) -> dict[tuple[str, str], str]:
    """Physical types by table and column; a column that refers to a key has the key's type."""
    types = {(t.profile.name, column.name): t.type_of(column.name) for t in tables for column in t.columns}
    for _ in tables:  # a reference may lead to a reference
        for table in tables:
            for found in table.relationships:
                for column, target in zip(found.columns, found.target_columns, strict=True):
                    types[table.profile.name, column] = types[found.target_table, target]
    return types


class _Table:
    """One table being written; `guesses` fill while it is."""

    def __init__(self, table: ProposedTable, pointer: str, types: Mapping[tuple[str, str], str]) -> None:
        self._table = table
        self._name = table.profile.name
        self._pointer = pointer
        self._types = types
        self._row_number = f"{'_'.join(table_words(self._name))}_row_id"[:_MOST_BYTES]
        self.guesses: list[Guess] = []

    def data(self) -> dict[str, Any]:
        """The table as an entry of `schema`."""
        table, key = self._table, self._table.key
        properties = {"indexes": self._indexes(), "source": table.source}
        data: dict[str, Any] = {
            "name": self._name,
            "physicalType": "table",
            "logicalType": "object",
            "description": f"Rows of {table.profile.source}.",
            "dataGranularityDescription": f"One row per {', '.join(key.columns if key else (self._row_number,))}.",
            "customProperties": custom(properties),
            "relationships": [self._relationship(place, found) for place, found in enumerate(table.relationships)],
            "properties": list(self._properties()),
        }
        return {name: value for name, value in data.items() if value not in ([], None)}

    def freshness(self) -> tuple[dict[str, Any], Guess] | None:
        """The service level of the column that tells best when rows come in."""
        return freshness(self._name, self._table.columns)

    def _properties(self) -> Iterator[dict[str, Any]]:
        if self._table.key is None:
            yield self._surrogate()
        offset = 0 if self._table.key else 1
        for place, column in enumerate(self._table.columns, offset):
            yield self._property(column, f"{self._pointer}/properties/{place}")

    def _surrogate(self) -> dict[str, Any]:
        """A number for each row where nothing in the row identifies it."""
        guess = Guess(
            pointer=f"{self._pointer}/properties/0",
            what="a number for each row as primary key",
            evidence="no column and no combination of up to three identifies a row",
            confidence=0.3,
        )
        self.guesses.append(guess)
        return {
            "name": self._row_number,
            "logicalType": "integer",
            "physicalType": "bigint",
            "primaryKey": True,
            "primaryKeyPosition": 1,
            "required": True,
            "classification": "internal",
            "description": "Number of the row, made by the server.",
            "customProperties": custom({"identity": "always"}),
        }

    def _property(self, column: ColumnProposal, pointer: str) -> dict[str, Any]:
        position = self._key_position(column.name)
        is_unique = column.name in self._table.uniques
        physical = self._types[self._name, column.name]
        values = column.allowed_values
        enum = values if self._has_check_name(column.name) else ()
        data: dict[str, Any] = {
            "name": column.name,
            "logicalType": logical_type_of(physical),
            "physicalType": physical,
            "primaryKey": True if position else None,
            "primaryKeyPosition": position,
            "required": column.is_required or bool(position),
            "unique": True if is_unique else None,
            "classification": str(column.classification),
            "description": column.description,
            "enum": [{"value": value} for value in enum] or None,
            "quality": [allowed_values_rule(values)] if values and not enum else None,
            "logicalTypeOptions": dict(column.options) or None,
            "customProperties": custom(_guards(column)) or None,
        }
        data |= nested_parts(self._table.nested.get(column.name), physical)
        found = {name: value for name, value in data.items() if value is not None}
        self.guesses += self._placed(column, found, pointer, physical)
        return found

    def _placed(self, column: ColumnProposal, data: Mapping[str, Any], pointer: str, physical: str) -> Iterator[Guess]:
        """The column's guesses at their places in the document, where what they propose is in it."""
        seen = self._table.profile.column(column.name)
        if physical != seen.type:
            evidence = f"all values fit {seen.type}; there is room for larger ones"
            yield Guess(pointer=f"{pointer}/physicalType", what=physical, evidence=evidence, confidence=0.7)
        places = {"/masking": "/customProperties", "/enum": "/enum" if "enum" in data else "/quality"}
        for guess in column.guesses:
            place = places.get(guess.pointer, guess.pointer)
            top = place.split("/")[1]
            if top in data and data[top] is not False:
                yield replace(guess, pointer=pointer + place)
        key = self._table.key
        if key and column.name == key.columns[0]:
            kind = "natural" if key.is_natural else "surrogate"
            what = f"primary key ({', '.join(key.columns)}), {kind}"
            yield Guess(pointer=f"{pointer}/primaryKey", what=what, evidence=key.evidence, confidence=key.confidence)

    def _key_position(self, name: str) -> int | None:
        key = self._table.key
        return key.columns.index(name) + 1 if key and name in key.columns else None

    def _has_check_name(self, column: str) -> bool:
        """Whether the name of the CHECK that an enum becomes fits."""
        return len(f"{self._name}_{column}_check") <= _MOST_BYTES

    def _relationship(self, place: int, found: RelationshipProposal) -> dict[str, Any]:
        entry, guess = reference(found, f"{self._pointer}/relationships/{place}")
        self.guesses.append(guess)
        return entry

    def _indexes(self) -> list[dict[str, Any]]:
        """An index for each reference that the primary key or a unique column does not serve."""
        key = self._table.key.columns if self._table.key else ()
        found = []
        for relationship in self._table.relationships:
            columns = relationship.columns
            is_served = key[: len(columns)] == columns or (len(columns) == 1 and columns[0] in self._table.uniques)
            if not is_served:
                name = f"{self._name}_{'_'.join(columns)}"[: _MOST_BYTES - 4].rstrip("_")
                reason = f"Rows are looked up by what they refer to in {relationship.target_table}."
                found.append({"name": f"{name}_idx", "columns": list(columns), "reason": reason})
        return found


def _guards(column: ColumnProposal) -> dict[str, Any]:
    if column.personal_data is None:
        return {}
    return {"personalData": str(column.personal_data), "masking": column.masking}


def roomy(profile: ColumnProfile) -> str:
    """The column's type with room for larger values than those seen."""
    if family_of(profile.type) is not Family.INTEGER or profile.minimum is None or profile.maximum is None:
        return roomy_type(profile.type)
    return roomy_type(profile.type, max(abs(int(profile.minimum)), abs(int(profile.maximum))))
