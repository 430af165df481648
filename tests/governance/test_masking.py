"""Masks on real values, in the database that makes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql
from sqlalchemy import Connection, text

from groundwork.governance.masking import KEY_SCHEMA, ensure_key, hash_of, masked
from groundwork.governance.statements import compose, name, run
from groundwork.model.errors import ConfigError
from groundwork.model.policy import Mask
from groundwork.model.vocabulary import PersonalData
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        ensure_key(connection, "clinic")
        yield connection


def mask(connection: Connection, value: str | None, kind: str, how: Mask, data: PersonalData | None = None) -> object:
    statement = compose(
        "SELECT {masked} FROM (SELECT CAST({value} AS {type}) AS {column}) s",
        masked=masked("v%:a", kind, mask=how, personal_data=data, domain="clinic"),
        value=sql.Literal(value),
        type=sql.SQL(kind),
        column=name("v%:a"),
    )
    return run(connection, statement).scalar_one()


@pytest.mark.parametrize(
    ("value", "data", "expected"),
    [
        ("anna@example.com", PersonalData.EMAIL, "a***@e***.com"),
        ("a@b.example.co.uk", PersonalData.EMAIL, "a***@b***.uk"),
        ("no address", PersonalData.EMAIL, "***"),
        ("@example.com", PersonalData.EMAIL, "***"),
        ("", PersonalData.EMAIL, "***"),
        ("Anna Berg", PersonalData.NAME, "A***"),
        ("Å", PersonalData.NAME, "***"),
        ("+49 30 901820", PersonalData.PHONE, "***20"),
        ("112", PersonalData.PHONE, "***"),
        ("4111 1111 1111 1111", PersonalData.PAYMENT_CARD, "************1111"),
        ("4111", PersonalData.PAYMENT_CARD, "************"),
        ("DE89370400440532013000", PersonalData.IBAN, "DE***"),
        ("536-90-4399", PersonalData.NATIONAL_ID, "***"),
        ("anything", None, "a***"),
        (None, PersonalData.EMAIL, None),
    ],
)
def test_partial(connection: Connection, value: str | None, data: PersonalData | None, expected: str | None) -> None:
    assert mask(connection, value, "text", Mask.PARTIAL, data) == expected


@pytest.mark.parametrize("how", list(Mask))
@pytest.mark.parametrize(
    "kind",
    ["text", "character varying(5)", "character(3)", "uuid", "bigint", "numeric(4,1)", "date", "jsonb", "text[]",
     "timestamp with time zone", "inet", "boolean", "bytea", "tsvector", "interval"],
)  # fmt: skip
def test_every_mask_keeps_every_type(connection: Connection, kind: str, how: Mask) -> None:
    statement = compose(
        "SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
        " WHERE attrelid = 'pg_temp.m'::regclass AND attnum = 1"
    )
    source = compose("SELECT CAST(NULL AS {type}) AS v", type=sql.SQL(kind))
    expression = masked("v", kind, mask=how, personal_data=None, domain="clinic")
    run(connection, compose("CREATE TEMP TABLE m AS SELECT {e} FROM ({s}) s", e=expression, s=source))
    assert run(connection, statement).scalar_one() == kind


def test_the_hash_is_the_standard_hmac_and_the_same_for_the_same_value(connection: Connection) -> None:
    inner = connection.execute(text(f"SELECT inner_pad FROM {KEY_SCHEMA}.masking_key")).scalar_one()
    key = bytes(byte ^ 0x36 for byte in inner)
    first = mask(connection, "Jürgen %s", "text", Mask.HASH)
    assert first == hash_of("Jürgen %s", key)
    assert first == mask(connection, "Jürgen %s", "text", Mask.HASH)
    assert first != mask(connection, "Jürgen", "text", Mask.HASH)


def test_the_key_is_made_once_and_differs_per_domain(connection: Connection) -> None:
    assert not ensure_key(connection, "clinic")
    assert ensure_key(connection, "other")
    keys = connection.execute(text(f"SELECT count(DISTINCT inner_pad) FROM {KEY_SCHEMA}.masking_key")).scalar_one()
    assert keys == 2


@pytest.mark.parametrize("bad", ["", "a\0b", "x" * 64, "ü" * 32])
def test_names_that_postgresql_cannot_hold_are_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        name("schema", bad)
