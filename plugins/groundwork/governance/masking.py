"""Masks as SQL expressions: what a role without clearance sees in place of a value, of the same type as the value.

A masked column is shown or masked per *query*, not per row: whether the current role has the clearance is a scalar
subquery that PostgreSQL evaluates once. The hash is HMAC-SHA256 made from the server's own `sha256`, with the key
prepared as the two padded blocks of RFC 2104; the key table is readable by its owner only, and a view reads it with its
owner's rights, so that roles get the hash and never the key.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence

from psycopg import sql
from sqlalchemy import Connection, text

from groundwork.governance.statements import compose, name, run
from groundwork.model.policy import Mask
from groundwork.model.vocabulary import PersonalData

KEY_SCHEMA = "groundwork_governance"
_KEY_TABLE = "masking_key"
_BLOCK_BYTES = 64  # block size of SHA-256
_TEXT_TYPES = ("text", "character varying", "character")
REDACTED = "[redacted]"
_PARTIAL: dict[PersonalData | None, str] = {
    PersonalData.EMAIL: (
        "CASE WHEN position('@' IN {value}) > 1 AND position('.' IN split_part({value}, '@', 2)) > 1 THEN"
        " left({value}, 1) || '***@' || left(split_part({value}, '@', 2), 1) || '***.'"
        " || reverse(split_part(reverse({value}), '.', 1)) ELSE '***' END"
    ),
    PersonalData.PHONE: "'***' || CASE WHEN length({value}) > 6 THEN right({value}, 2) ELSE '' END",
    PersonalData.PAYMENT_CARD: "'************' || CASE WHEN length({value}) > 12 THEN right({value}, 4) ELSE '' END",
    PersonalData.IBAN: "CASE WHEN length({value}) > 14 THEN left({value}, 2) ELSE '' END || '***'",
    PersonalData.NATIONAL_ID: "'***'",
    None: "CASE WHEN length({value}) > 1 THEN left({value}, 1) ELSE '' END || '***'",
}


def shown_or_masked(
    column: str,
    column_type: str,
    *,
    mask: Mask,
    personal_data: PersonalData | None,
    readers: Sequence[str],
    domain: str,
) -> sql.Composed:
    """The view's expression for one guarded column: the value for members of `readers`, else its mask.

    `column_type` is PostgreSQL's canonical type; the expression has exactly this type.
    """
    return compose(
        "CAST(CASE WHEN {cleared} THEN {value} ELSE {masked} END AS {type})",
        cleared=has_clearance(readers),
        value=name(column),
        masked=masked(column, column_type, mask=mask, personal_data=personal_data, domain=domain),
        type=sql.SQL(column_type),
    )


def has_clearance(readers: Sequence[str]) -> sql.Composable:
    """Whether the current role is, or inherits from, one of `readers`; evaluated once per query."""
    if not readers:
        return sql.SQL("false")
    checks = [compose("pg_has_role(current_user, {role}, 'USAGE')", role=sql.Literal(role)) for role in readers]
    return compose("(SELECT {checks})", checks=sql.SQL(" OR ").join(checks))


def masked(
    column: str, column_type: str, *, mask: Mask, personal_data: PersonalData | None, domain: str
) -> sql.Composable:
    """The mask of a column's value, cast to the column's type; null stays null."""
    value = name(column)
    as_type = sql.SQL(column_type)
    is_text = column_type.partition("(")[0].strip() in _TEXT_TYPES
    if mask is Mask.HASH and (is_text or column_type == "uuid"):
        digest = _keyed_hash(compose("CAST({value} AS text)", value=value), domain)
        shortened = digest if is_text else compose("left({digest}, 32)", digest=digest)
        return compose("CAST({digest} AS {type})", digest=shortened, type=as_type)
    if mask is Mask.REDACT and is_text:
        hidden: sql.Composable = sql.Literal(REDACTED)
    elif mask is Mask.PARTIAL and is_text:
        template = _PARTIAL.get(personal_data, _PARTIAL[None])
        hidden = compose(template, value=compose("CAST({value} AS text)", value=value))
    else:
        return compose("CAST(NULL AS {type})", type=as_type)
    return compose(
        "CAST(CASE WHEN {value} IS NULL THEN NULL ELSE {hidden} END AS {type})",
        value=value,
        hidden=hidden,
        type=as_type,
    )


def _keyed_hash(value: sql.Composable, domain: str) -> sql.Composed:
    table, key = name(KEY_SCHEMA, _KEY_TABLE), sql.Literal(domain)
    pad = "(SELECT {pad} FROM {table} WHERE domain = {key})"
    inner = compose(pad, pad=name("inner_pad"), table=table, key=key)
    outer = compose(pad, pad=name("outer_pad"), table=table, key=key)
    return compose(
        "encode(sha256({outer} || sha256({inner} || convert_to({value}, 'UTF8'))), 'hex')",
        outer=outer,
        inner=inner,
        value=value,
    )


def ensure_key(connection: Connection, domain: str) -> bool:
    """Make the domain's masking key when there is none; true when one was made. Only the owner can read it."""
    run(connection, compose("CREATE SCHEMA IF NOT EXISTS {schema}", schema=name(KEY_SCHEMA)))
    run(connection, compose("REVOKE ALL ON SCHEMA {schema} FROM PUBLIC", schema=name(KEY_SCHEMA)))
    table = name(KEY_SCHEMA, _KEY_TABLE)
    run(
        connection,
        compose(
            "CREATE TABLE IF NOT EXISTS {table} (domain text PRIMARY KEY, inner_pad bytea NOT NULL,"
            " outer_pad bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT now())",
            table=table,
        ),
    )
    run(connection, compose("REVOKE ALL ON {table} FROM PUBLIC", table=table))
    inner, outer = padded_blocks(secrets.token_bytes(32))
    made = connection.execute(
        text(
            f"INSERT INTO {KEY_SCHEMA}.{_KEY_TABLE} (domain, inner_pad, outer_pad)"  # noqa: S608  our own two names
            " VALUES (:domain, :inner, :outer) ON CONFLICT (domain) DO NOTHING"
        ),
        {"domain": domain, "inner": inner, "outer": outer},
    )
    return made.rowcount == 1


def padded_blocks(key: bytes) -> tuple[bytes, bytes]:
    """The inner and outer block of RFC 2104 for a key of at most one block.

    >>> inner, outer = padded_blocks(b"k")
    >>> len(inner), len(outer), inner[0] ^ outer[0] == 0x36 ^ 0x5C
    (64, 64, True)
    """
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def hash_of(value: str, key: bytes) -> str:
    """The same keyed hash in Python, for checks and for data that leaves by another way than a view."""
    return hmac.new(key, value.encode(), "sha256").hexdigest()
