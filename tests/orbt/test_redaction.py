"""Secrets and row values never survive; what helps to find a fault does."""

from __future__ import annotations

import pytest

from groundwork.orbt.redaction import LIMIT, redact


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("postgresql+psycopg://app:s3cr3t@db:5432/x refused", "s3cr3t"),
        ("postgresql://app:p@ss/w0rd@db/x", "w0rd"),
        ("host=db user=app password=s3cr3t dbname=x", "s3cr3t"),
        ("password='two words' host=db", "two words"),
        ('{"api_key": "abc123def"}', "abc123def"),
        ("PGPASSWORD=s3cr3t psql", "s3cr3t"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("the key sk-ant-REDACTED was refused", "ant-REDACTED"),
        ("aws AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("token eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("DETAIL:  Key (email)=(ann@example.org) already exists.", "ann@example.org"),
        ("DETAIL:  Failing row contains (7, Ann Smith, 1970-01-01).", "Ann Smith"),
        ('CONTEXT:  COPY people, line 3, column born: "Ann Smith"', "Ann Smith"),
        ('invalid input syntax for type date: "Ann Smith"', "Ann Smith"),
        ("[SQL: INSERT INTO p VALUES (%s)]\n[parameters: {'name': 'Ann [x] Smith'}]\n(Background on this", "Smith"),
        ("posted to https://hooks.slack.com/services/T0/B0/s3cr3tpart: 404", "s3cr3tpart"),
        ("GET https://a.example/x?sv=1&sig=s3cr3t%3D&se=2 failed", "s3cr3t"),
        ("https://b.example/k?X-Amz-Signature=s3cr3t", "s3cr3t"),
        ("AccountKey=s3cr3t==;EndpointSuffix=core", "s3cr3t"),
        ("CREATE ROLE x LOGIN PASSWORD 's3cr3t'", "s3cr3t"),
        ("ALTER USER x IDENTIFIED BY 's3cr3t'", "s3cr3t"),
        ("authorization: token s3cr3t-here", "s3cr3t"),
        ("{'Authorization': 'ApiKey s3cr3t'}", "s3cr3t"),
        ("Cookie: session=s3cr3t; theme=dark", "s3cr3t"),
        ("Set-Cookie: sid=s3cr3t; Path=/", "s3cr3t"),
        ("dump --password s3cr3t --host db", "s3cr3t"),
        ("client --api-token s3cr3t", "s3cr3t"),
        (r'{"password": "a\"s3cr3t"}', "s3cr3t"),
        ("remote: glpat-abcdefghij1234", "abcdefghij1234"),
        ("github_pat_11ABCDEFG0abcdefghijkl refused", "11ABCDEFG0abcdefghijkl"),
        ("charged with sk_live_abcdef123456", "abcdef123456"),
        ("mail key SG.abcdefghijkl.mnopqrstuvwx", "mnopqrstuvwx"),
        ("LINE 1: INSERT INTO p VALUES ('Ann Smith', 1)\n                 ^", "Ann Smith"),
        ("[SQL: INSERT INTO p VALUES ('Ann ''x'' Smith')]\n(Background on this", "Smith"),
        ("[SQL: SELECT $q$Ann Smith$q$]", "Ann Smith"),
        ("[SQL: SELECT 'Ann Smith that is cut of", "Ann Smith"),
        ("could not convert string to float: 'Ann Smith'", "Ann Smith"),
        ("Conversion Error: Could not convert string 'Ann Smith' to INT32", "Ann Smith"),
        ("invalid literal for int() with base 10: 'Ann Smith'", "Ann Smith"),
        ("time data 'Ann Smith' does not match format '%Y'", "Ann Smith"),
        ("(1062, \"Duplicate entry 'Ann Smith' for key 'p.name'\")", "Ann Smith"),
        ("Incorrect integer value: 'Ann Smith' for column `a`", "Ann Smith"),
        ("unable to parse [type=int_parsing, input_value='Ann Smith', input_type=str]", "Ann Smith"),
        ("no mailbox ann.smith@example.org here", "ann.smith"),
    ],
)
def test_secrets_and_row_values_are_taken_out(text: str, gone: str) -> None:
    assert gone in text
    assert gone not in redact(text)


@pytest.mark.parametrize(
    "told",
    [
        'relation "market.orders" does not exist\nLINE 1: SELECT * FROM market.orders',
        'password authentication failed for user "app"',
        'column "token_count" is of type integer but expression is of type text',
        "KeyError: 'customer_id'",
        "[SQL: SELECT id FROM market.orders WHERE id = %(id)s]",
        "GET https://a.example/signals?signal=7 answered 503",
    ],
)
def test_what_is_no_secret_stays(told: str) -> None:
    assert redact(told) == told


def test_a_huge_message_is_cut_and_costs_no_time() -> None:
    for part in ("password", "'", "$a$", "--", "sig=", "[SQL: ", "LINE 1: "):
        assert len(redact(part * 100_000)) <= LIMIT


def test_what_no_database_keeps_is_replaced() -> None:
    assert redact("a\x00b\udc80c") == "a\ufffdb\ufffdc"
