"""A contract with a column of every type and rule, and rows for it, for the tests of checks."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import Domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract

_CASE = Path(__file__).parent / "cases" / "everything.odcs.yaml"
EVERYTHING = _CASE.read_text(encoding="utf-8")


def everything() -> Domain:
    """The domain `everything` with its one table `things`."""
    contract = read_contract(parse_document(EVERYTHING, Path("everything.odcs.yaml")))
    return Domain(name="everything", contracts=(contract,))


def thing(number: int = 1, **changes: object) -> dict[str, object]:
    """A good row of `things` in its JSON form."""
    return {
        "thing_id": number,
        "code": f"A{number}",
        "day": "2024-02-29",
        "at": f"2024-01-01T{number // 60:02}:{number % 60:02}:00Z",
    } | changes


def csv_text(rows: list[dict[str, Any]]) -> bytes:
    """Rows as CSV; null is an empty field, empty text a quoted one."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.StringIO()
    for row in [dict(zip(names, names, strict=True)), *rows]:
        sink.write(",".join(_field(row.get(name)) for name in names) + "\n")
    return sink.getvalue().encode()


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _field(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    if text == "":
        return '""'
    sink = io.StringIO()
    csv.writer(sink, lineterminator="").writerow([text])
    return sink.getvalue()
