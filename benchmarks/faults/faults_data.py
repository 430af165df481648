"""Data that breaks rules: from upstream, in a statement, and where it already stands in a table."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from .fault import Fault, Outcome
from .site import Site
from .work import (
    Row,
    as_csv,
    compared,
    execute,
    given_kinds,
    given_orders,
    insert,
    load,
    rows_right,
    write_file,
)

CLASS = "data_integrity_issues"
_DAY = "2026-01-01T00:00:00Z"
_ASKED = rows_right(escalated=True)


def _broken(rows: Sequence[Row], column: int, value: object, every: int = 8) -> str:
    """The file of rows in which each so-manyth has another value."""
    return as_csv([(*row[:column], value, *row[column + 1 :]) if row[0] % every == 0 else row for row in rows])


def _upstream(column: int, value: object, *, mended_at: float | None = None) -> Any:
    """More rows are broken than the contract takes; with `mended_at` the supplier delivers anew."""

    def make(site: Site) -> None:
        rows = given_orders(site, already=200)
        good = as_csv(rows)
        write_file(site, _broken(rows, column, value))
        if mended_at is not None:
            site.at(mended_at, lambda: write_file(site, good))

    return make


def _statement(*statements: str) -> Any:
    return lambda site: execute(site, *statements)


def _customers(site: Site) -> None:
    insert(site, "shop.customers", [(1, "a@example.org", _DAY), (2, "b@example.org", _DAY)])


def _parent_is_late(site: Site) -> None:
    _customers(site)
    site.at(3, lambda: insert(site, "shop.customers", [(9, "late@example.org", _DAY)]))


_INVOICE = "INSERT INTO shop.invoices (id, customer, amount) VALUES (1, 9, 10), (2, 1, 20)"


def _invoices_right(site: Site, value: Any) -> str | None:
    wanted = [] if value is None else [(1, 9, Decimal(10)), (2, 1, Decimal(20))]
    return compared(site.rows("SELECT id, customer, amount FROM shop.invoices ORDER BY id"), wanted)


def _nothing_written(table: str, count: int = 0) -> Any:
    def look(site: Site, _: Any) -> str | None:
        (found,) = site.rows(f"SELECT count(*) FROM shop.{table}")[0]  # noqa: S608  a table of the suite
        return None if found == count else f"shop.{table} has {found} rows, expected {count}"

    return look


def _constraint(site: Site, table: str, kind: str) -> tuple[str, str]:
    found = site.rows(
        f"SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "  # noqa: S608  of the suite
        f"WHERE conrelid = 'shop.{table}'::regclass AND contype = '{kind}'"
    )
    return found[0][0], found[0][1]


def _orphans(site: Site) -> None:
    """The reference was not enforced for a while: three invoices have no customer."""
    _customers(site)
    name, definition = _constraint(site, "invoices", "f")
    site.admin(f"ALTER TABLE shop.invoices DROP CONSTRAINT {name}")
    insert(site, "shop.invoices", [(n, 1 + n % 2, n) for n in range(1, 41)] + [(n, 700 + n, n) for n in range(41, 44)])
    site.admin(f"ALTER TABLE shop.invoices ADD CONSTRAINT {name} {definition} NOT VALID")
    site.notes["constraint"] = name


def _validate(site: Site) -> Any:
    return execute(site, f"ALTER TABLE shop.invoices VALIDATE CONSTRAINT {site.notes['constraint']}")


def _orphans_right(site: Site, value: Any) -> str | None:
    stand = site.rows("SELECT count(*), count(*) FILTER (WHERE customer > 700) FROM shop.invoices")[0]
    if value is None:
        return None if stand == (43, 3) else f"{stand} invoices and orphans stand, expected 43 and 3"
    kept = _kept(site)
    return None if stand == (40, 0) and kept == 3 else f"{stand} stand, {kept} in quarantine; expected (40, 0) and 3"


def _kept(site: Site) -> int:
    if not site.rows("SELECT to_regclass('groundwork_flow.quarantine')")[0][0]:
        return 0
    return int(site.rows("SELECT count(*) FROM groundwork_flow.quarantine WHERE state = 'held'")[0][0])


def _duplicates(newer: str) -> Any:
    """The unique constraint was not there for a while: two customers came twice, the second time changed `newer`."""

    def make(site: Site) -> None:
        name, _ = _constraint(site, "customers", "u")
        site.admin(f"ALTER TABLE shop.customers DROP CONSTRAINT {name}")
        rows = [(n, f"c{1 + (n - 1) % 40}@example.org", newer if n > 40 else _DAY) for n in range(1, 43)]
        insert(site, "shop.customers", rows)
        site.notes["constraint"] = name

    return make


def _make_unique(site: Site) -> Any:
    with site.engine().begin() as connection:
        there = (
            "SELECT count(*) FROM pg_constraint WHERE conrelid = CAST('shop.customers' AS regclass) AND contype = 'u'"
        )
        if not connection.execute(text(there)).scalar():
            connection.execute(
                text(f"ALTER TABLE shop.customers ADD CONSTRAINT {site.notes['constraint']} UNIQUE (email)")
            )
    return 1


def _duplicates_right(site: Site, value: Any) -> str | None:
    stand = site.rows("SELECT count(*), count(DISTINCT email) FROM shop.customers")[0]
    if value is None:
        return None if stand == (42, 40) else f"{stand} customers and addresses stand, expected 42 and 40"
    kept = _kept(site)
    newest = site.rows("SELECT count(*) FROM shop.customers WHERE id IN (41, 42)")[0][0]
    if newest != 2:
        return "the older of two rows was kept"
    return None if stand == (40, 40) and kept == 2 else f"{stand} stand, {kept} in quarantine; expected (40, 40) and 2"


def _data(name: str, kind: str, make: Any, work: Any = load, is_right: Any = _ASKED, **more: Any) -> Fault:
    given = {"fault_class": CLASS, "outcome": Outcome.ESCALATED, "table": "shop.orders", **more}
    return Fault(name=name, kind=kind, make=make, work=work, is_right=is_right, **given)


_HEALED = {"outcome": Outcome.HEALED}
_QUARANTINED = {**_HEALED, "is_structural": True, "may_change": ("constraint", "relation i", "schema groundwork")}
_PARENTS = {"table": "shop.invoices", "is_right": _invoices_right}
_OVERFLOW = "INSERT INTO shop.invoices (id, customer, amount) VALUES (1, 1, 1e9)"
_NO_NUMBER = "INSERT INTO shop.invoices (id, customer, amount) SELECT 1, CAST(email AS integer), 1 FROM shop.customers"
_BY_ZERO = "INSERT INTO shop.invoices (id, customer, amount) SELECT 1, 1, 1 / (id - id) FROM shop.customers"
_TWICE = (
    "INSERT INTO shop.kinds (id, kind) SELECT 7, 'x' FROM generate_series(1, 2) "
    "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind"
)

FAULTS = (
    _data(
        "nulls from upstream, delivered anew",
        "constraints",
        _upstream(1, "", mended_at=3),
        is_right=rows_right(),
        **_HEALED,
    ),
    _data("values out of range from upstream", "constraints", _upstream(2, -5)),
    _data(
        "a key that is there already",
        "constraints",
        _customers,
        _statement("INSERT INTO shop.customers VALUES (1, 'z@example.org', now())"),
        _nothing_written("customers", 2),
        table="shop.customers",
    ),
    _data(
        "a null where none may be",
        "constraints",
        _customers,
        _statement("INSERT INTO shop.customers (id, changed_at) VALUES (5, now())"),
        _nothing_written("customers", 2),
        table="shop.customers",
    ),
    _data("the parent comes late", "references", _parent_is_late, _statement(_INVOICE), **_PARENTS, **_HEALED),
    _data("the parent never comes", "references", _customers, _statement(_INVOICE), **_PARENTS),
    _data(
        "orphans that stand in the table",
        "references",
        _orphans,
        _validate,
        _orphans_right,
        table="shop.invoices",
        **_QUARANTINED,
    ),
    _data(
        "duplicates that stand in the table, the newer counts",
        "constraints",
        _duplicates("2026-02-01T00:00:00Z"),
        _make_unique,
        _duplicates_right,
        table="shop.customers",
        **_QUARANTINED,
    ),
    _data(
        "duplicates of which nothing tells the right one",
        "constraints",
        _duplicates(_DAY),
        _make_unique,
        _duplicates_right,
        table="shop.customers",
        is_structural=True,
    ),
    _data(
        "the same key twice in one statement",
        "constraints",
        given_kinds,
        _statement(_TWICE),
        _nothing_written("kinds", 2),
        table="shop.kinds",
    ),
    _data(
        "number too large",
        "values",
        _customers,
        _statement(_OVERFLOW),
        _nothing_written("invoices"),
        table="shop.invoices",
    ),
    _data(
        "text where a number belongs",
        "values",
        _customers,
        _statement(_NO_NUMBER),
        _nothing_written("invoices"),
        table="shop.invoices",
    ),
    _data(
        "division by zero",
        "values",
        _customers,
        _statement(_BY_ZERO),
        _nothing_written("invoices"),
        table="shop.invoices",
    ),
)
