"""Everything a contract can say gets into the database, and each change by hand comes back as exactly that change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.diff import Change, compare_domain
from groundwork.contracts.document import parse_document, read_document
from groundwork.contracts.read import read_contract
from tests.contracts.samples import CASES
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_FILE = CASES / "features.odcs.yaml"


def features() -> Domain:
    return Domain(name="features", contracts=(read_contract(read_document(Path(_FILE))),))


@pytest.fixture(scope="module")
def made(module_database: Database) -> Database:
    with module_database.engine.begin() as connection:
        for statement in statements(features()):
            run(connection, statement.sql)
    return module_database


@pytest.fixture
def connection(made: Database) -> Iterator[Connection]:
    with made.engine.connect() as connection:
        connection.exec_driver_sql('SET search_path = "Features", public')
        yield connection
        connection.rollback()


def test_what_was_declared_is_what_is_there(connection: Connection) -> None:
    found = compare_domain(connection, features())
    assert found.is_empty, found.to_text()
    assert found.not_compared == ()


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns"])
def test_nothing_depends_on_the_sessions_settings(connection: Connection, zone: str) -> None:
    connection.exec_driver_sql(f"SET TimeZone = '{zone}'")
    connection.exec_driver_sql("SET DateStyle = 'German'")
    connection.exec_driver_sql("SET IntervalStyle = 'iso_8601'")
    found = compare_domain(connection, features())
    assert found.is_empty, found.to_text()


CASES_BY_HAND: list[tuple[str, list[tuple[str, str, str, str, str | None, str | None]]]] = [
    (
        "ALTER TYPE mood ADD VALUE 'late'",
        [
            (
                "changed",
                "enum type",
                "mood",
                "mood",
                "ENUM ('sad', 'ok', 'it''s', 'with \"quotes\"', 'back\\slash', 'ünïcode')",
                "ENUM ('sad', 'ok', 'it''s', 'with \"quotes\"', 'back\\slash', 'ünïcode', 'late')",
            )
        ],
    ),
    ("COMMENT ON TYPE mood IS NULL", [("missing", "enum type comment", "mood", "mood", "How one feels.", None)]),
    ("CREATE TYPE by_hand AS ENUM ('x')", [("extra", "enum type", "by_hand", "by_hand", None, "ENUM ('x')")]),
    (
        "ALTER SEQUENCE tickets INCREMENT BY 6 NO CYCLE",
        [
            (
                "changed",
                "sequence",
                "tickets",
                "tickets",
                "SEQUENCE AS integer INCREMENT BY 5 MINVALUE 5 MAXVALUE 10000 CACHE 3 CYCLE",
                "SEQUENCE AS integer INCREMENT BY 6 MINVALUE 5 MAXVALUE 10000 CACHE 3",
            )
        ],
    ),
    ("ALTER SEQUENCE tickets RESTART WITH 500", []),
    ("CREATE SEQUENCE by_hand", [("extra", "sequence", "by_hand", "by_hand", None, "SEQUENCE")]),
    ("COMMENT ON SEQUENCE plain IS 'x'", [("changed", "sequence comment", "plain", "plain", "Counts.", "x")]),
    (
        "ALTER TABLE types ALTER id DROP DEFAULT; DROP SEQUENCE types_id_seq",
        [("missing", "column identity", "types", "id", "serial", None)],
    ),
    (
        "ALTER TABLE nodes ALTER id SET GENERATED ALWAYS",
        [
            (
                "changed",
                "column identity",
                "nodes",
                "id",
                "by default (INCREMENT BY -1 MINVALUE -50 MAXVALUE 2000 CACHE 20)",
                "always (INCREMENT BY -1 MINVALUE -50 MAXVALUE 2000 CACHE 20)",
            )
        ],
    ),
    (
        "ALTER TABLE nodes ALTER id SET CACHE 1",
        [
            (
                "changed",
                "column identity",
                "nodes",
                "id",
                "by default (INCREMENT BY -1 MINVALUE -50 MAXVALUE 2000 CACHE 20)",
                "by default (INCREMENT BY -1 MINVALUE -50 MAXVALUE 2000)",
            )
        ],
    ),
    (
        "ALTER TABLE types ALTER texts TYPE text[]",
        [("changed", "column type", "types", "texts", 'text[] COLLATE "C"', "text[]")],
    ),
    (
        "ALTER TABLE types ALTER halved SET EXPRESSION AS (a_double / 3)",
        [
            (
                "changed",
                "column generation",
                "types",
                "halved",
                "(a_double / (2)::double precision) VIRTUAL",
                "(a_double / (3)::double precision) VIRTUAL",
            )
        ],
    ),
    (
        "ALTER TABLE types ALTER feeling SET DEFAULT 'ok'",
        [("changed", "column default", "types", "feeling", "'it''s'::\"Features\".mood", "'ok'::\"Features\".mood")],
    ),
    (
        "ALTER TABLE types ALTER a_short_span TYPE interval day to second(3)",
        [("changed", "column type", "types", "a_short_span", "interval day to second(0)", "interval day to second(3)")],
    ),
    (
        "ALTER TABLE types ALTER a_moment TYPE timestamptz(1)",
        [
            (
                "changed",
                "column type",
                "types",
                "a_moment",
                "timestamp(0) with time zone",
                "timestamp(1) with time zone",
            )
        ],
    ),
    (
        "ALTER TABLE types RENAME CONSTRAINT types_are_numbered TO types_pkey",
        [("renamed", "primary key", "types", "types_are_numbered", "types_are_numbered", "types_pkey")],
    ),
    (
        "ALTER TABLE nodes DROP CONSTRAINT nodes_label_once;"
        "ALTER TABLE nodes ADD CONSTRAINT nodes_label_once UNIQUE NULLS NOT DISTINCT (region, label)",
        [
            (
                "changed",
                "unique key",
                "nodes",
                "nodes_label_once",
                "UNIQUE NULLS NOT DISTINCT (region, label) INCLUDE (weight)",
                "UNIQUE NULLS NOT DISTINCT (region, label)",
            )
        ],
    ),
    (
        "ALTER TABLE nodes DROP CONSTRAINT nodes_rank_once;"
        "ALTER TABLE nodes ADD CONSTRAINT nodes_rank_once UNIQUE (rank)",
        [("changed", "unique key", "nodes", "nodes_rank_once", "UNIQUE (rank) DEFERRABLE", "UNIQUE (rank)")],
    ),
    (
        "ALTER TABLE nodes ALTER CONSTRAINT nodes_parent NOT DEFERRABLE",
        [
            (
                "changed",
                "foreign key",
                "nodes",
                "nodes_parent",
                'FOREIGN KEY (parent_region, parent_id) REFERENCES "Features".nodes (region, id)'
                " MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED",
                'FOREIGN KEY (parent_region, parent_id) REFERENCES "Features".nodes (region, id)'
                " MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL",
            )
        ],
    ),
    (
        "DROP INDEX nodes_weight_idx; CREATE INDEX nodes_weight_idx ON nodes"
        " (weight DESC NULLS LAST, label COLLATE \"C\" text_pattern_ops) INCLUDE (rank) WHERE feeling = 'ok'",
        [
            (
                "changed",
                "index",
                "nodes",
                "nodes_weight_idx",
                'USING btree (weight DESC NULLS LAST, label COLLATE "C" text_pattern_ops NULLS FIRST) INCLUDE (rank)'
                " WHERE feeling = 'ok'::\"Features\".mood",
                'USING btree (weight DESC NULLS LAST, label COLLATE "C" text_pattern_ops) INCLUDE (rank)'
                " WHERE feeling = 'ok'::\"Features\".mood",
            )
        ],
    ),
    (
        "DROP INDEX nodes_unique_idx; CREATE UNIQUE INDEX nodes_unique_idx ON nodes (label, weight)",
        [
            (
                "changed",
                "index",
                "nodes",
                "nodes_unique_idx",
                "UNIQUE USING btree (label, weight) NULLS NOT DISTINCT",
                "UNIQUE USING btree (label, weight)",
            )
        ],
    ),
    (
        "DROP TABLE by_list_none",
        [("missing", "partition", "by_list", "by_list_none", "FOR VALUES IN (NULL)", None)],
    ),
    (
        "DROP TABLE by_hash_1; CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 1)",
        [
            (
                "changed",
                "partition",
                "by_hash",
                "by_hash_1",
                "FOR VALUES WITH (modulus 2, remainder 1)",
                "FOR VALUES WITH (modulus 4, remainder 1)",
            )
        ],
    ),
    (
        "DROP TABLE by_range_old;"
        "CREATE TABLE by_range_old PARTITION OF by_range FOR VALUES FROM (MINVALUE, MINVALUE) TO (2020, 6)",
        [
            (
                "changed",
                "partition",
                "by_range",
                "by_range_old",
                "FOR VALUES FROM (MINVALUE, MINVALUE) TO (2020, 7)",
                "FOR VALUES FROM (MINVALUE, MINVALUE) TO (2020, 6)",
            )
        ],
    ),
    (
        "DROP TABLE by_hash;"
        "CREATE TABLE by_hash (id uuid, code integer, CONSTRAINT by_hash_pkey PRIMARY KEY (id, code)"
        " DEFERRABLE INITIALLY DEFERRED) PARTITION BY LIST (code)",
        [
            ("changed", "partition key", "by_hash", "by_hash", "HASH (id, code)", "LIST (code)"),
            ("missing", "partition", "by_hash", "by_hash_0", "FOR VALUES WITH (modulus 2, remainder 0)", None),
            ("missing", "partition", "by_hash", "by_hash_1", "FOR VALUES WITH (modulus 2, remainder 1)", None),
        ],
    ),
]


def _told(change: Change) -> tuple[str, str, str, str, str | None, str | None]:
    return (change.kind, change.object_type, change.table, change.name, change.declared, change.observed)


@pytest.mark.parametrize(("by_hand", "expected"), CASES_BY_HAND, ids=[case[0][:60] for case in CASES_BY_HAND])
def test_each_change_by_hand_is_the_whole_difference(
    connection: Connection,
    by_hand: str,
    expected: list[tuple[str, str, str, str, str | None, str | None]],
) -> None:
    for statement in by_hand.split(";"):
        run(connection, statement)
    assert [_told(change) for change in compare_domain(connection, features()).changes] == expected


BEYOND_CONTRACTS: list[tuple[str, list[tuple[str, str, str]]]] = [
    ("CREATE VIEW seen AS SELECT 1 AS one", [("", "view", "seen")]),
    ("CREATE DOMAIN zip AS text CHECK (VALUE <> '')", [("", "domain", "zip")]),
    ("CREATE TYPE pair AS (a int, b int)", [("", "composite type", "pair")]),
    ("CREATE FUNCTION twice(a int) RETURNS int RETURN a * 2", [("", "function", "twice(a integer)")]),
    (
        "CREATE TRIGGER stamped BEFORE UPDATE ON nodes FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        [("nodes", "trigger", "stamped")],
    ),
    ("CREATE RULE quiet AS ON DELETE TO nodes DO INSTEAD NOTHING", [("nodes", "rule", "quiet")]),
    (
        "ALTER TABLE nodes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON nodes USING (region = current_user)",
        [("nodes", "option of the table", "row security=enabled"), ("nodes", "row security policy", "own")],
    ),
    ("ALTER TABLE types SET (fillfactor = 70)", [("types", "option of the table", "fillfactor=70")]),
    ("ALTER TABLE nodes SET UNLOGGED", [("nodes", "option of the table", "unlogged=true")]),
    ("ALTER TABLE types REPLICA IDENTITY FULL", [("types", "option of the table", "replica identity=f")]),
    ("ALTER TABLE nodes ALTER label SET STORAGE EXTERNAL", [("nodes", "option of the column", "label: storage=e")]),
    ("ALTER TABLE nodes ALTER label SET STATISTICS 200", [("nodes", "option of the column", "label: statistics=200")]),
    (
        "ALTER INDEX nodes_hash_idx SET (fillfactor = 60)",
        [("nodes", "option of the index", "nodes_hash_idx: fillfactor=60")],
    ),
    ("CREATE STATISTICS related ON label, rank FROM nodes", [("nodes", "statistics", "related")]),
    (
        "COMMENT ON CONSTRAINT nodes_parent ON nodes IS 'why'",
        [("nodes", "comment on the constraint", "nodes_parent")],
    ),
    ("COMMENT ON INDEX nodes_hash_idx IS 'why'", [("nodes", "comment on the index", "nodes_hash_idx")]),
    (
        "CREATE INDEX of_one ON by_list_good (amount)",
        [("by_list", "index of one partition", '"Features".of_one')],
    ),
    (
        "ALTER TABLE by_list_good ADD CONSTRAINT mine CHECK (amount > 0)",
        [("by_list", "constraint of one partition", "by_list_good: mine")],
    ),
    (
        "DROP TABLE by_list_good; CREATE TABLE by_list_good PARTITION OF by_list FOR VALUES IN ('ok', 'it''s')"
        " PARTITION BY RANGE (amount)",
        [("by_list", "partitioned partition", '"Features".by_list_good')],
    ),
]


@pytest.mark.parametrize(("by_hand", "expected"), BEYOND_CONTRACTS, ids=[case[0][:60] for case in BEYOND_CONTRACTS])
def test_what_no_contract_can_declare_is_listed(
    connection: Connection, by_hand: str, expected: list[tuple[str, str, str]]
) -> None:
    for statement in by_hand.split(";"):
        run(connection, statement)
    found = compare_domain(connection, features())
    assert found.is_empty, found.to_text()
    assert [(item.table, item.kind, item.name) for item in found.not_compared] == expected
    assert all(str(item) in found.to_text() for item in found.not_compared)
    assert [item["name"] for item in found.to_json()["not_compared"]] == [name for _, _, name in expected]


def test_a_child_of_another_table_and_an_exclusion_are_told(connection: Connection) -> None:
    run(connection, "CREATE TABLE heir () INHERITS (types)")
    run(connection, "ALTER TABLE nodes ADD CONSTRAINT apart EXCLUDE USING gist (period WITH &&)")
    found = compare_domain(connection, features())
    assert [(change.kind, change.object_type, change.name) for change in found.changes] == [
        ("extra", "table", "heir"),
        ("extra", "check", "apart"),
    ]
    assert [(item.table, item.kind, item.name) for item in found.not_compared] == [
        ("heir", "parent table", '"Features".types')
    ]


def test_what_is_made_by_hand_without_names_has_the_derived_ones(database: Database) -> None:
    table, column, other = "t" * 63, "c" * 63, "ü" * 31
    properties = (
        f"{{name: {column}, physicalType: int, primaryKey: true, enum: [{{value: 1}}, {{value: 2}}],"
        f" relationships: [{{to: {table}.{column}}}]}}, {{name: {other}, physicalType: serial, required: true,"
        " unique: true}"
    )
    text = f"id: s\nversion: 1.0.0\ndomain: long\nschema: [{{name: {table}, properties: [{properties}]}}]\n"
    domain = Domain(name="long", contracts=(read_contract(parse_document(text, Path("long/s.odcs.yaml"))),))
    with database.engine.begin() as connection:
        run(connection, "CREATE SCHEMA long")
        run(
            connection,
            f"CREATE TABLE long.{table} ({column} int PRIMARY KEY REFERENCES long.{table}"
            f" CHECK ({column} IN (1, 2)), {other} serial UNIQUE)",
        )
        found = compare_domain(connection, domain)
    assert found.is_empty, found.to_text()
