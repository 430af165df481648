"""Objects that are read many at once are the very records that they are one by one, whatever is in them."""

from __future__ import annotations

import json
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwork.flow.json_text import parse
from groundwork.flow.record import Rule
from groundwork.flow.sources import json_array
from groundwork.flow.sources.digesting import Digesting
from groundwork.flow.sources.json_array import elements
from groundwork.flow.sources.object_columns import line_records, value_records
from groundwork.flow.sources.objects import ObjectReader

TYPES = {"id": "bigint", "name": "text", "price": "numeric", "ok": "boolean", "doc": "jsonb", "tags": "text[]"}
MAPPED = {"id": "id", "name": "/at/name", "price": "price", "ok": "ok", "doc": "doc", "tags": "tags"}
ODD = (
    b'{"id": 123456789012345678901234567890, "price": 0.10000000000000000001}',
    b'{"id": -0, "price": -0.0, "name": 1E5, "doc": [1.50, 1e-7, 1e400]}',
    b'{"price": 1e99999999999999999999}',
    b'{"id": 1, "id": 2}',
    b'{"name": "\\u0000"}',
    b'{"name": "\\ud800", "doc": "\\udc00"}',
    b'{"name": "\\ud83d\\ude00"}',
    b'{"name": "\xff"}',
    b'{"name": "a\x01b"}',
    b'\xef\xbb\xbf{"id": 1}\r\n',
    b'{"id": NaN}',
    b'{"id": Infinity}',
    b'{"id": 01}',
    b'{"id": 1.}',
    b'{"id": 1,}',
    b'{"id": 1} x',
    b'{"id": "\\q"}',
    b"{'id': 1}",
    b"[1]",
    b"null",
    b"",
    b'{"id": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"id": ' + b"9" * 5_000 + b"}",
    b'{"id": true, "name": false, "ok": 1, "tags": ["a\\"b", null, [1, 2.50]], "doc": {"a": null}}',
    b'{"at": {"name": "x"}, "/at/name": "y", "strange": 1}',
    b'{"id": null, "name": {"a": 1}, "tags": "x"}',
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.decimals(allow_nan=False).map(str)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
KEYS = st.sampled_from([*TYPES, "at", "year", "strange", "/at/name"])
OBJECTS = st.dictionaries(KEYS, PLAIN | st.fixed_dictionaries({"name": PLAIN}), max_size=7)


@st.composite
def _lines(draw: st.DrawFn) -> bytes:
    """The text of an object, now and then with a byte that is not as it should be."""
    text = json.dumps(draw(OBJECTS), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)):
        return text
    at = draw(st.integers(0, len(text) - 1))
    return text[:at] + bytes([draw(st.integers(0, 255))]) + text[at + draw(st.integers(0, 2)) :]


def _reader(*, refuses: bool, is_mapped: bool, constants: dict[str, str | None]) -> ObjectReader:
    mapping = MAPPED if is_mapped else {name: name for name in TYPES}
    return ObjectReader(mapping=mapping, types=TYPES, refuses_unknown=refuses, constants=constants)


READERS = st.builds(
    _reader,
    refuses=st.booleans(),
    is_mapped=st.booleans(),
    constants=st.sampled_from([{}, {"id": "7"}, {"name": None, "year": "2020"}]),
)


def _same(reader: ObjectReader, texts: list[bytes]) -> None:
    found = [(values, dict(raw), reasons) for values, raw, reasons in line_records(reader, texts)]
    assert found == [reader.line(text) for text in texts]


@given(READERS, st.lists(_lines() | st.sampled_from(ODD), max_size=6))
@settings(max_examples=200, deadline=None)
def test_lines_at_once_are_what_they_are_one_by_one(reader: ObjectReader, texts: list[bytes]) -> None:
    _same(reader, texts)


def test_odd_lines_beside_good_ones_keep_their_reasons() -> None:
    for refuses in (True, False):
        reader = _reader(refuses=refuses, is_mapped=refuses, constants={})
        good = b'{"id": 1, "name": "a"}'
        _same(reader, [good, *ODD, good])
        for odd in ODD:
            _same(reader, [good, odd, good])


@given(READERS, st.lists(OBJECTS | PLAIN, max_size=6))
@settings(max_examples=100, deadline=None)
def test_values_at_once_are_what_they_are_one_by_one(reader: ObjectReader, values: list[Any]) -> None:
    values = [parse(json.dumps(value)) for value in values]
    found = value_records(reader, values)
    exact = [reader.value(value, raw) for value, (_, raw, _) in zip(values, found, strict=True)]
    assert [(each[0], each[2]) for each in found] == [(each[0], each[2]) for each in exact]
    for value, (_, raw, _) in zip(values, found, strict=True):
        assert set(raw) == {"line"}
        with pytest.raises(KeyError):
            raw["other"]
        assert "\x00" not in raw["line"]
        assert parse(raw["line"]) == value or "\\u" in raw["line"] or "\\\\" in raw["line"]


def test_numbers_keep_all_their_digits() -> None:
    reader = _reader(refuses=True, is_mapped=False, constants={})
    text = b'{"id": 18446744073709551616, "price": 1.500, "name": 0.00000001, "doc": {"n": 0.10000000000000000001}}'
    ((values, _, reasons),) = line_records(reader, [text])
    assert reasons == ()
    assert values == (
        "18446744073709551616",
        str(Decimal("1E-8")),
        "1.500",
        None,
        '{"n": 0.10000000000000000001}',
        None,
    )


def test_a_number_beyond_all_bounds_is_a_reason_and_no_crash() -> None:
    reader = _reader(refuses=False, is_mapped=False, constants={})
    ((_, raw, (reason,)),) = line_records(reader, [b'{"price": 1e99999999999999999999}'])
    assert reason.rule == Rule.NOT_JSON
    assert dict(raw) == {"line": '{"price": 1e99999999999999999999}'}


@st.composite
def _arrays(draw: st.DrawFn) -> bytes:
    blank = st.sampled_from(["", " ", "\n", " \t\r\n "])
    items = [json.dumps(each, indent=draw(st.none() | st.just(1))) for each in draw(st.lists(OBJECTS | PLAIN))]
    separated = "".join(f"{draw(blank)},{draw(blank)}{item}" for item in items).lstrip(" \t\r\n").removeprefix(",")
    return f"{draw(blank)}[{draw(blank)}{separated}{draw(blank)}]{draw(blank)}".encode()


@given(_arrays(), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_elements_at_once_are_what_they_are_one_by_one(text: bytes, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_CHUNK", chunk)
        found = list(elements(Digesting(BytesIO(text)), 0, "here"))
        patch.setattr(json_array._Reader, "certain", lambda _: [])
        assert found == list(elements(Digesting(BytesIO(text)), 0, "here"))
        for number, (_, end) in enumerate(found, 1):
            rest = elements(Digesting(BytesIO(text[end:])), end, "here")
            assert list(rest) == found[number:]


def test_most_elements_of_a_right_array_are_told_apart_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"id": n, "inner": [{"id": 1}, {"other": "},{"}]} for n in range(20_000)]
    text = json.dumps(records, indent=1).encode()
    singles = []
    exact = json_array._Reader.element
    monkeypatch.setattr(json_array._Reader, "element", lambda self: singles.append(1) or exact(self))
    assert [parse(each.decode()) for each, _ in elements(Digesting(BytesIO(text)), 0, "here")] == records
    assert len(singles) < len(records) / 10
