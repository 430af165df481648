"""A contract's table as SQL constructs: the base table, its masked view, key, version and types.

Reads as a role go through the view `<schema>_access.<table>`; writes, and everything the owner does, go to the base
table. Types follow the contract, so that a value that was read is bound as what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, FetchedValue, MetaData, Table, Text, bindparam, cast, extract
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.access.errors import InvalidQueryError
from groundwork.access.values import Refused, comparison_type, reader_for, shown, text_reader_for
from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.types import sql_type
from groundwork.model.vocabulary import Classification

VERSION_COLUMN = "updated_at"  # by convention of the contracts; a table without it is versioned by its row's xmin
Key = object  # a value, values in key order, or a mapping from column to value


@dataclass(frozen=True, kw_only=True, eq=False)
class Relation:
    """One table; `version_column` is null when the server's own row version (`xmin`) serves for locking."""

    contract: TableContract
    base: Table
    view: Table
    types: Mapping[str, TypeEngine[Any]]
    version_column: str | None

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key's columns."""
        return self.contract.primary_key

    @cached_property
    def readable(self) -> tuple[str, ...]:
        """Columns that are shown; search documents (`tsvector`) can be searched only."""
        return tuple(name for name, kind in self.types.items() if not isinstance(kind, postgresql.TSVECTOR))

    def masked_for(self, clearance: Classification | None) -> frozenset[str]:
        """Columns whose values a reader of this clearance sees masked; none for null, who is the owner."""
        if clearance is None:
            return frozenset()
        return frozenset(
            each.name
            for each in self.contract.columns
            if each.classification is not None and each.classification.rank > clearance.rank
        )

    def version(self, source: Table) -> ColumnElement[str]:
        """The row's version as text; `source` must be the base table when no column keeps it."""
        if self.version_column:
            # Microseconds since the epoch: the same text whatever the session's time zone and date style.
            return cast(cast(extract("epoch", source.c[self.version_column]) * 1_000_000, BigInteger), Text)
        return cast(source.c.xmin, Text)

    def matches(self, key: Mapping[str, object], source: Table) -> ColumnElement[bool]:
        """The condition that picks the one row with this key."""
        conditions = [source.c[name] == self.bound(name, value) for name, value in key.items()]
        found = conditions[0]
        for condition in conditions[1:]:
            found = found & condition
        return found

    def bound(self, name: str, value: object) -> ColumnElement[Any]:
        """`value` as a parameter to compare the column `name` with; a column stays one."""
        if isinstance(value, ColumnElement):
            return value
        return bindparam(None, value, type_=comparison_type(self.types[name]), unique=True)

    def key_values(self, key: Key) -> dict[str, object]:
        """The key as column → value, from a value, a sequence in key order, or a mapping.

        Raises: InvalidQueryError when parts are missing or are not of the column's type.
        """
        if isinstance(key, Mapping):
            parts = [key[name] for name in self.key if name in key]
        else:
            parts = list(key) if isinstance(key, list | tuple) else [key]
        self._require_parts(len(parts))
        return {name: self.from_value(name, part) for name, part in zip(self.key, parts, strict=True)}

    def key_from_texts(self, parts: Sequence[str]) -> dict[str, object]:
        """The key from the texts of a URL or cursor, in key order; raises as `key_values` does."""
        self._require_parts(len(parts))
        return {name: self.from_text(name, part) for name, part in zip(self.key, parts, strict=True)}

    def from_value(self, name: str, value: object) -> object:
        """`value` as one to compare the column `name` with; raises InvalidQueryError."""
        return self._read(name, value, reader_for(comparison_type(self.types[name])))

    def from_text(self, name: str, text: str) -> object:
        """The value of the column `name` that `text` writes; raises InvalidQueryError."""
        return self._read(name, text, text_reader_for(self.types[name]))

    def require_columns(self, names: Sequence[str]) -> None:
        """Raises InvalidQueryError when one of `names` is no column of the table."""
        for name in names:
            if name not in self.types:
                raise InvalidQueryError(
                    f"the table has no column `{name[:100]}`",
                    where=self.contract.qualified_name,
                    expected=f"one of {', '.join(self.types)}",
                    found=name[:100],
                    next_step="correct the name",
                )

    def _require_parts(self, count: int) -> None:
        if not self.key or count != len(self.key):
            raise InvalidQueryError(
                "this is not a key of the table",
                where=self.contract.qualified_name,
                expected=f"{len(self.key)} value(s): {', '.join(self.key) or 'the table has no primary key'}",
                found=f"{count} value(s)",
                next_step="give each column of the primary key, in this order",
            )

    def _read(self, name: str, value: Any, read: Any) -> object:
        try:
            return read(value)
        except Refused as refused:
            raise InvalidQueryError(
                f"this is not a value of the column `{name}`",
                where=f"{self.contract.qualified_name}.{name}",
                expected=str(refused),
                found=shown(value),
                next_step="correct the value",
            ) from None


def access_schema(schema: str) -> str:
    """The schema with the masked views of a schema's tables.

    Made by `groundwork.governance`, which stands above this room and so cannot be asked; a test compares the two.
    """
    return f"{schema}_access"


def relation(contract: TableContract) -> Relation:
    """The constructs of one table; raises ConfigError for a physical type nobody knows."""
    types = {each.name: _nullable_json(sql_type(each)) for each in contract.columns}
    versioned = any(
        each.name == VERSION_COLUMN and each.is_required and getattr(types[each.name], "timezone", False)
        for each in contract.columns
    )
    return Relation(
        contract=contract,
        base=_table(contract, types, contract.schema),
        view=_table(contract, types, access_schema(contract.schema)),
        types=types,
        version_column=VERSION_COLUMN if versioned else None,
    )


def _table(contract: TableContract, types: Mapping[str, TypeEngine[Any]], schema: str) -> Table:
    columns = [
        Column(
            each.name,
            types[each.name],
            primary_key=each.primary_key_position is not None,
            autoincrement=False,
            server_default=FetchedValue() if each.default or each.identity or each.generated else None,
        )
        for each in contract.columns
    ]
    return Table(contract.name, MetaData(), *columns, Column("xmin", Text, system=True), schema=schema)


def _nullable_json(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type with an absent value meaning SQL's NULL, where SQLAlchemy would write a JSON null."""
    if isinstance(kind, postgresql.JSONB | postgresql.JSON):
        return type(kind)(none_as_null=True)
    return kind
