"""Every kind of source through a whole load into a real table: what is new, what is broken, what is strange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import text

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.flow.books import LoadResult
from groundwork.flow.loads.load import load_table
from groundwork.flow.reconciliation.reconcile import Reconciliation, reconcile
from groundwork.flow.resources import ConnectionFacts, Resources
from groundwork.flow.sources.origin import package_folder
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError, RetriableError
from tests.fix_postgres import Database
from tests.flow.sources.reading import column, declared
from tests.flow.sources.test_http import Asked, Reply, page, serving
from tests.flow.sources.test_table import _facts

pytestmark = pytest.mark.postgres
COLUMNS = [
    column("id", "bigint", key=1),
    column("name", "text", required=True),
    column("price", "numeric(12,2)"),
    column("day", "date"),
]


class Loading:
    """The table `depot.items` and its source."""

    def __init__(self, database: Database, folder: Path, source: dict[str, Any]) -> None:
        self.database, self.folder = database, folder
        self.domain = declared(folder, COLUMNS, source)
        with database.engine.begin() as connection:
            for statement in statements(self.domain):
                run(connection, statement.sql)

    def load(self, connection: ConnectionFacts | None = None, **options: Any) -> LoadResult:
        """Load it."""
        known = {connection.name: connection} if connection else {}
        return load_table(
            self.database.engine,
            self.domain,
            self.domain.table("items"),
            project=self.folder,
            run_id="test",
            resources=Resources(project=self.folder, connection=known.__getitem__),
            **options,
        )

    def compared(self, connection: ConnectionFacts | None = None) -> Reconciliation:
        """The table against its source."""
        known = {connection.name: connection} if connection else {}
        return reconcile(
            self.database.engine,
            self.domain,
            self.domain.table("items"),
            project=self.folder,
            resources=Resources(project=self.folder, connection=known.__getitem__),
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """What is in the table, as texts."""
        query = text("SELECT id::text, name, price::text, day::text FROM depot.items ORDER BY items.id")
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]


def test_parquet_files_of_a_partitioned_folder(database: Database, tmp_path: Path) -> None:
    for day, first in (("2024-01-01", 1), ("2024-01-02", 101)):
        place = tmp_path / "in" / f"day={day}"
        place.mkdir(parents=True)
        ids = list(range(first, first + 100))
        names = [None if n % 50 == 0 else f'n"{n},' for n in ids]
        parquet.write_table(
            pa.table({"id": ids, "name": names, "price": [n / 4 for n in ids]}), place / "x.parquet", row_group_size=30
        )
    loading = Loading(database, tmp_path, {"kind": "file", "path": "in/*/*.parquet", "format": "parquet"})
    result = loading.load(batch_rows=40)
    assert (result.read, result.loaded, result.quarantined) == (200, 196, 4)
    assert result.is_balanced
    found = loading.rows()
    assert found[0] == ("1", 'n"1,', "0.25", "2024-01-01")
    assert found[-1] == ("199", 'n"199,', "49.75", "2024-01-02")
    compared = loading.compared()
    assert compared.agrees
    assert (compared.source_rows, compared.is_source_unchanged) == (196, True)
    again = loading.load(batch_rows=40)
    assert (again.loaded, again.updated, again.unchanged) == (0, 0, 196)


def test_another_dialect_with_broken_records(database: Database, tmp_path: Path) -> None:
    lines = [f"{n};n{n};{n}.5;2024-01-01" for n in range(1, 200)]
    lines[10:10] = ["11x;a;1;2024-01-01", "1;2", '500;"open;1;2024-01-01', "501;b;NA;2024-02-31", "502;Ä;NA;2024-01-02"]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    source = {"kind": "file", "path": "a.txt", "format": "csv", "delimiter": ";", "encoding": "latin-1", "null": "NA"}
    loading = Loading(database, tmp_path, {**source, "header": ["id", "name", "price", "day"]})
    result = loading.load(batch_rows=50)
    assert (result.read, result.loaded, result.quarantined) == (204, 200, 4)
    assert ("502", "Ä", None, "2024-01-02") in loading.rows()
    assert loading.compared().agrees


def test_a_truncated_file_loads_nothing(database: Database, tmp_path: Path) -> None:
    lines = "".join(f"{n},n{n * 7919}\n" for n in range(90_000))
    data = pa.compress(f"id,name\n{lines}".encode(), codec="zstd", asbytes=True)
    (tmp_path / "a.csv.zst").write_bytes(data[: len(data) // 2])
    loading = Loading(database, tmp_path, {"kind": "file", "path": "a.csv.zst", "format": "csv"})
    with pytest.raises(RetriableError, match="broke off"):
        loading.load(batch_rows=1_000)
    assert loading.rows() == []
    (tmp_path / "a.csv.zst").write_bytes(data)
    assert loading.load(batch_rows=1_000).loaded == 90_000


def test_an_api_is_asked_for_what_is_new(database: Database, tmp_path: Path) -> None:
    records = [{"id": n, "name": f"n{n}", "price": n / 4, "day": f"2024-01-{n:02d}"} for n in range(1, 11)]

    def reply(asked: Asked) -> Reply:
        first = (int(asked.params["page"]) - 1) * 4
        found = [each for each in records if str(each["day"]) >= asked.params.get("since", "")]
        return page(found[first : first + 4])

    source = {"kind": "http", "connection": "api", "path": "/items", "records": "/data", "since_param": "since"}
    source |= {"pagination": {"kind": "page"}, "watermark": {"column": "day", "overlap": "2 days"}}
    loading = Loading(database, tmp_path, source)
    with serving(reply) as api:
        assert loading.load(api.connection()).loaded == 10
        records.append({"id": 11, "name": "late", "price": None, "day": "2024-01-09"})
        records.append({"id": 12, "name": "x", "price": 1, "day": "2024-01-12", "strange": 1})
        result = loading.load(api.connection())
        assert (result.read, result.loaded, result.quarantined) == (5, 1, 1)
        assert {asked.params.get("since") for asked in api.asked} == {None, "2024-01-08"}
    assert ("11", "late", None, "2024-01-09") in loading.rows()


def test_another_database_is_asked_for_a_window_and_for_what_is_new(database: Database, tmp_path: Path) -> None:
    source = {"kind": "table", "connection": "shop", "table": "public.sold", "watermark": {"column": "day"}}
    loading = Loading(database, tmp_path, source)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE sold (id bigint PRIMARY KEY, name text, price numeric, day date)")
        connection.exec_driver_sql(
            "INSERT INTO sold SELECT n, 'n' || n, n / 4.0, DATE '2024-01-01' + n / 100 "
            "FROM generate_series(0, 999) AS n"
        )
    facts = _facts(database)
    window = loading.load(facts, window=Window(start="2024-01-03", end="2024-01-05"))
    assert (window.read, window.loaded) == (200, 200)
    rest = loading.load(facts, window=Window(start="2024-01-05"))
    assert (rest.read, rest.loaded) == (600, 600)
    assert loading.load(facts).read == 100  # the day of the watermark again
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sold WHERE day < '2024-01-03'")
    assert loading.compared(facts).agrees
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE depot.items SET price = 0 WHERE id = 700")
    assert loading.compared(facts).differing == 1
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE sold")
    with pytest.raises(ConfigError, match="cannot be read"):
        loading.load(facts)
    assert len(loading.rows()) == 800


def test_a_table_that_is_replaced_is_read_as_a_whole(database: Database, tmp_path: Path) -> None:
    source = {"kind": "table", "connection": "shop", "table": "public.sold", "mode": "replace"}
    loading = Loading(database, tmp_path, {**source, "watermark": {"column": "day"}})
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE sold (id bigint PRIMARY KEY, name text, price numeric, day date)")
        connection.exec_driver_sql(
            "INSERT INTO sold SELECT n, 'n', 1, DATE '2024-01-01' + n FROM generate_series(0, 9) AS n"
        )
    assert loading.load(_facts(database)).loaded == 10
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sold WHERE id = 3")
    assert loading.load(_facts(database)).read == 9
    assert [row[0] for row in loading.rows()] == ["0", "1", "2", "4", "5", "6", "7", "8", "9"]


def test_packages_inside_of_packages_are_found() -> None:
    assert (package_folder("groundwork.contracts", "x") / "contract.py").is_file()
    with pytest.raises(ConfigError, match="not installed"):
        package_folder("groundwork.no_such", "x")
