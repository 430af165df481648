"""Tables of other databases are read exactly: PostgreSQL, MariaDB and SQLite, whole, in parts, and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.pool import NullPool

from groundwork.flow.resources import ConnectionFacts
from groundwork.flow.sources.filling import found_fields
from groundwork.flow.sources.table import TableSource
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError, RetriableError
from tests.fix_mariadb import MariaDb
from tests.fix_postgres import Database
from tests.flow.sources.reading import column, in_parts, opened, read, resumed, rows

pytestmark = pytest.mark.postgres
COLUMNS = [
    column("id", "bigint", key=1),
    column("name", "text"),
    column("price", "numeric(20,6)"),
    column("changed_at", "timestamptz"),
]
COUNT = 5_000
SERVERS = ("postgres", "mysql")
REFUSED = (
    "DELETE FROM items",
    "SELECT 1; SELECT 2",
    "SELECT * FROM items FOR UPDATE",
    "WITH gone AS (DELETE FROM items RETURNING id) SELECT * FROM gone",
    "SELECT id INTO copy FROM items",
    "DROP TABLE items",
    "SELEC id",
    "",
)


class Place:
    """A database with the table `items`."""

    def __init__(self, engine: Engine, facts: ConnectionFacts, kinds: dict[str, str]) -> None:
        self.engine = engine
        self.facts = facts
        quote = engine.dialect.identifier_preparer.quote
        self.moment = kinds["moment"]
        with engine.begin() as connection:
            connection.execute(
                text(
                    f"CREATE TABLE items (id {kinds['id']} PRIMARY KEY, {quote('Full name')} {kinds['text']}, "
                    f"price {kinds['number']}, changed_at {kinds['moment']})"
                )
            )
            connection.execute(
                text("INSERT INTO items VALUES (:id, :name, :price, :at)"),
                [
                    {
                        "id": n * 3,
                        "name": None if n % 7 == 0 else f"ü {n}",
                        "price": f"{n}.125",
                        "at": f"2024-01-{1 + n * 28 // COUNT:02d} 00:00:{n % 60:02d}",
                    }
                    for n in range(COUNT)
                ],
            )

    def run(self, statement: str) -> None:
        """Run one statement and commit it."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def source(self, folder: Path, **declared: Any) -> TableSource:
        """The table as a source, with what else is declared."""
        options = {name: declared.pop(name) for name in ("since", "window", "batch_rows") if name in declared}
        mapping = {"id": "id", "name": "Full name", "price": "price", "changed_at": "changed_at"}
        given = {"kind": "table", "connection": "shop", "columns": mapping, **declared}
        if "query" not in given:
            given.setdefault("table", "items")
        found = opened(folder, COLUMNS, given, [self.facts], **options)
        assert isinstance(found, TableSource)
        return found


