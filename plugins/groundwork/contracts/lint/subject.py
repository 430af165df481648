"""What rules look at: the contracts as they are written, right or wrong, each part with its place in the file.

A contract with a mistake often cannot be turned into `groundwork.contracts.contract` values, and a rule must see the
rest of it all the same. So these views take whatever is there: a part of the wrong kind looks absent here, and the
JSON Schema tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from groundwork.contracts.document import Document
from groundwork.contracts.edits import AddEntry, Edit, ReplaceText, SetValue

Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A mistake at a place of a document; the registry adds rule and severity."""

    document: Document
    pointer: str
    message: str
    fix: str
    edit: Edit | ReplaceText | None = None  # what to change, where only one thing can be right


@dataclass(frozen=True, kw_only=True)
class Part:
    """A mapping somewhere in a document."""

    document: Document
    pointer: str
    data: Data

    def problem(self, below: str, message: str, fix: str, *, edit: Edit | None = None) -> Problem:
        """A mistake at `below`, a pointer that starts at this part (empty: the part itself)."""
        return Problem(document=self.document, pointer=f"{self.pointer}{below}", message=message, fix=fix, edit=edit)

    def setting(self, below: str, value: object) -> Edit:
        """The edit that makes `value` stand at `below`, which is there or one key below what is."""
        pointer = f"{self.pointer}{below}"
        before, _, key = pointer.rpartition("/")
        is_new = before == self.pointer and key not in self.data
        return AddEntry(pointer=before, key=key, value=value) if is_new else SetValue(pointer=pointer, value=value)

    def text(self, key: str) -> str:
        """The text at `key`, empty when there is none."""
        value = self.data.get(key)
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts in the list at `key` (a single text counts as a list of one)."""
        value = self.data.get(key)
        items = value if isinstance(value, list) else [value]
        return tuple(item for item in items if isinstance(item, str))

    def parts(self, key: str) -> tuple[Part, ...]:
        """The mappings in the list at `key`."""
        return _parts(self.document, f"{self.pointer}/{key}", self.data.get(key))

    def custom(self, name: str) -> Any:
        """The value of a custom property, null when it is not there."""
        for entry in self.parts("customProperties"):
            if entry.data.get("property") == name:
                return entry.data.get("value")
        return None

    def custom_text(self, name: str) -> str | None:
        """The value of a custom property as text, null when it is not there."""
        value = self.custom(name)
        return None if value is None else str(value)

    def custom_pointer(self, name: str) -> str:
        """The pointer to a custom property's value, from this part on."""
        for index, entry in enumerate(self.parts("customProperties")):
            if entry.data.get("property") == name:
                return f"/customProperties/{index}/value"
        return ""

    def custom_parts(self, name: str) -> tuple[Part, ...]:
        """The mappings in the list that is a custom property's value."""
        return _parts(self.document, f"{self.pointer}{self.custom_pointer(name)}", self.custom(name))

    def custom_part(self, name: str) -> Part | None:
        """The mapping that is a custom property's value."""
        value = self.custom(name)
        if not isinstance(value, Mapping):
            return None
        return Part(document=self.document, pointer=f"{self.pointer}{self.custom_pointer(name)}", data=value)


@dataclass(frozen=True, kw_only=True)
class ColumnPart(Part):
    """A column as it is written."""

    @property
    def name(self) -> str:
        """Its name in the database."""
        return self.text("physicalName") or self.text("name")

    @property
    def type(self) -> str:
        """Its physical type, empty when none is declared."""
        return self.text("physicalType")

    @property
    def is_required(self) -> bool:
        """Whether it may not be null."""
        return bool(self.data.get("required")) or bool(self.data.get("primaryKey"))


