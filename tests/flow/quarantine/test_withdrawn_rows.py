"""A row that stood in a table is read by its columns, whatever its source calls its fields, and masked by both."""

from __future__ import annotations

from pathlib import Path

from groundwork.contracts.contract import TableContract
from groundwork.flow.quarantine.read import MASK, shown_raw
from groundwork.flow.quarantine.row import ROW_MARK, field_values
from tests.flow.depot import column, declared

RAW = {"id": "1", "day": "2026-01-01", "price": "5"}


def table(folder: Path) -> TableContract:
    """A table whose source calls the day `price`, and says nothing of the price."""
    columns = (
        column("id", "bigint", key=1, classification="public"),
        column("day", "date", classification="public"),
        column("price", "numeric", classification="restricted"),
    )
    source = {"kind": "file", "path": "items.csv", "format": "csv", "columns": {"id": "id", "day": "price"}}
    return declared(folder, columns, source).table("items")


def test_a_row_is_read_by_its_columns_and_a_record_by_its_fields(tmp_path: Path) -> None:
    reason = {"rule": "references", "column": None, "message": "no parent"}
    assert field_values(table(tmp_path), RAW, [{**reason, ROW_MARK: True}]) == RAW
    assert field_values(table(tmp_path), RAW, [reason])["day"] == "5"


def test_what_may_be_either_is_masked_as_the_more_guarded_one(tmp_path: Path) -> None:
    assert shown_raw(table(tmp_path), RAW) == {**RAW, "price": MASK}
