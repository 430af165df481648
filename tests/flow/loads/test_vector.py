"""What the sieve lets through, the server takes and the contract allows; whatever the sieve doubts loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundwork.flow.loads.block import is_plainly_quoted
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot

COLUMNS = [
    column("item_id", "bigint", key=1),
    column("small", "smallint", logicalTypeOptions={"minimum": -5, "maximum": 500}),
    column("price", "numeric(6,2)", logicalTypeOptions={"exclusiveMinimum": 0}),
    column("free", "numeric", logicalTypeOptions={"maximum": 1}),
    column("ratio", "double precision"),
    column("day", "date", logicalTypeOptions={"minimum": "2000-01-01"}),
    column("moment", "timestamptz"),
    column("hour", "time"),
    column("flag", "boolean"),
    column("code", "varchar(4)", logicalTypeOptions={"pattern": "^[A-Z]{2}[0-9]*$"}),
    column("words", "text", logicalTypeOptions={"maxLength": 12}),
    column("id", "uuid"),
]
NAMES = [each["name"] for each in COLUMNS]
_ODD = ["", " ", "NaN", "inf", "-Infinity", "today", "now", "1e3", "1.5", " 7 ", "0x1F", "1_000", "007", "+5", "-0"]
_ODD += ["99999", "1.005", "9999.999", "1.0000000000000000001", "2020-02-30", "2020-1-1", "01/02/2020", "infinity"]
_ODD += ["2020-01-01 10:00", "2020-01-01T10:00:00Z", "24:00:00", "allballs", "t", "yes", "AB1", "ab", "AB123", "ä" * 13]
_ODD += ["6b2f1c2e-3c1d-4a55-9f7c-0a5d2c6a9b11", 'say "hi"', "a,b", "line\nbreak", "\\.", "null", "\\N", "x" * 13]
_VALUES = st.one_of(
    st.sampled_from(_ODD),
    st.integers(-(10**6), 10**6).map(str),
    st.decimals(-100, 10_000, places=2).map(str),
    st.dates().map(str),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=6),
)
_FULL_ROWS = st.lists(st.none() | _VALUES, min_size=11, max_size=11)
_ROWS_OF_ONE_VALUE = st.builds(  # blocks of few odd values, which are the ones that may be taken whole
    lambda place, value: [value if number == place else None for number in range(11)], st.integers(0, 10), _VALUES
)


@pytest.fixture(scope="module")
def depot(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Depot:
    return make_depot(module_database.engine, tmp_path_factory.mktemp("depot"), COLUMNS, source={"mode": "merge"})


def _quoted(value: str | None) -> str:
    if value is None:
        return ""
    escaped = value.replace('"', '""')
    return f'"{escaped}"' if value == "" or set(value) & set('",\r\n') else value


@pytest.mark.postgres
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=st.lists(_FULL_ROWS, min_size=1, max_size=12) | st.lists(_ROWS_OF_ONE_VALUE, min_size=1, max_size=2))
def test_the_fast_way_and_the_servers_way_agree(depot: Depot, rows: list[list[str | None]]) -> None:
    """Straight in, through the waiting tables, and record by record: the same rows, the same reasons."""
    lines = [",".join([str(number), *map(_quoted, row)]) for number, row in enumerate(rows, 1)]
    found = []
    for way in ("direct", "staged", "by record"):
        depot.run("TRUNCATE depot.items")
        depot.run("DROP SCHEMA IF EXISTS groundwork_flow CASCADE")
        if way != "direct":
            depot.run("INSERT INTO depot.items (item_id) VALUES (0)")
        # A record that no sieve reads makes the whole block go the slow way.
        extra = ['x"y"z' + "," * 11] if way == "by record" else []
        result = depot.load(",".join(NAMES), *lines, *extra)
        assert result.is_balanced
        reasons = depot.rows(
            "SELECT position, r ->> 'rule', r ->> 'column' FROM groundwork_flow.quarantine, "
            f"jsonb_array_elements(reasons) AS r WHERE position <= {len(lines)} ORDER BY 1, 2, 3"
        )
        found.append((depot.rows("SELECT * FROM depot.items WHERE item_id > 0 ORDER BY 1"), reasons))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("block", "is_plain"),
    [
        (b"a,b\n", True),
        (b'"a",b\n', True),
        (b'a,"b"\n"c",d\n', True),
        (b'"a""b",c\n', True),
        (b'"","",""\n', True),
        (b'a,"b"', True),
        (b'a,"b\nc"\r\n', True),
        (b'a"b,c\n', False),
        (b'a"b"c,d\n', False),
        (b'"a"b,c\n', False),
        (b'"a,"b",c"\n', False),
        (b'a "quoted",b\n', False),
    ],
)
def test_text_that_readers_could_read_differently_is_known(block: bytes, is_plain: bool) -> None:
    assert is_plainly_quoted(block) is is_plain


@pytest.mark.postgres
def test_a_window_leaves_out_what_lies_outside(database: Database, tmp_path: Path) -> None:
    from groundwork.flow.window import Window

    columns = [column("item_id", "bigint", key=1), column("day", "date", required=True)]
    depot = make_depot(database.engine, tmp_path, columns, source={"watermark": {"column": "day"}})
    lines = [f"{number},2024-01-{number:02}" for number in range(1, 10)]
    window = Window(start="2024-01-03", end="2024-01-06")
    result = depot.load("item_id,day", *lines, "10,no day", window=window)
    assert (result.read, result.loaded, result.quarantined) == (4, 3, 1)
    assert [row[0] for row in depot.rows()] == [3, 4, 5]
    again = depot.load(window=Window(start="2024-01-05"))  # beside rows: through the waiting tables
    assert (again.read, again.loaded, again.unchanged) == (6, 4, 1)
    assert depot.rows("SELECT window_start, window_end FROM groundwork_flow.load ORDER BY load_id") == [
        ("2024-01-03", "2024-01-06"),
        ("2024-01-05", None),
    ]
