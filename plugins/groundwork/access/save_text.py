"""Good rows as the text that COPY reads, each value null, left to its default, or given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql

from groundwork.access.validation import Field

DEFAULT = "\\D"  # a value cannot look like it: a backslash in a value comes doubled
GIVEN = "1"
_ABSENT = "0"
_NULL = "\\N"
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_FREE_TEXT = (sqltypes.String, sqltypes.JSON, postgresql.ARRAY, sqltypes.LargeBinary)


def copy_text(rows: Any, columns: Sequence[Field], numbers: Mapping[str, int], *, with_pattern: bool) -> bytes:
    """The rows of an Arrow table with `s<n>` (input text) and `g<n>` (whether it is given), as COPY's text format.

    With `with_pattern` what is not given is null, and the last field tells by one letter per column what is.
    """
    import pyarrow.compute as pc

    texts = [_text(rows, each, numbers[each.name], with_default=not with_pattern) for each in columns]
    if with_pattern:
        marks = [pc.if_else(rows.column(f"g{numbers[each.name]}"), GIVEN, _ABSENT) for each in columns]
        texts.append(pc.binary_join_element_wise(*marks, "") if len(marks) > 1 else marks[0])
    lines = pc.binary_join_element_wise(*texts, "\t") if len(texts) > 1 else texts[0]
    return b"".join(part for chunk in lines.chunks for part in _joined(chunk))


def _text(rows: Any, each: Field, number: int, *, with_default: bool) -> Any:
    import pyarrow.compute as pc

    found = rows.column(f"s{number}")
    if isinstance(each.kind, _FREE_TEXT):
        for letter, escape in _ESCAPES:
            if pc.any(pc.match_substring(found, letter)).as_py():
                found = pc.replace_substring(found, letter, escape)
    found = pc.fill_null(found, _NULL)
    if each.has_default and with_default:
        found = pc.if_else(rows.column(f"g{number}"), found, DEFAULT)
    return found


def _joined(chunk: Any) -> Sequence[bytes]:
    return ["\n".join(chunk.to_pylist()).encode(), b"\n"] if len(chunk) else []
