"""The messages of `pgoutput`, as they are specified, as a server sends them, and as none ever should."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.protocol import (
    Begin,
    Commit,
    Decoder,
    Delete,
    Insert,
    Message,
    Note,
    Origin,
    Relation,
    Truncate,
    TypeName,
    Update,
)
from groundwork.model.errors import FatalError
from tests.flow.capture.shop import Shop

# A table demo.pair (id integer primary key, word text), recorded from PostgreSQL.
RELATION = bytes.fromhex(
    "52 00004001 64656d6f00 7061697200 64 0002 01 696400 00000017 ffffffff 00 776f726400 00000019 ffffffff"
)
INSERT = bytes.fromhex("49 00004001 4e 0002 74 00000001 31 74 00000002 c3bc")
UPDATE = bytes.fromhex("55 00004001 4b 0002 74 00000001 31 6e 4e 0002 74 00000001 32 75")
WHOLE = bytes.fromhex("55 00004001 4f 0002 74 00000001 31 74 00000001 61 4e 0002 74 00000001 31 75")
DELETE = bytes.fromhex("44 00004001 4b 0002 74 00000001 32 6e")
TRUNCATE = bytes.fromhex("54 00000001 03 00004001")


@pytest.fixture
def decoder() -> Decoder:
    made = Decoder()
    made.decode(RELATION)
    return made


def test_a_relation_names_columns_key_and_identity() -> None:
    found = Decoder().decode(RELATION)
    assert isinstance(found, Relation)
    assert (found.schema, found.name, found.replica_identity) == ("demo", "pair", "d")
    assert (found.columns, found.key, found.type_oids) == (("id", "word"), ("id",), (23, 25))


def test_rows(decoder: Decoder) -> None:
    made = decoder.decode(INSERT)
    assert isinstance(made, Insert)
    assert made.after == {"id": "1", "word": "ü"}
    changed = decoder.decode(UPDATE)
    assert isinstance(changed, Update)
    assert (changed.before, changed.after, changed.unchanged) == ({"id": "1"}, {"id": "2"}, {"word"})
    gone = decoder.decode(DELETE)
    assert isinstance(gone, Delete)
    assert gone.before == {"id": "2"}
    emptied = decoder.decode(TRUNCATE)
    assert isinstance(emptied, Truncate)
    assert (emptied.relations[0].name, emptied.is_cascade, emptied.restarts_identity) == ("pair", True, True)


def test_a_whole_old_row_has_what_did_not_change(decoder: Decoder) -> None:
    found = decoder.decode(WHOLE)
    assert isinstance(found, Update)
    assert (found.after, found.unchanged) == ({"id": "1", "word": "a"}, frozenset())


def test_moments_origins_types_and_notes() -> None:
    decoder = Decoder()
    moment = struct.pack(">q", 86_400_000_000)
    begin = decoder.decode(b"B" + struct.pack(">Q", 7) + moment + struct.pack(">I", 9))
    assert begin == Begin(final_lsn=7, committed_at=datetime(2000, 1, 2, tzinfo=UTC), transaction=9)
    commit = decoder.decode(b"C\0" + struct.pack(">QQ", 7, 8) + moment)
    assert commit == Commit(commit_lsn=7, end_lsn=8, committed_at=datetime(2000, 1, 2, tzinfo=UTC))
    assert decoder.decode(b"O" + struct.pack(">Q", 1) + b"west\0") == Origin(name="west")
    assert decoder.decode(b"Y" + struct.pack(">I", 5) + b"demo\0mood\0") == TypeName(oid=5, schema="demo", name="mood")
    note = decoder.decode(b"M\1" + struct.pack(">Q", 1) + b"us\0" + struct.pack(">I", 2) + b"hi")
    assert note == Note(prefix="us", content=b"hi", is_transactional=True)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "ends too early"),
        (b"?", "of a kind"),
        (INSERT[:-1], "ends too early"),
        (INSERT + b"\0", "longer than it should"),
        (INSERT.replace(b"\x40\x01", b"\x40\x02"), "was not told of"),
        (INSERT.replace(b"N\0\2", b"N\0\3"), "3 values for a table of 2"),
        (INSERT.replace(b"N", b"K"), "without the part `N`"),
        (UPDATE.replace(b"u", b"b"), "neither text nor null"),
        (b"D\0\0\x40\1N", "without its old row"),
        (b"U\0\0\x40\1Z", "without its new row"),
        (b"O" + bytes(8) + b"west", "without an end"),
    ],
)
def test_bytes_that_are_none(decoder: Decoder, payload: bytes, words: str) -> None:
    with pytest.raises(FatalError, match=words):
        decoder.decode(payload)


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(payload: bytes) -> None:
    decoder = Decoder()
    decoder.decode(RELATION)
    try:
        decoder.decode(payload)
    except (FatalError, UnicodeDecodeError, OverflowError):
        return


@pytest.mark.postgres
def test_what_a_server_really_sends(log_shop: Shop) -> None:
    log_shop.drain(handler=lambda _: None)
    log_shop.run(
        "ALTER TABLE origin.customer REPLICA IDENTITY FULL",
        "INSERT INTO origin.customer VALUES (1, NULL, 'DE', '2024-01-01Z', '{1,NULL}')",
        "UPDATE origin.customer SET id = 2",
        "DELETE FROM origin.customer",
        "TRUNCATE origin.customer, origin.purchase",
    )
    query = "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version', '1', "
    query += "'publication_names', %s)"
    decoder = Decoder()
    with source_connection(log_shop.url) as connection:
        found: list[Message] = [
            decoder.decode(bytes(data)) for (data,) in connection.execute(query, (log_shop.slot, log_shop.slot))
        ]
    kinds = [type(each) for each in found if not isinstance(each, Relation | TypeName)]
    assert kinds == [Begin, Insert, Update, Delete, Truncate, Commit]
    row = {"id": "1", "mail": None, "nation": "DE", "since": "2024-01-01 00:00:00+00", "tags": "{1,NULL}"}
    changed = next(each for each in found if isinstance(each, Update))
    assert (changed.before, changed.after) == (row, {**row, "id": "2"})
    emptied = next(each for each in found if isinstance(each, Truncate))
    assert {each.name for each in emptied.relations} == {"customer", "purchase"}
