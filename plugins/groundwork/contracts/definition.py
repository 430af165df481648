"""Constraints, indexes and partitions of a table as one line of SQL each, the form in which they are compared.

The text holds everything that matters about the object except its name, so equal text means the same object. It is
valid SQL after `ADD CONSTRAINT …`, or for an index after `CREATE INDEX … ON …` (where UNIQUE and INVALID are words of
ours around it), but for temporal keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundwork.contracts.derive.metadata import quote
from groundwork.model.shape import (
    CheckShape,
    ColumnShape,
    EnumTypeShape,
    ForeignKeyShape,
    IndexShape,
    KeyShape,
    SequenceShape,
    TableShape,
)

_NULLS_NOT_DISTINCT = "NULLS NOT DISTINCT"
_MATCH_FULL = "MATCH FULL"
_WORDS = {
    "type": "AS",
    "increment": "INCREMENT BY",
    "minimum": "MINVALUE",
    "maximum": "MAXVALUE",
    "cache": "CACHE",
    "cycle": "CYCLE",
}
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


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


def enum_type_text(each: EnumTypeShape) -> str:
    """An enum type's values in order, each quoted."""
    return f"ENUM ({', '.join(literal(value) for value in each.values)})"


def sequence_options(each: SequenceShape, counted: str = "bigint") -> dict[str, Any]:
    """The options of a sequence, as contracts name them, that are not the usual ones for one of the type `counted`."""
    largest = _LARGEST.get(each.type, _LARGEST["bigint"])
    least, most = (1, largest) if each.increment > 0 else (-largest - 1, -1)
    usual = {"type": counted, "increment": 1, "minimum": least, "maximum": most, "cache": 1}
    found = {name: getattr(each, name) for name, value in usual.items() if getattr(each, name) != value}
    return found | ({"cycle": True} if each.is_cycling else {})


def sequence_text(each: SequenceShape, counted: str = "bigint") -> str:
    """The options of a sequence that are not what they are for a sequence of the type `counted`, empty for none."""
    options = sequence_options(each, counted)
    return _joined(*(_WORDS[name] if name == "cycle" else f"{_WORDS[name]} {value}" for name, value in options.items()))


def identity_text(column: ColumnShape) -> str | None:
    """How a column is numbered: `always`, `by default` or `serial`, with the options that are not the usual ones."""
    if column.identity is None or column.sequence is None:
        return column.identity
    options = sequence_text(column.sequence, column.type)
    return f"{column.identity} ({options})" if options else column.identity


def literal(value: str) -> str:
    """`value` as an SQL text constant."""
    return "'" + value.replace("'", "''") + "'"


def _key(key: KeyShape, words: str) -> str:
    include = f"INCLUDE ({_list(key.include)})" if key.include else ""
    distinct = [option for option in key.options if option == _NULLS_NOT_DISTINCT]
    others = [option for option in key.options if option != _NULLS_NOT_DISTINCT]
    return _joined(words, *distinct, f"({_list(key.columns)})", include, *others)


def _foreign_key(key: ForeignKeyShape) -> str:
    target = f"{quote(key.target_schema)}.{quote(key.target_table)} ({_list(key.target_columns)})"
    return _joined(
        f"FOREIGN KEY ({_list(key.columns)}) REFERENCES {target}",
        _MATCH_FULL if _MATCH_FULL in key.options else "",
        "" if key.on_update == "NO ACTION" else f"ON UPDATE {key.on_update}",
        "" if key.on_delete == "NO ACTION" else f"ON DELETE {key.on_delete}",
        *(option for option in key.options if option != _MATCH_FULL),
        "" if key.is_validated else "NOT VALID",
    )


def _check(check: CheckShape) -> str:
    if check.condition.startswith("EXCLUDE "):
        return check.condition  # the server's whole text, options included
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
