"""Structure that is not as declared, and files that cannot be read."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

from .fault import Fault, Outcome
from .site import Site
from .work import HEADER, Row, as_csv, given_orders, insert, load, load_of, orders, rows_right, write_file

DRIFT, POISON, DATA = "schema_drift", "poison_data", "data_integrity_issues"


def _drifted(*statements: str) -> Any:
    def make(site: Site) -> None:
        given_orders(site)
        site.admin(*statements)

    return make


def _drift_right(site: Site, _: Any) -> str | None:
    """Nothing was written, and nobody mended the structure: the table is still as it had drifted."""
    left = site.rows("SELECT count(*) FROM pg_class WHERE relname LIKE 'orders%' AND relkind = 'r' AND reltuples > 0")
    return None if left == [(0,)] else "rows were written into a table that had drifted"


def _file(name: str, content: Any, table: str, *, mended_at: float | None = None) -> Any:
    """A source file that is not as it should be; with `mended_at` it is delivered anew."""

    def make(site: Site) -> None:
        rows = orders(site)
        good = as_csv(rows)
        site.notes["truth"], site.notes["already"] = rows, rows[:150]
        insert(site, f"shop.{table}", rows[:150])
        data = content(rows, good)
        (site.project / "data" / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        if mended_at is not None:
            site.at(mended_at, lambda: write_file(site, good, name))

    return make


def _truncated(_: Any, good: str) -> bytes:
    whole = gzip.compress(good.encode(), mtime=0)
    return whole[: len(whole) // 2]


def _wrong_encoding(_: Any, good: str) -> bytes:
    return good.encode("latin-1")


def _no_column(rows: Sequence[Row], _: str) -> str:
    return as_csv([row[:3] + row[4:] for row in rows], HEADER[:3] + HEADER[4:])


def _a_page_instead(_: Any, __: str) -> bytes:
    return b"<html><body>502 Bad Gateway</body></html>"


def _load(name: str, kind: str, make: Any, **more: Any) -> Fault:
    given = {
        "fault_class": DATA,
        "outcome": Outcome.ESCALATED,
        "work": load,
        "is_right": rows_right(escalated=True),
        "table": "shop.orders",
        **more,
    }
    return Fault(name=name, kind=kind, make=make, **given)


_DRIFT = {"is_right": _drift_right, "fault_class": DRIFT, "is_structural": True}
_ARCHIVED = {"work": load_of("archived"), "table": "shop.archived", "fault_class": POISON}
_ANEW = {**_ARCHIVED, "is_right": rows_right("archived"), "outcome": Outcome.HEALED}
_PACKED = "archived.csv.gz"

FAULTS = (
    _load("column renamed", "schema", _drifted("ALTER TABLE shop.orders RENAME price TO amount"), **_DRIFT),
    _load("column dropped", "schema", _drifted("ALTER TABLE shop.orders DROP price"), **_DRIFT),
    _load(
        "type of a column changed",
        "schema",
        _drifted("ALTER TABLE shop.orders ALTER price TYPE boolean USING true"),
        **_DRIFT,
    ),
    _load("table gone", "schema", _drifted("ALTER TABLE shop.orders RENAME TO orders_of_last_year"), **_DRIFT),
    _load(
        "packed file cut off, delivered anew", "files", _file(_PACKED, _truncated, "archived", mended_at=20), **_ANEW
    ),
    _load(
        "packed file cut off for good",
        "files",
        _file(_PACKED, _truncated, "archived"),
        **{**_ARCHIVED, "is_right": rows_right("archived", escalated=True)},
    ),
    _load(
        "a server's page instead of a packed file, delivered anew",
        "files",
        _file(_PACKED, _a_page_instead, "archived", mended_at=20),
        **_ANEW,
    ),
    _load("file in another encoding", "files", _file("orders.csv", _wrong_encoding, "orders")),
    _load("file without a column", "files", _file("orders.csv", _no_column, "orders"), fault_class="programming_error"),
)
