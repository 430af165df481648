"""One live table in the words of contracts: its columns, keys, references, checks, indexes and partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundwork.change.wording import names_column
from groundwork.contracts.derive.metadata import quote
from groundwork.contracts.derive.names import joined_columns, object_name
from groundwork.infer.contract_head import custom
from groundwork.infer.profile import Guess
from groundwork.infer.propose import ColumnProposal, RelationshipProposal
from groundwork.infer.proposed_parts import freshness, reference
from groundwork.infer.shape_columns import guesses_of, property_of
from groundwork.infer.shape_parts import UnsayableError, index_entry, partitioning_entry
from groundwork.model.shape import CheckShape, ForeignKeyShape, KeyShape, TableShape

_DEFERRED = ("DEFERRABLE", "INITIALLY DEFERRED")
_FULL = "MATCH FULL"
_DISTINCT = "NULLS NOT DISTINCT"


@dataclass(frozen=True, kw_only=True)
class TableNotes:
    """What is proposed of a table's values: by column, and references that are to be declared."""

    columns: Mapping[str, ColumnProposal] = field(default_factory=dict)
    relationships: tuple[RelationshipProposal, ...] = ()


class ShapeTable:
    """One table being written; `guesses` and `left_out` fill while it is."""

    def __init__(
        self,
        shape: TableShape,
        pointer: str,
        *,
        enum_types: Mapping[str, str],
        domain_types: Mapping[str, str],
        there: set[str],
        notes: TableNotes,
    ) -> None:
        self._shape = shape
        self._pointer = pointer
        self._enum_types = enum_types
        self._domain_types = domain_types
        self._there = there
        self._notes = notes
        self._unsaid: list[str] = []
        self.guesses: list[Guess] = []
        self.left_out: list[str] = []

    def data(self) -> dict[str, Any]:
        """The table as an entry of `schema`."""
        shape = self._shape
        key = shape.primary_key
        grain = f"One row per {', '.join(key.columns)}." if key else None
        properties = list(self._properties())  # first: what stands on a column that is left out is left out as well
        data = {
            "name": shape.name,
            "physicalType": "table",
            "logicalType": "object",
            "description": shape.comment,
            "dataGranularityDescription": grain,
            "customProperties": custom(
                {
                    **self._primary_key(),
                    "uniqueKeys": list(self._unique_keys()),
                    "checks": list(self._checks()),
                    "indexes": list(self._indexes()),
                    "partitioning": self._partitioning(),
                }
            ),
            "relationships": [*self._foreign_keys(), *self._accepted()],
            "properties": properties,
        }
        return {name: value for name, value in data.items() if value not in ([], None)}

    def freshness(self) -> tuple[dict[str, Any], Guess] | None:
        """The service level of the column that tells best when rows come in."""
        return freshness(self._shape.name, self._notes.columns.values())

    def _tell(self, line: str) -> None:
        self.left_out.append(f"{self._shape.qualified_name}: {line}")

    def _properties(self) -> Iterator[dict[str, Any]]:
        key = self._shape.primary_key
        place = 0
        for column in self._shape.columns:
            proposed = self._notes.columns.get(column.name)
            found = property_of(
                column,
                key_position=key.columns.index(column.name) + 1 if key and column.name in key.columns else None,
                is_unique=any(_is_single(each, self._shape.name, column.name) for each in self._shape.unique_keys),
                enum_types=self._enum_types,
                domain_types=self._domain_types,
                proposed=proposed,
                tell=lambda line, name=column.name: self._tell(f"the column {name} {line}"),  # type: ignore[misc]
            )
            if found is None:
                self._unsaid.append(column.name)
                continue
            if proposed:
                self.guesses += guesses_of(proposed, found, f"{self._pointer}/properties/{place}")
            place += 1
            yield found

    def _primary_key(self) -> dict[str, Any]:
        key = self._shape.primary_key
        if key is None:
            self._tell("has no primary key, so its rows cannot be told apart")
            return {}
        self._tell_options("primary key", key)
        usual = object_name(self._shape.name, None, "pkey")
        return {
            "primaryKeyName": key.name if key.name != usual else None,
            "primaryKeyInclude": list(key.include),
            "primaryKeyDeferrable": _deferral(key.options),
        }

    def _stands_on_unsaid(self, kind: str, name: str, *texts: str) -> bool:
        """Whether something names a column that is left out, which is told."""
        column = next((each for each in self._unsaid for text in texts if names_column(text, each)), None)
        if column is not None:
            self._tell(f"the {kind} {name} stands on the column {column}")
        return column is not None

    def _tell_options(self, kind: str, key: KeyShape | ForeignKeyShape | CheckShape) -> None:
        for option in key.options:
            if option not in (*_DEFERRED, _FULL, _DISTINCT):
                self._tell(f"the {kind} {key.name} is {option}")

    def _unique_keys(self) -> Iterator[dict[str, Any]]:
        for key in self._shape.unique_keys:
            if self._stands_on_unsaid("unique key", key.name, *map(quote, (*key.columns, *key.include))):
                continue
            self._tell_options("unique key", key)
            if len(key.columns) == 1 and _is_single(key, self._shape.name, key.columns[0]):
                continue
            entry = {
                "name": key.name,
                "columns": list(key.columns),
                "include": list(key.include),
                "nullsNotDistinct": _DISTINCT in key.options,
                "deferrable": _deferral(key.options),
            }
            yield {name: value for name, value in entry.items() if value}

    def _checks(self) -> Iterator[dict[str, Any]]:
        for check in self._shape.checks:
            if self._stands_on_unsaid("check", check.name, check.condition):
                continue
            if check.condition.startswith("EXCLUDE "):
                self._tell(f"the exclusion constraint {check.name}: {check.condition}")
            elif check.options:
                self._tell(f"the check {check.name} is {', '.join(check.options)}")
            else:
                if not check.is_validated:
                    self._tell(f"the check {check.name} is not validated; the contract declares it for all rows")
                yield {"name": check.name, "condition": check.condition}

    def _indexes(self) -> Iterator[dict[str, Any]]:
        for index in self._shape.indexes:
            if self._stands_on_unsaid("index", index.name, *index.keys, *index.include, index.predicate or ""):
                continue
            if not index.is_valid:
                self._tell(f"the index {index.name} is invalid; the contract declares it")
            try:
                entry = index_entry(index)
            except UnsayableError as error:
                self._tell(f"the index {index.name} {error}")
                continue
            yield {**entry, "reason": "It was there when the contract was proposed."}

    def _partitioning(self) -> dict[str, Any] | None:
        try:
            return partitioning_entry(self._shape)
        except UnsayableError as error:
            self._tell(str(error))
            return None

    def _foreign_keys(self) -> Iterator[dict[str, Any]]:
        for key in self._shape.foreign_keys:
            if self._stands_on_unsaid("foreign key", key.name, *map(quote, key.columns)):
                continue
            if key.target_schema != self._shape.schema or key.target_table not in self._there:
                target = f"{key.target_schema}.{key.target_table}"
                self._tell(f"the foreign key {key.name} refers to {target}, which is not in the contract")
                continue
            self._tell_options("foreign key", key)
            if not key.is_validated:
                self._tell(f"the foreign key {key.name} is not validated; the contract declares it for all rows")
            yield self._relationship(key)

    def _relationship(self, key: ForeignKeyShape) -> dict[str, Any]:
        usual = object_name(self._shape.name, joined_columns(key.columns), "fkey")
        properties = custom(
            {
                "name": key.name if key.name != usual else None,
                "onDelete": _action(key.on_delete),
                "onUpdate": _action(key.on_update),
                "deferrable": _deferral(key.options),
                "match": "full" if _FULL in key.options else None,
            }
        )
        return {
            "from": [f"{self._shape.name}.{column}" for column in key.columns],
            "to": [f"{key.target_table}.{column}" for column in key.target_columns],
            **({"customProperties": properties} if properties else {}),
        }

    def _accepted(self) -> Iterator[dict[str, Any]]:
        for place, found in enumerate(self._notes.relationships, len(self._shape.foreign_keys)):
            entry, guess = reference(found, f"{self._pointer}/relationships/{place}")
            self.guesses.append(guess)
            yield entry


def _is_single(key: KeyShape, table: str, column: str) -> bool:
    """Whether the key is what `unique: true` on the column makes."""
    return key == KeyShape(name=object_name(table, column, "key"), columns=(column,))


def _deferral(options: Sequence[str]) -> str | None:
    if "DEFERRABLE" not in options:
        return None
    return "initially deferred" if "INITIALLY DEFERRED" in options else "initially immediate"


def _action(words: str) -> str | None:
    """An action as a contract writes it; columns in brackets keep their letters."""
    if words == "NO ACTION":
        return None
    action, bracket, columns = words.partition(" (")
    return action.lower() + bracket + columns
