"""Constraints, indexes and partitions of a table as one line of SQL each, the form in which they are compared.

The text holds everything that matters about the object except its name, so equal text means the same object.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundwork.contracts.derive.metadata import quote
from groundwork.model.shape import CheckShape, ForeignKeyShape, IndexShape, KeyShape, TableShape


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A named object and its text."""

    name: str
    text: str


def definitions(table: TableShape) -> dict[str, tuple[Definition, ...]]:
    """The table's objects by the word for their kind, in the order they are compared and repaired."""
    keys = (table.primary_key,) if table.primary_key else ()
    return {
        "primary key": tuple(Definition(name=key.name, text=_key(key, "PRIMARY KEY")) for key in keys),
        "unique key": tuple(Definition(name=key.name, text=_key(key, "UNIQUE")) for key in table.unique_keys),
        "check": tuple(Definition(name=check.name, text=_check(check)) for check in table.checks),
        "index": tuple(Definition(name=index.name, text=_index(index)) for index in table.indexes),
        "partition": tuple(Definition(name=part.name, text=part.bounds) for part in table.partitions),
        "foreign key": tuple(Definition(name=key.name, text=_foreign_key(key)) for key in table.foreign_keys),
    }


def _key(key: KeyShape, words: str) -> str:
    return _joined(f"{words} ({_list(key.columns)})", *key.options)


def _foreign_key(key: ForeignKeyShape) -> str:
    target = f"{quote(key.target_schema)}.{quote(key.target_table)} ({_list(key.target_columns)})"
    return _joined(
        f"FOREIGN KEY ({_list(key.columns)}) REFERENCES {target}",
        "" if key.on_update == "NO ACTION" else f"ON UPDATE {key.on_update}",
        "" if key.on_delete == "NO ACTION" else f"ON DELETE {key.on_delete}",
        *key.options,
        "" if key.is_validated else "NOT VALID",
    )


def _check(check: CheckShape) -> str:
    if check.condition.startswith("EXCLUDE "):
        return _joined(check.condition, *check.options)
    return _joined(f"CHECK ({check.condition})", *check.options, "" if check.is_validated else "NOT VALID")


def _index(index: IndexShape) -> str:
    return _joined(
        f"{'UNIQUE ' if index.is_unique else ''}USING {index.method} ({', '.join(index.keys)})",
        f"INCLUDE ({', '.join(index.include)})" if index.include else "",
        *index.options,
        f"WHERE {index.predicate}" if index.predicate else "",
        "" if index.is_valid else "INVALID",
    )


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(quote(name) for name in names)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