@pytest.fixture(params=[*SERVERS, "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "postgres":
        database: Database = request.getfixturevalue("database")
        url = make_url(database.url)
        facts = ConnectionFacts(
            name="shop",
            kind="postgres",
            host=url.host,
            port=url.port,
            login=url.username,
            password=url.password,
            database=url.database,
        )
        kinds = {"id": "bigint", "text": "text", "number": "numeric(20,6)", "moment": "timestamp"}
        yield Place(database.engine, facts, kinds)
    elif request.param == "mysql":
        server: MariaDb = request.getfixturevalue("mariadb")
        facts = ConnectionFacts(
            name="shop",
            kind="mysql",
            host="127.0.0.1",
            port=server.port,
            login=server.login,
            password=server.password,
            database="test",
        )
        kinds = {"id": "bigint", "text": "varchar(50)", "number": "decimal(20,6)", "moment": "datetime"}
        found = Place(server.engine, facts, kinds)
        yield found
        found.run("DROP TABLE items")
    else:
        file = tmp_path / "shop.sqlite"
        engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
        facts = ConnectionFacts(name="shop", kind="sqlite", host=str(file))
        yield Place(engine, facts, {"id": "INTEGER", "text": "TEXT", "number": "TEXT", "moment": "DATETIME"})


def _expected(n: int) -> tuple[str, str | None, str]:
    return str(n * 3), None if n % 7 == 0 else f"ü {n}", f"{n}.125"


def _same(found: list[tuple[str | None, ...]], numbers: range) -> bool:
    told = [(each[0], each[1], (each[2] or "").rstrip("0").rstrip(".")) for each in found]
    return told == [(a, b, c.rstrip("0").rstrip(".")) for a, b, c in map(_expected, numbers)]


def test_all_rows_whole_in_parts_and_taken_up_again(place: Place, tmp_path: Path) -> None:
    source = place.source(tmp_path, batch_rows=700)
    found = rows(source)
    assert _same(found, range(COUNT))
    assert found[0][3] == "2024-01-01 00:00:00" or found[0][3] == "2024-01-01T00:00:00"
    assert source.checksum()
    assert resumed(source) == read(source)
    assert in_parts(source, 4) == read(source)
    parts = source.parts(4)
    assert 2 <= len(parts) <= 5
    assert len({part.description for part in parts}) == len(parts)
    assert [part.description for part in source.parts(4)] == [part.description for part in parts]


@pytest.mark.parametrize("place", SERVERS, indirect=True)  # SQLite makes the writer wait for the reader
def test_rows_that_come_while_a_source_is_read_do_not_appear_in_the_middle(place: Place, tmp_path: Path) -> None:
    source = place.source(tmp_path, batch_rows=500)
    count = 0
    for number, batch in enumerate(source.batches()):
        count += len(list(batch.records(1)))
        place.run(f"INSERT INTO items (id) VALUES ({100_000 + number})")
    assert count == COUNT


def test_what_is_new_and_what_lies_in_a_window_is_asked_of_the_database(place: Place, tmp_path: Path) -> None:
    place.run("INSERT INTO items (id) VALUES (999999)")
    watermark = {"watermark": {"column": "changed_at"}}
    since = rows(place.source(tmp_path, since="2024-01-20 00:00:00+00", **watermark))
    days = {(each[3] or "")[:10] for each in since}
    assert {f"2024-01-{day}" for day in range(20, 29)} <= days
    assert any(each[0] == "999999" for each in since)
    assert len(since) < COUNT / 2
    window = rows(place.source(tmp_path, window=Window(start="2024-01-10", end="2024-01-12"), **watermark))
    days = {(each[3] or "")[:10] for each in window if each[3]}
    assert {"2024-01-10", "2024-01-11"} <= days <= {f"2024-01-{day:02d}" for day in range(9, 14)}
    if place.facts.kind != "sqlite":
        assert days == {"2024-01-10", "2024-01-11"}
    numbered = {"watermark": {"column": "id"}}
    assert rows(place.source(tmp_path, since="14997", **numbered))[0][0] == "14997"


def test_a_query_may_take_the_place_of_the_table(place: Place, tmp_path: Path) -> None:
    quote = place.engine.dialect.identifier_preparer.quote
    query = f"SELECT id, {quote('Full name')}, price, changed_at FROM items WHERE price LIKE '1%:%' OR id < 30 -- some"
    if place.facts.kind == "postgres":
        query = query.replace("price LIKE", "price::text LIKE")
    source = place.source(tmp_path, query=query, key="id", batch_rows=3)
    assert _same(rows(source), range(10))
    assert resumed(source) == read(source)
    without = place.source(tmp_path, query=query)
    assert sorted(map(str, rows(without))) == sorted(map(str, rows(source)))


def test_what_is_not_one_select_is_refused(place: Place, tmp_path: Path) -> None:
    for query in REFUSED:
        with pytest.raises(ConfigError) as caught:
            place.source(tmp_path, query=query)
        assert caught.value.next_step, query
    assert len(rows(place.source(tmp_path))) == COUNT


@pytest.mark.parametrize("place", ["postgres"], indirect=True)  # only it has functions of the user's own
def test_a_function_that_writes_cannot(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE FUNCTION take() RETURNS bigint LANGUAGE sql AS 'DELETE FROM items RETURNING id'",
    )
    with pytest.raises(ConfigError, match="cannot be read"):
        read(place.source(tmp_path, query="SELECT take() AS id", columns={"id": "id"}))
    assert len(rows(place.source(tmp_path))) == COUNT


def test_a_key_with_a_null_or_twice_the_same_loses_no_row(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not tell its rows apart"):
        read(place.source(tmp_path, key="changed_at"))
    place.run("UPDATE items SET price = NULL WHERE id = 0")
    with pytest.raises(ConfigError, match="does not tell its rows apart"):
        read(place.source(tmp_path, key="price"))
    assert len(rows(place.source(tmp_path, key=[]))) == COUNT
    both = place.source(tmp_path, key=["changed_at", "id"], batch_rows=900)
    assert len(rows(both)) == COUNT
    assert resumed(both) == read(both)


def test_a_row_that_is_gone_since_the_mark_takes_no_other_with_it(place: Place, tmp_path: Path) -> None:
    source = place.source(tmp_path, batch_rows=900)
    batches = source.batches()
    first = next(batches)
    batches.close()  # type: ignore[attr-defined]  # all of ours are generators
    place.run(f"DELETE FROM items WHERE id = {899 * 3}")
    rest = [record.values[0] for batch in source.batches(first.mark) for record in batch.records(1)]
    assert rest == [str(n * 3) for n in range(900, COUNT)]


def test_what_is_not_there_is_told(place: Place, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"table": "no_such"}, "cannot be read"),
        ({"key": "no_such"}, "no column of it"),
        ({"columns": {"id": "other"}}, "does not fit"),
        ({"key": "name", "columns": {"id": "id"}}, "no column of it"),
    ]
    for declared, what in wrong:
        source = place.source(tmp_path, **declared)
        with pytest.raises(ConfigError, match=what) as caught:
            read(source)
        assert caught.value.where
        assert caught.value.next_step


@pytest.mark.parametrize("place", SERVERS, indirect=True)
def test_a_database_that_is_gone_is_worth_a_retry_and_tells_no_secret(place: Place, tmp_path: Path) -> None:
    place.facts = ConnectionFacts(
        name="shop", kind=place.facts.kind, host="127.0.0.1", port=1, login="me", password="do-not-tell", database="x"
    )
    with pytest.raises(RetriableError, match="was lost") as caught:
        read(place.source(tmp_path))
    assert "do-not-tell" not in f"{caught.value} {caught.value.__cause__!r} {place.facts!r}"


def test_a_table_of_postgresql_keeps_every_value(database: Database, tmp_path: Path) -> None:
    facts = _facts(database)
    kinds = {
        "a": "text[]",
        "j": "jsonb",
        "b": "bytea",
        "u": "uuid",
        "i": "interval",
        "n": "numeric",
        "t": "timestamptz",
    }
    values = (
        "ARRAY['x,y', NULL]",
        "'{\"n\": 0.10000000000000000001}'",
        "'\\xff00'",
        "'46d4133c-5c39-518c-8c26-23785e5646b7'",
        "'1 mon 2 days'",
        "'1234567890.123456789012345678901234567890'",
        "'2024-05-06 07:08:09.123456+02'",
    )
    with database.engine.begin() as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        connection.exec_driver_sql(f'CREATE SCHEMA "s:x"; CREATE TABLE "s:x"."T %%" (id int PRIMARY KEY, {columns})')
        connection.exec_driver_sql(f'INSERT INTO "s:x"."T %%" VALUES (1, {", ".join(values)})')
    declared = [column("id", "integer", key=1)]
    declared += [{"name": name, "logicalType": "string", "physicalType": kind} for name, kind in kinds.items()]
    source = opened(tmp_path, declared, {"kind": "table", "connection": "shop", "table": "s:x.T %"}, [facts])
    assert {each.name: each.type for each in found_fields(source) or ()} == {
        "id": "integer",
        **kinds,
        "t": "timestamp with time zone",
    }
    found = rows(source)[0]
    with database.engine.begin() as connection:
        texts = ", ".join(f"CAST(:{name} AS {kind}) = {name}" for name, kind in kinds.items())
        names = dict(zip(["id", *kinds], found, strict=True))
        assert all(connection.execute(text(f'SELECT {texts} FROM "s\\:x"."T %"'), names).one())


def test_values_that_only_mysql_has(mariadb: MariaDb, tmp_path: Path) -> None:
    with mariadb.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE odd "
            "(id int unsigned PRIMARY KEY, flag bit(1), yes tinyint(1), clock time, day date, doc json)"
        )
        connection.exec_driver_sql(
            "INSERT INTO odd VALUES (4000000000, b'1', 0, '13:14:15', '2024-02-29', '{\"a\": 1}')"
        )
    columns = [column("id", "bigint", key=1), column("flag", "boolean"), column("yes", "boolean")]
    columns += [column("clock", "time"), column("day", "date")]
    columns += [{"name": "doc", "logicalType": "object", "physicalType": "jsonb"}]
    facts = ConnectionFacts(
        name="shop",
        kind="mysql",
        host="127.0.0.1",
        port=mariadb.port,
        login=mariadb.login,
        password=mariadb.password,
        database="test",
    )
    source = opened(tmp_path, columns, {"kind": "table", "connection": "shop", "table": "odd"}, [facts])
    assert rows(source) == [("4000000000", "true", "0", "13:14:15", "2024-02-29", '{"a": 1}')]
    assert (found_fields(source) or ())[0].type == "bigint"


