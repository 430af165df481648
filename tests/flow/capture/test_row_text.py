"""Rows printed by PostgreSQL, taken apart again."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundwork.flow.capture.row_text import row_of
from groundwork.model.errors import FatalError
from tests.fix_postgres import Database

_TEXT = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_ROWS = st.lists(st.one_of(st.none(), _TEXT, st.sampled_from(['"', "\\", ",", "(", ")", " ", "", '\\"', '""', "NULL"])),
                 min_size=1, max_size=6)  # fmt: skip


@pytest.mark.postgres
def test_every_row_that_a_server_prints(database: Database) -> None:
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(_ROWS)
        def check(values: list[str | None]) -> None:
            marks = ", ".join(["%s::text"] * len(values))
            row = connection.execute(f"SELECT (ROW({marks}))::text", values).fetchone()
            names = [f"c{number}" for number in range(len(values))]
            assert row_of(row[0] if row else None, names) == dict(zip(names, values, strict=True))

        check()


def test_null_is_no_row() -> None:
    assert row_of(None, ["a"]) is None


@pytest.mark.parametrize("text", ["", "(", "()x", "(1", "(1,2)", '("a)', "1)", '("a"b)'])
def test_what_is_no_row(text: str) -> None:
    with pytest.raises(FatalError):
        row_of(text, ["a"])
