"""A block of CSV taken apart by Arrow: as texts, or at once as values of the columns' types.

Only text that Arrow, DuckDB and COPY surely read alike is taken apart here; whatever else a block holds is left to
`groundwork.flow.csv_text`, record by record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv


def is_plain(block: bytes) -> bool:
    """Whether all readers of CSV agree on what the block says, as far as its single bytes tell."""
    if b"\x00" in block or (b"\\" in block and b"\\." in block):  # a single byte is found far more quickly than two
        return False
    return is_plainly_quoted(block)


def is_plainly_quoted(block: bytes) -> bool:
    """Whether every quoted field is quoted as a whole."""
    import numpy as np

    if b'"' not in block:
        return True
    text = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = text[opening[opening > 0] - 1]
    behind = text[closing[closing < len(text) - 1] + 1]
    is_escaped = closing[:-1] + 1 == opening[1:]  # two quotes side by side inside a field
    begins = (before == ord(",")) | (before == ord("\n"))
    ends = (behind == ord(",")) | (behind == ord("\n")) | (behind == ord("\r"))
    begins[len(begins) - len(is_escaped) :] |= is_escaped
    ends[: len(is_escaped)] |= is_escaped
    return bool(begins.all() and ends.all())


def is_line_by_line(block: bytes, count: int) -> bool:
    """Whether every one of `count` records is one line and no line is blank, which COPY would take for a broken one."""
    return block.count(b"\n") + (not block.endswith(b"\n")) == count


def read_texts(block: bytes, width: int) -> tuple[pa.Table, list[tuple[int, str]]] | None:
    """The block as texts by column, and the lines that have not `width` fields with their numbers from 0.

    Null when Arrow cannot take it apart, or when lines that it cannot read hide line breaks.
    """
    import pyarrow as pa
    from pyarrow import csv

    broken: list[tuple[int, str]] = []

    def keep(row: csv.InvalidRow) -> str:
        broken.append((row.number - 1, row.text))
        return "skip"

    parse = csv.ParseOptions(newlines_in_values=b'"' in block, invalid_row_handler=keep)
    try:
        table = _read(block, [pa.string()] * width, parse)
    except pa.ArrowInvalid:
        return None
    if any("\n" in text for _, text in broken):
        return None
    return table, broken


def read_values(block: bytes, types: Sequence[pa.DataType]) -> pa.Table | None:
    """The block as values of `types`; null when one of its records does not fit."""
    import pyarrow as pa
    from pyarrow import csv

    try:
        return _read(block, types, csv.ParseOptions())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _read(block: bytes, types: Sequence[pa.DataType], parse: csv.ParseOptions) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    names = [f"f{index}" for index in range(len(types))]
    return csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
        parse_options=parse,
        convert_options=csv.ConvertOptions(
            column_types=dict(zip(names, types, strict=True)),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
