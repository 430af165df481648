"""Fields of records that somebody else has read: their types and what could be said of them, by the rules for files.

For sources that are no files of this machine. The caller bounds how many records it hands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from groundwork.infer.files_document import roomy
from groundwork.infer.files_source import Field, Kind, RawTable, fetch, sql, workbench
from groundwork.infer.profile import ColumnProfile
from groundwork.infer.types_text import Decision

if TYPE_CHECKING:
    import duckdb

_TABLE = "t0"
_AS_TEXT = "c{place}"
_AS_JSON = (  # half of a character, which some write, is no JSON
    "json_extract_string(TRY_CAST(c{place} AS JSON), '$') AS c{place}, "
    "json_type(TRY_CAST(c{place} AS JSON)) AS t{place}"
)


@dataclass(frozen=True, kw_only=True)
class FieldSample:
    """Values of the field `name`, for a column to be called `column`, one per record; null where it has none.

    They are texts, or JSON values as text where `is_json`. `type` is PostgreSQL's type when the source tells it, null
    where the values have to.
    """

    name: str
    column: str
    values: Sequence[str | None]
    is_json: bool = False
    type: str | None = None


def profile_fields(samples: Sequence[FieldSample]) -> tuple[ColumnProfile, ...]:
    """The profile of each field, in order, with a type that has room for values larger than those seen.

    Values that PostgreSQL would not take as they are written (a decimal comma, words for null) make the type `text`.
    All samples have one value per record.
    """
    from groundwork.infer.files_measure import Measured

    with workbench() as connection:
        raw = _loaded(connection, samples)
        decisions = [_decided(connection, raw, place, each) for place, each in enumerate(samples)]
        measured = Measured(connection, raw, decisions, [each.column for each in samples])
        profile = measured.profile("records", "records", {}, is_complete=False)
    return tuple(
        replace(column, type=each.type or roomy(column)) for column, each in zip(profile.columns, samples, strict=True)
    )


def _loaded(connection: duckdb.DuckDBPyConnection, samples: Sequence[FieldSample]) -> RawTable:
    import pyarrow as pa

    arrays = {f"c{place}": pa.array(list(each.values), pa.string()) for place, each in enumerate(samples)}
    columns = ", ".join(sql(_AS_JSON if each.is_json else _AS_TEXT, place=place) for place, each in enumerate(samples))
    connection.register("incoming", pa.table(arrays))
    fetch(connection, sql("CREATE TABLE {table} AS SELECT {columns} FROM incoming", table=_TABLE, columns=columns))
    connection.unregister("incoming")
    fields = tuple(
        Field(name=each.name, place=place, kind=Kind.JSON if each.is_json else Kind.TEXT)
        for place, each in enumerate(samples)
    )
    return RawTable(name=_TABLE, rows=len(samples[0].values), fields=fields, format="records")


def _decided(connection: duckdb.DuckDBPyConnection, raw: RawTable, place: int, sample: FieldSample) -> Decision:
    from groundwork.infer.types_fields import decide_field

    field = raw.fields[place]
    if sample.type is not None:
        return Decision(type="text", value=field.raw)
    found = decide_field(connection, raw, field)
    return Decision(type="text", value=field.raw, notes=found.obstacles) if found.obstacles else found
