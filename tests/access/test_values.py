"""Values of every type: what is read, from Python, JSON and URLs, and what is refused with which words."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from groundwork.access.validation import compiled
from groundwork.access.values import Refused, reader_for, text_reader_for
from groundwork.contracts.derive.metadata import column_type

IDENTIFIER = UUID("00000000-0000-4000-8000-00000000000a")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", 5, 5),
        ("integer", Decimal("5.0"), 5),
        ("smallint", -32768, -32768),
        ("bigint", 2**63 - 1, 2**63 - 1),
        ("numeric(14,4)", 1, Decimal("1.0000")),
        ("numeric(14,4)", Decimal("1.00005"), Decimal("1.0001")),
        ("numeric(14,4)", 0.1, Decimal("0.1000")),
        ("numeric", Decimal("1.23456789012345678901234567890"), Decimal("1.23456789012345678901234567890")),
        ("double precision", Decimal("0.5"), 0.5),
        ("boolean", True, True),
        ("date", "2012-06-01", date(2012, 6, 1)),
        ("date", date(2012, 6, 1), date(2012, 6, 1)),
        ("timestamptz", "2012-06-01T02:00:00+02:00", datetime(2012, 6, 1, tzinfo=UTC)),
        ("timestamptz", "2012-06-01t00:00:00z", datetime(2012, 6, 1, tzinfo=UTC)),
        ("timestamp", "2012-06-01T00:00:00", datetime(2012, 6, 1)),  # noqa: DTZ001
        ("time", "12:30:00", time(12, 30)),
        ("interval", "P1DT2H", "P1DT2H"),
        ("interval", timedelta(days=1), timedelta(days=1)),
        ("uuid", str(IDENTIFIER).upper(), IDENTIFIER),
        ("jsonb", {"a": [1, Decimal("0.5"), None, "é"]}, {"a": [1, 0.5, None, "é"]}),
        ("inet", "10.0.0.1", "10.0.0.1/32"),
        ("bytea", "\\x00ff", b"\x00\xff"),
        ("text", "🙂", "🙂"),
        ("integer[]", [1, 2], [1, 2]),
    ],
)
def test_values_that_fit(kind: str, value: object, expected: object) -> None:
    found = reader_for(column_type(kind))(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", True),
        ("integer", "5"),
        ("integer", 5.5),
        ("integer", 2**31),
        ("integer", Decimal("1e1000000")),
        ("bigint", float("nan")),
        ("numeric(14,4)", "1"),
        ("numeric(14,4)", True),
        ("numeric(14,4)", Decimal("NaN")),
        ("numeric(14,4)", 10**10),
        ("numeric(14,4)", Decimal("9999999999.99996")),
        ("numeric(14,4)", 10**4000),
        ("numeric", Decimal("1e-1000000")),
        ("double precision", float("inf")),
        ("boolean", 1),
        ("boolean", "true"),
        ("date", "2012-6-1"),
        ("date", "20120601"),
        ("date", "2012-02-30"),
        ("date", datetime(2012, 6, 1, tzinfo=UTC)),
        ("timestamptz", "2012-06-01T00:00:00"),
        ("timestamptz", "2012-06-01"),
        ("timestamptz", "0001-01-01T00:00:00+14:00"),
        ("timestamptz", 0),
        ("timestamp", "2012-06-01T00:00:00Z"),
        ("time", "25:00:00"),
        ("time", "12:00:00Z"),
        ("interval", "P"),
        ("interval", "1 day"),
        ("uuid", "x"),
        ("uuid", "{00000000-0000-4000-8000-00000000000a}"),
        ("jsonb", {"a": "\x00"}),
        ("jsonb", {"a": float("inf")}),
        ("jsonb", {"a": "\ud800"}),
        ("jsonb", {"a": 10**400}),
        ("jsonb", {"a": object()}),
        ("inet", "10.0.0.256"),
        ("bytea", "ff"),
        ("text", "a\x00"),
        ("text", "\ud800"),
        ("text", 5),
        ("integer[]", [1, "x"]),
        ("integer[]", 1),
    ],
)
def test_values_that_do_not_fit(kind: str, value: object) -> None:
    with pytest.raises(Refused, match=r"\w"):
        reader_for(column_type(kind))(value)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("integer", "-5", -5),
        ("numeric(14,4)", "1.00001", Decimal("1.00001")),
        ("numeric(3,1)", "1000", Decimal(1000)),
        ("varchar(2)", "longer", "longer"),
        ("boolean", "false", False),
        ("timestamptz", "2012-06-01", datetime(2012, 6, 1, tzinfo=UTC)),
        ("jsonb", '{"a": 1}', {"a": 1}),
    ],
)
def test_texts_are_compared_as_they_are(kind: str, text: str, expected: object) -> None:
    assert text_reader_for(column_type(kind))(text) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "\u0663"), ("integer", "1_0"), ("integer", "0x10"), ("integer", " 1"), ("integer", ""),
        ("numeric", "1_0"), ("numeric", "NaN"), ("numeric", "\u0661"), ("numeric", "1e999999"), ("boolean", "TRUE"),
        ("boolean", "1"), ("jsonb", "{"), ("jsonb", "[" * 100_000), ("date", "today"),
    ],
)  # fmt: skip
def test_texts_that_are_no_values(kind: str, text: str) -> None:
    with pytest.raises(Refused):
        text_reader_for(column_type(kind))(text)


def test_a_pattern_ends_where_the_text_ends() -> None:
    assert compiled("^a$").search("a")
    assert not compiled("^a$").search("a\n")
    assert compiled(r"cost \$").search("cost $ 5")
