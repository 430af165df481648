"""A quarantined record as values of its table's columns again.

The raw record is kept as its source had it: fields of the source by their names, columns by theirs (a record that was
rejected while publishing, or a row that was withdrawn), or the one text `line` (a line of JSON, or a line that could
not be divided into fields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from groundwork.contracts.contract import TableContract
from groundwork.flow.json_text import column_text, parse
from groundwork.flow.record import Rule
from groundwork.flow.source import fillable

_LOST = frozenset({Rule.NUL_BYTE, Rule.ENCODING})  # what is kept of such a value is an escape, not the value
ROW_MARK = "is_row"  # key of a reason: the record is a row that stood in the table, known by its columns
_WHILE_PUBLISHING = frozenset({Rule.DUPLICATE_KEY, Rule.KEY_CONFLICT})  # raw then has typed values


def is_undivided(table: TableContract, raw: Mapping[str, Any]) -> bool:
    """Whether the record is kept as one text."""
    fields = _fields(table)
    names = fields.values() if fields else [column.name for column in fillable(table)]
    return set(raw) == {"line"} and "line" not in names


def field_values(
    table: TableContract, raw: Mapping[str, Any], reasons: Sequence[Mapping[str, Any]]
) -> dict[str, str | None]:
    """Column → text as PostgreSQL's input functions read it; columns that the record says nothing of are left out.

    Empty when the record cannot be divided into fields.
    """
    is_row = any(each.get(ROW_MARK) for each in reasons)
    is_line = is_undivided(table, raw) and not is_row
    is_typed = is_line or any(each["rule"] in _WHILE_PUBLISHING for each in reasons)
    found = _parsed_line(raw["line"]) if is_line else raw
    fields = {} if is_row else _fields(table)
    values: dict[str, str | None] = {}
    for column in fillable(table):
        name = fields.get(column.name, column.name)
        name = name if name in found or is_line else column.name
        if name in found:
            value = found[name]
            is_text = not is_typed and isinstance(value, str)
            values[column.name] = value if is_text else column_text(value, column.type)
        elif is_line and found and column.name in fields:
            values[column.name] = None
    return values


def lost_columns(reasons: Sequence[Mapping[str, Any]]) -> frozenset[str | None]:
    """Columns whose value is not known any more; null stands for the whole record."""
    return frozenset(each.get("column") for each in reasons if each["rule"] in _LOST)


def _fields(table: TableContract) -> Mapping[str, str]:
    return (table.source or {}).get("columns") or {}


def _parsed_line(line: str) -> Mapping[str, Any]:
    try:
        found = parse(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
