"""Keys of the data API: issued once, stored as a hash, expiring, revocable, rotated.

A token reads `gwk_<key id>_<secret>`; the secret is 256 random bits and is shown only when the key is issued. What is
stored is the SHA-256 of the whole token. A slow password hash would add nothing: it protects secrets that can be
guessed, and 256 random bits cannot, while it would cost each request tens of milliseconds. The comparison takes the
same time wherever the first difference is. The key id finds the row and may appear in logs; it opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Engine, Index, Table, Text, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from groundwork.model.errors import ConfigError
from groundwork.store.audit import AuditTrail
from groundwork.store.base import METADATA, moment, utc_now
from groundwork.store.round_trip import fetch

API_KEY = Table(
    "api_key",
    METADATA,
    Column("key_id", Text, primary_key=True, comment="public part of the token"),
    Column("name", Text, nullable=False, comment="what or whom the key is for"),
    Column("role", Text, nullable=False, comment="contract role that requests act as"),
    Column("secret_hash", Text, nullable=False, comment="SHA-256 of the token, hexadecimal"),
    Column("created_by", Text, nullable=False),
    moment("created_at"),
    moment("expires_at"),
    moment("revoked_at", nullable=True),
    moment("last_used_at", nullable=True, comment="to the minute"),
    Column("replaces", Text, comment="key id that this key was rotated from"),
    Index(None, "role", "name"),
)
DEFAULT_LIFETIME = timedelta(days=90)
_LONGEST_LIFETIME = timedelta(days=366)
_USE_RESOLUTION = timedelta(minutes=1)  # a busy key is written once a minute, not once a request
_TOKEN = re.compile(r"gwk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
_NOBODY = hashlib.sha256(b"no such key").hexdigest()


class Refusal(StrEnum):
    """Why a token opens nothing."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """One key without its secret; times in UTC."""

    key_id: str
    name: str
    role: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaces: str | None

    def to_json(self) -> dict[str, object]:
        """The key as a JSON object."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


@dataclass(frozen=True, kw_only=True)
class IssuedKey:
    """A new key with its token, which cannot be read again."""

    key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"IssuedKey(key={self.key!r}, token=***)"


@dataclass(frozen=True, kw_only=True)
class KeyVerdict:
    """What a token is worth: `refusal` is null when it opens; `key` is null when nobody knows the token."""

    key: ApiKey | None
    refusal: Refusal | None


