"""From rows of the system catalogs to the values of `groundwork.model.shape`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundwork.model.shape import (
    CheckShape,
    ColumnShape,
    EnumTypeShape,
    ForeignKeyShape,
    IndexShape,
    KeyShape,
    SequenceShape,
)

_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_Row = Mapping[str, Any]


def column(row: _Row, numbered_from: _Row | None) -> ColumnShape:
    """A column; `numbered_from` is the sequence that it owns and takes its numbers from."""
    is_serial = numbered_from is not None and row["identity"] is None
    return ColumnShape(
        name=row["name"],
        type=row["type"],
        nullable=row["nullable"],
        default=None if is_serial else row["default"],
        identity="serial" if is_serial else row["identity"],
        generated=row["generated"],
        comment=row["comment"],
        sequence=None if numbered_from is None else sequence(numbered_from),
    )


def sequence(row: _Row) -> SequenceShape:
    """A sequence with all its options."""
    names = ("schema", "name", "type", "increment", "minimum", "maximum", "cache", "is_cycling", "start", "comment")
    return SequenceShape(**{name: row[name] for name in names})


def enum_type(row: _Row) -> EnumTypeShape:
    """An enum type with its values in order."""
    return EnumTypeShape(schema=row["schema"], name=row["name"], values=tuple(row["values"]), comment=row["comment"])


def key(row: _Row) -> KeyShape:
    """A primary or unique key."""
    options = _deferral(row) + (("NULLS NOT DISTINCT",) if row["is_nulls_not_distinct"] else ())
    options += ("WITHOUT OVERLAPS",) if row["is_without_overlaps"] else ()
    return KeyShape(name=row["name"], columns=tuple(row["columns"]), include=tuple(row["include"]), options=options)


def foreign_key(row: _Row) -> ForeignKeyShape:
    """A foreign key with its actions."""
    options = _deferral(row) + _enforcement(row) + (("MATCH FULL",) if row["match"] == "f" else ())
    options += ("PERIOD",) if row["is_without_overlaps"] else ()
    which = f" ({', '.join(row['on_delete_columns'])})" if row["on_delete_columns"] else ""
    return ForeignKeyShape(
        name=row["name"],
        columns=tuple(row["columns"]),
        target_schema=row["target_schema"],
        target_table=row["target_table"],
        target_columns=tuple(row["target_columns"]),
        on_update=_ACTIONS[row["on_update"]],
        on_delete=_ACTIONS[row["on_delete"]] + which,
        is_validated=row["is_validated"],
        options=options,
    )


def check(row: _Row) -> CheckShape:
    """A check, or an exclusion constraint in the server's own words."""
    is_check = row["kind"] == "c"
    options = _deferral(row) + _enforcement(row) + (("NO INHERIT",) if is_check and row["is_not_inherited"] else ())
    return CheckShape(name=row["name"], condition=row["condition"], is_validated=row["is_validated"], options=options)


def index(row: _Row) -> IndexShape:
    """An index that no constraint owns."""
    return IndexShape(
        name=row["name"],
        keys=tuple(row["keys"]),
        is_unique=row["is_unique"],
        method=row["method"],
        predicate=row["predicate"],
        include=tuple(row["include"]),
        is_valid=row["is_valid"],
        options=("NULLS NOT DISTINCT",) if row["is_nulls_not_distinct"] else (),
    )


def _deferral(row: _Row) -> tuple[str, ...]:
    if not row["is_deferrable"]:
        return ()
    return ("DEFERRABLE", "INITIALLY DEFERRED") if row["is_deferred"] else ("DEFERRABLE",)


def _enforcement(row: _Row) -> tuple[str, ...]:
    return () if row["is_enforced"] else ("NOT ENFORCED",)