@dataclass(frozen=True, kw_only=True)
class RelationshipPart(Part):
    """A relationship as it is written, at a table or at a column; `columns` and targets have no table in front."""

    columns: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def target_table(self) -> str | None:
        """The one table it points at, null when there is not exactly one."""
        tables = {target.rpartition(".")[0] for target in self.targets}
        return tables.pop() if len(tables) == 1 else None

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns it points at."""
        return tuple(target.rpartition(".")[2] for target in self.targets)


@dataclass(frozen=True, kw_only=True)
class TablePart(Part):
    """A table as it is written."""

    schema: str

    @property
    def name(self) -> str:
        """Its name in the database."""
        return self.text("physicalName") or self.text("name")

    @cached_property
    def columns(self) -> tuple[ColumnPart, ...]:
        """Its columns."""
        return tuple(
            ColumnPart(document=part.document, pointer=part.pointer, data=part.data)
            for part in self.parts("properties")
        )

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> ColumnPart | None:
        """The column called `name`."""
        return self._columns_by_name.get(name)

    @cached_property
    def _columns_by_name(self) -> dict[str, ColumnPart]:
        return {column.name: column for column in reversed(self.columns)}  # the first of two equal names counts

    @cached_property
    def primary_key(self) -> tuple[str, ...]:
        """The names of its primary key's columns in order of position."""
        keyed = [column for column in self.columns if column.data.get("primaryKey") is True]
        return tuple(column.name for column in sorted(keyed, key=_key_position))

    @cached_property
    def unique_keys(self) -> tuple[tuple[str, ...], ...]:
        """The columns of each declared unique key."""
        single = tuple((column.name,) for column in self.columns if column.data.get("unique") is True)
        return single + tuple(part.texts("columns") for part in self.custom_parts("uniqueKeys"))

    @cached_property
    def indexes(self) -> tuple[Part, ...]:
        """Its declared indexes."""
        return self.custom_parts("indexes")

    @cached_property
    def relationships(self) -> tuple[RelationshipPart, ...]:
        """Its relationships, those of its columns last."""
        own = [_relationship(part, part.texts("from")) for part in self.parts("relationships")]
        for column in self.columns:
            own += [_relationship(part, (column.name,)) for part in column.parts("relationships")]
        return tuple(own)


@dataclass(frozen=True, kw_only=True)
class ContractPart(Part):
    """A contract file as it is written."""

    @property
    def schema(self) -> str:
        """The database schema of its tables."""
        return self.custom_text("databaseSchema") or self.text("domain")

    @cached_property
    def tables(self) -> tuple[TablePart, ...]:
        """Its tables."""
        return tuple(
            TablePart(document=part.document, pointer=part.pointer, data=part.data, schema=self.schema)
            for part in self.parts("schema")
        )


@dataclass(frozen=True, kw_only=True)
class DomainPart:
    """All files that are linted together; `name` is the domain they are expected to declare, if any."""

    name: str | None
    contracts: tuple[ContractPart, ...]

    @cached_property
    def tables(self) -> tuple[TablePart, ...]:
        """All tables in order of file and declaration."""
        return tuple(table for contract in self.contracts for table in contract.tables)

    def table(self, name: str) -> TablePart | None:
        """The table called `name`, with or without its schema."""
        return self._tables_by_name.get(name)

    @cached_property
    def _tables_by_name(self) -> dict[str, TablePart]:
        found: dict[str, TablePart] = {}
        for table in self.tables:
            found.setdefault(table.name, table)
            found.setdefault(f"{table.schema}.{table.name}", table)
        return found


@dataclass(frozen=True, kw_only=True)
class KeyPart:
    """One key of an index as it is written: a column or an expression.

    `order` is the word after it, `nulls` the word after `nulls`, empty when there is none.
    """

    pointer: str
    column: str | None
    expression: str | None
    order: str
    nulls: str = ""
    operator_class: str = ""


def index_keys(index: Part) -> Iterator[KeyPart]:
    """The keys of a declared index in order."""
    value = index.data.get("columns")
    for position, key in enumerate(value if isinstance(value, list) else []):
        pointer = f"/columns/{position}"
        if isinstance(key, str):
            yield _key_of_text(pointer, key)
        elif isinstance(key, Mapping):
            part = Part(document=index.document, pointer=f"{index.pointer}{pointer}", data=key)
            yield KeyPart(
                pointer=pointer,
                column=part.text("column") or None,
                expression=part.text("expression") or None,
                order=part.text("order").lower() or "asc",
                nulls=part.text("nulls").lower(),
                operator_class=part.text("operatorClass"),
            )


def _key_of_text(pointer: str, text: str) -> KeyPart:
    """A key written as `column`, `column desc`, `column desc nulls last`."""
    before, word, nulls = text.partition(" nulls ")
    column, _, order = before.partition(" ")
    nulls = nulls.strip().lower() if word else ""
    return KeyPart(pointer=pointer, column=column, expression=None, order=order.strip().lower() or "asc", nulls=nulls)


def _parts(document: Document, pointer: str, value: object) -> tuple[Part, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        Part(document=document, pointer=f"{pointer}/{index}", data=item)
        for index, item in enumerate(value)
        if isinstance(item, Mapping)
    )


def _relationship(part: Part, sources: tuple[str, ...]) -> RelationshipPart:
    return RelationshipPart(
        document=part.document,
        pointer=part.pointer,
        data=part.data,
        columns=tuple(source.rpartition(".")[2] for source in sources),
        targets=part.texts("to"),
    )


def _key_position(column: ColumnPart) -> int:
    position = column.data.get("primaryKeyPosition", 1)
    return position if isinstance(position, int) else 1