def test_times_of_sqlite_in_any_form_are_not_lost_at_the_edge(tmp_path: Path) -> None:
    file = tmp_path / "odd.sqlite"
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    stamps: list[Any] = ["2024-01-02T00:00:00Z", "2024-01-02 00:00:00.0", "2024-01-01 23:30:00-01:00", 1_704_153_600]
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE items (id INTEGER PRIMARY KEY, changed_at DATETIME)")
        for number, stamp in enumerate([*stamps, "2023-06-01"]):
            connection.exec_driver_sql("INSERT INTO items VALUES (?, ?)", (number, stamp))
    declared = {"kind": "table", "connection": "shop", "table": "items", "watermark": {"column": "changed_at"}}
    columns = [column("id", "integer", key=1), column("changed_at", "timestamptz")]
    facts = ConnectionFacts(name="shop", kind="sqlite", host=str(file))
    found = rows(opened(tmp_path, columns, declared, [facts], since="2024-01-02 00:00:00+00"))
    assert [each[0] for each in found] == ["0", "1", "2", "3"]


def test_a_file_of_sqlite_is_never_made_or_changed(tmp_path: Path) -> None:
    facts = ConnectionFacts(name="shop", kind="sqlite", host=str(tmp_path / "none.sqlite"))
    with pytest.raises(RetriableError):
        read(opened(tmp_path, COLUMNS, {"kind": "table", "connection": "shop", "table": "items"}, [facts]))
    assert not (tmp_path / "none.sqlite").exists()


def test_rows_come_through_a_cursor_of_the_server(database: Database, tmp_path: Path) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE items (id bigint PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO items SELECT generate_series(1, 10000)")
    declared = {"kind": "table", "connection": "shop", "table": "items"}
    source = opened(tmp_path, [column("id", "bigint", key=1)], declared, [_facts(database)], batch_rows=100)
    assert isinstance(source, TableSource)
    cursors = []
    event.listen(source.engine, "after_cursor_execute", lambda *args: cursors.append(getattr(args[1], "name", None)))
    assert len(rows(source)) == 10_000
    assert any(cursors)


def _facts(database: Database) -> ConnectionFacts:
    url = make_url(database.url)
    return ConnectionFacts(
        name="shop",
        kind="postgres",
        host=url.host,
        port=url.port,
        login=url.username,
        password=url.password,
        database=url.database,
    )