class ApiKeys:
    """Repository of API keys; every change is written to the audit trail."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._audit = AuditTrail(engine)

    def issue(
        self,
        *,
        name: str,
        role: str,
        by: str,
        lifetime: timedelta = DEFAULT_LIFETIME,
        replaces: str | None = None,
    ) -> IssuedKey:
        """Make a key for a contract role.

        Raises: ConfigError when it would be valid for longer than a year, or name or role are empty.
        """
        if not name.strip() or not role.strip():
            raise ConfigError("a key needs a name and a role", expected="both", found=f"name={name!r}, role={role!r}")
        if lifetime > _LONGEST_LIFETIME:
            raise ConfigError(
                "a key may not be valid for so long",
                expected=f"at most {_LONGEST_LIFETIME.days} days",
                found=f"{lifetime.days} days",
                next_step="issue it for less and rotate it in time",
            )
        key_id = secrets.token_hex(6)
        token = f"gwk_{key_id}_{secrets.token_urlsafe(32)}"
        now = utc_now()
        key = ApiKey(
            key_id=key_id,
            name=name,
            role=role,
            created_by=by,
            created_at=now,
            expires_at=now + lifetime,
            revoked_at=None,
            last_used_at=None,
            replaces=replaces,
        )
        with self._engine.begin() as connection:
            values = {name: getattr(key, name) for name in key.__dataclass_fields__}
            connection.execute(API_KEY.insert().values(**values, secret_hash=_hash(token)))
        details = {"name": name, "role": role, "expires_at": key.expires_at.isoformat(), "replaces": replaces}
        self._note(by, "api_key_issued", key_id, details)
        return IssuedKey(key=key, token=token)

    def verify(self, token: str, *, at: datetime | None = None) -> KeyVerdict:
        """What `token` is worth now (or `at`); notes the use of a key that opens."""
        match = _TOKEN.fullmatch(token)
        rows = fetch(self._engine, (_FIND_TEXT, {"key_id": match[1]})) if match else []
        found = dict(zip(API_KEY.c.keys(), rows[0], strict=True)) if rows else None
        # Hash and compare also when there is nothing to find, so that the time does not tell which key ids exist.
        is_right = hmac.compare_digest(_hash(token), found["secret_hash"] if found is not None else _NOBODY)
        if found is None or not is_right:
            return KeyVerdict(key=None, refusal=Refusal.UNKNOWN)
        key, now = _key(found), at or utc_now()
        if key.revoked_at is not None and key.revoked_at <= now:
            return KeyVerdict(key=key, refusal=Refusal.REVOKED)
        if key.expires_at <= now:
            return KeyVerdict(key=key, refusal=Refusal.EXPIRED)
        if key.last_used_at is None or now - key.last_used_at >= _USE_RESOLUTION:
            self._note_use(key.key_id, now)
        return KeyVerdict(key=key, refusal=None)

    def revoke(self, key_id: str, *, by: str) -> ApiKey:
        """End a key now; a key that was ended stays ended since then. Raises: ConfigError for an unknown key id."""
        with self._engine.begin() as connection:
            chosen = API_KEY.c.key_id == key_id
            values = {"revoked_at": func.coalesce(API_KEY.c.revoked_at, utc_now())}
            ended = API_KEY.update().where(chosen).values(values).returning(*_COLUMNS)
            found = connection.execute(ended).mappings().first()
        if found is None:
            raise _unknown(key_id)
        self._note(by, "api_key_revoked", key_id, {"name": found["name"], "role": found["role"]})
        return _key(found)

    def rotate(
        self, key_id: str, *, by: str, lifetime: timedelta = DEFAULT_LIFETIME, overlap: timedelta = timedelta()
    ) -> IssuedKey:
        """Issue a key of the same name and role; the old one ends after `overlap` (at once by default).

        Raises: ConfigError for an unknown key id or a key that has ended already.
        """
        old = self.get(key_id)
        if old.revoked_at is not None or old.expires_at <= utc_now():
            raise ConfigError(
                "this key has ended, so it cannot be rotated",
                where=key_id,
                expected="a key that is still valid",
                found="a revoked or expired one",
                next_step="issue a new key",
            )
        issued = self.issue(name=old.name, role=old.role, by=by, lifetime=lifetime, replaces=key_id)
        if overlap <= timedelta():
            self.revoke(key_id, by=by)
            return issued
        ends_at = min(old.expires_at, utc_now() + overlap)
        with self._engine.begin() as connection:
            connection.execute(API_KEY.update().where(API_KEY.c.key_id == key_id).values(expires_at=ends_at))
        self._note(by, "api_key_rotated", key_id, {"replaced_by": issued.key.key_id, "ends_at": ends_at.isoformat()})
        return issued

    def get(self, key_id: str) -> ApiKey:
        """The key with this id; raises ConfigError when there is none."""
        with self._engine.connect() as connection:
            found = connection.execute(_FIND, {"key_id": key_id}).mappings().first()
        if found is None:
            raise _unknown(key_id)
        return _key(found)

    def list(self, *, with_ended: bool = False) -> tuple[ApiKey, ...]:
        """Keys in order of issue, the newest last; revoked and expired ones only on request."""
        query = select(*_COLUMNS).order_by(API_KEY.c.created_at, API_KEY.c.key_id)
        if not with_ended:
            is_valid = or_(API_KEY.c.revoked_at.is_(None), API_KEY.c.revoked_at > func.now())
            query = query.where(is_valid, API_KEY.c.expires_at > func.now())
        with self._engine.connect() as connection:
            return tuple(_key(found) for found in connection.execute(query).mappings())

    def _note_use(self, key_id: str, at: datetime) -> None:
        with self._engine.begin() as connection:
            connection.execute(API_KEY.update().where(API_KEY.c.key_id == key_id).values(last_used_at=at))

    def _note(self, by: str, action: str, key_id: str, details: Mapping[str, Any]) -> None:
        self._audit.append(actor=by, action=action, subject=f"api_key:{key_id}", details=details)


_COLUMNS = tuple(column for column in API_KEY.c if column.name != "secret_hash")
_FIND = select(API_KEY).where(API_KEY.c.key_id == bindparam("key_id"))
_FIND_TEXT = str(_FIND.compile(dialect=psycopg_dialect.dialect()))  # type: ignore[no-untyped-call]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).hexdigest()


def _key(found: Mapping[Any, Any]) -> ApiKey:
    return ApiKey(**{name: found[name] for name in ApiKey.__dataclass_fields__})


def _unknown(key_id: str) -> ConfigError:
    return ConfigError("no key has this id", found=key_id[:50], next_step="groundwork api-key list --all")
