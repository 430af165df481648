"""Columns of Arrow as the text that PostgreSQL's input functions read, and the types that hold their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from groundwork.flow.json_text import column_text

if TYPE_CHECKING:
    import pyarrow as pa


def texts(column: pa.Array, target: str) -> pa.Array:
    """The values of `column` as text for a column of type `target`; null stays null."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if pa.types.is_dictionary(kind):
        return texts(column.dictionary_decode(), target)
    is_document = target.lower() in ("json", "jsonb")
    if is_document or not _is_castable(kind):
        return text_array([column_text(_plain(value, kind), target) for value in column.to_pylist()])
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        naive = compute.cast(column.cast(pa.timestamp(kind.unit, "UTC")), pa.timestamp(kind.unit))
        return compute.binary_join_element_wise(naive.cast(pa.string()), pa.scalar("Z"), pa.scalar(""))
    if pa.types.is_float16(kind):
        column = column.cast(pa.float32())
    return column.cast(pa.string())


def text_array(values: Iterable[str | None]) -> pa.Array:
    """Texts as Arrow has them; `pyarrow.array` would import pandas for it."""
    import pyarrow as pa

    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def csv_block(columns: Sequence[pa.Array], constants: Sequence[str | None]) -> bytes | None:
    """The columns and the constants behind them as CSV for COPY: texts in quotes, nulls without."""
    import pyarrow as pa
    from pyarrow import csv

    if not columns:
        return None
    rows = len(columns[0])
    arrays = [*columns, *(text_array([value] * rows) for value in constants)]
    table = pa.table(arrays, names=[f"f{number}" for number in range(len(arrays))])
    sink = BytesIO()
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False, quoting_style="needed"))
    return sink.getvalue()


def column_type(kind: pa.DataType) -> str:
    """The PostgreSQL type that holds every value of an Arrow type."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return column_type(kind.value_type)
    if types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})" if kind.scale >= 0 else "numeric"
    if types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamptz"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "jsonb" if types.is_nested(kind.value_type) else f"{column_type(kind.value_type)}[]"
    tests = (
        (types.is_boolean, "boolean"),
        (lambda found: types.is_integer(found) and found.bit_width <= 16 and found != pa.uint16(), "smallint"),
        (lambda found: types.is_integer(found) and found.bit_width <= 32 and found != pa.uint32(), "integer"),
        (lambda found: types.is_integer(found) and found != pa.uint64(), "bigint"),
        (types.is_integer, "numeric(20,0)"),
        (lambda found: types.is_floating(found) and found.bit_width <= 32, "real"),
        (types.is_floating, "double precision"),
        (types.is_date, "date"),
        (types.is_time, "time"),
        (types.is_duration, "interval"),
        (_is_binary, "bytea"),
        (types.is_nested, "jsonb"),
    )
    return next((name for test, name in tests if test(kind)), "text")


def _is_castable(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return not (types.is_nested(kind) or types.is_duration(kind) or _is_binary(kind))


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _plain(value: Any, kind: pa.DataType) -> Any:
    """A Python value; the pairs of a map become a mapping."""
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_map(kind):
        return {str(key): _plain(each, kind.item_type) for key, each in value}
    if pa.types.is_struct(kind):
        return {each.name: _plain(value[each.name], each.type) for each in kind}
    if pa.types.is_nested(kind):
        return [_plain(each, kind.value_type) for each in value]
    return value
