"""What the tasks do that meet faults: real loads, queries and writes; and whether what they left is right."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import text

from .project import DOMAIN
from .servers import SMALL_DISK_BYTES

if TYPE_CHECKING:
    from .site import Site

ROWS = 3_000
HEADER = ("id", "customer", "quantity", "price", "note")
Row = tuple[int, int, int, Decimal, str]


def orders(site: Site, count: int = ROWS) -> list[Row]:
    """Rows of the shop, the same for the same seed."""
    chance = site.random
    return [
        (
            number,
            chance.randint(1, 500),
            chance.randint(1, 20),
            Decimal(chance.randint(1, 999_999)) / 100,
            f"note {number % 97} ä",
        )
        for number in range(1, count + 1)
    ]


def as_csv(rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER) -> str:
    """Rows as the text of a file."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return sink.getvalue()


def write_file(site: Site, content: str | bytes, name: str = "orders.csv") -> None:
    """The source's file as it is now."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    (site.project / "data" / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)


def given_orders(site: Site, *, already: int = 0) -> list[Row]:
    """A good file of orders whose rows are the truth from now on; the first `already` of them stand in the table."""
    rows = orders(site)
    write_file(site, as_csv(rows))
    site.notes["truth"] = rows
    site.notes["already"] = rows[:already]
    if already:
        insert(site, "shop.orders", rows[:already])
    return rows


def insert(site: Site, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Rows put into a table past the broken way."""
    with (
        site.server.connect(site.database) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def load(site: Site, table: str = "orders") -> int:
    """The ordinary load of a table of the contract; rows written. `notes["middle"]` is called before it publishes."""
    from groundwork.contracts.read import read_domain
    from groundwork.flow.loads.load import load_table
    from groundwork.operators.resources import airflow_resources

    middle: Callable[[], object] | None = site.notes.pop("middle", None)
    domain = read_domain(DOMAIN, site.project / "governance" / "contracts")
    books = load_table(
        site.engine(),
        domain,
        domain.table(table),
        project=site.project,
        run_id="r1",
        resources=airflow_resources(site.project),
        before_publish=_calling(middle) if middle is not None else None,
    )
    return int(books.loaded + books.updated)


def _calling(what: Callable[[], object]) -> Callable[[object], None]:
    def judge(_: object) -> None:
        what()

    return judge


def load_of(table: str) -> Callable[[Site], int]:
    """The load of one table."""
    return lambda site: load(site, table)


def rows_right(
    table: str = "orders", *, escalated: bool = False, quarantined: int = 0
) -> Callable[[Site, Any], str | None]:
    """Whether a table holds exactly what its source has; `escalated`: exactly what was there before."""

    def look(site: Site, _: Any) -> str | None:
        wanted = list(site.notes.get("already", [])) if escalated else list(site.notes["truth"])
        found = site.rows(f"SELECT id, customer, quantity, price, note FROM shop.{table} ORDER BY id")  # noqa: S608  ours
        return compared(found, wanted)

    return look


def compared(found: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]]) -> str | None:
    """How rows differ from what they must be."""
    if list(found) == list(wanted):
        return None
    ids = [row[0] for row in found]
    lost = len({row[0] for row in wanted} - set(ids))
    doubled = len(ids) - len(set(ids))
    return f"{len(found)} rows for {len(wanted)}: {lost} lost, {doubled} doubled, others differ"


def execute(site: Site, *statements: str, **parameters: Any) -> Any:
    """Statements of a task in one transaction; the first value of the last one when it returns rows."""
    with site.engine().begin() as connection:
        for statement in statements:
            done = connection.execute(text(statement), parameters)
        return done.scalar() if done.returns_rows else done.rowcount


def pay(site: Site) -> Any:
    """A write of a task: five hundred rows and a sum that others compete for, in one transaction."""
    return execute(site, *PAYMENT)


PAYMENT = (
    "INSERT INTO shop.sales (id, reference, kind, amount) "
    "SELECT id, md5(id::text), 'paid', id % 100 FROM generate_series(1, 500) AS id",
    "UPDATE shop.kinds SET kind = kind || '+' WHERE id = 1",
)


def given_kinds(site: Site) -> None:
    """The row that payments compete for."""
    insert(site, "shop.kinds", [(1, "a"), (2, "b")])


def payment_right(site: Site, value: Any) -> str | None:
    """Whether the payment was made exactly once, or not at all when nobody could (`value` is null then)."""
    (count, total), (kind,) = (
        site.rows("SELECT count(*), coalesce(sum(amount), 0) FROM shop.sales")[0],
        site.rows("SELECT kind FROM shop.kinds WHERE id = 1")[0],
    )
    wanted = (0, 0, 0) if value is None else (500, 24_750, 1)
    found = (count, int(total), kind.count("+"))
    return None if found == wanted else f"rows, sum and updates are {found}, expected {wanted}"


def given_sales(site: Site, count: int = 20_000) -> None:
    """Sales in the table, with fresh statistics."""
    site.admin(
        "INSERT INTO shop.sales (id, reference, kind, amount) SELECT id, md5(id::text), "  # noqa: S608  a number of ours
        f"(ARRAY['sold', 'back'])[1 + id % 2], id % 100 FROM generate_series(1, {count}) AS id",
        "ANALYZE shop.sales",
    )
    site.notes["total"] = site.rows("SELECT sum(amount) FROM shop.sales WHERE kind = 'sold'")[0][0]


def given_quotes(site: Site) -> None:
    """Quotes that the API has, which are the truth from now on."""
    rows = orders(site, 1_200)
    site.notes["truth"] = rows
    site.world.api.records = [dict(zip(HEADER, (*row[:3], float(row[3]), row[4]), strict=True)) for row in rows]


def fill(run: Any, table: str) -> None:
    """Fill the disk of a table to its last page."""
    with contextlib.suppress(psycopg.errors.DiskFull):
        run(f"ALTER TABLE {table} ALTER piece SET STORAGE PLAIN")
        for size, count in ((7_000, SMALL_DISK_BYTES // 16_000), (7_000, 400)):
            while True:
                run(f"INSERT INTO {table} SELECT repeat('x', {size}) FROM generate_series(1, {count})")  # noqa: S608  of the suite


TOTAL = "SELECT sum(amount) FROM shop.sales WHERE kind = 'sold'"


def total(site: Site) -> Any:
    """A query of a task, which only reads."""
    with site.engine().connect() as connection:
        return connection.execute(text(TOTAL)).scalar()


def total_right(site: Site, value: Any) -> str | None:
    """Whether the query found the truth."""
    return (
        None if value is None or value == site.notes["total"] else f"the sum is {value}, expected {site.notes['total']}"
    )
