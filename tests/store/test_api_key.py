"""API keys: what opens, what does not, and what is kept."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import text

from groundwork.model.errors import ConfigError
from groundwork.store.api_key import ApiKeys, Refusal
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    migrate(database.engine)
    return ApiKeys(database.engine)


def test_a_key_opens_until_it_expires(keys: ApiKeys) -> None:
    made = keys.issue(name="report", role="market_reader", by="test", lifetime=timedelta(days=1))
    verdict = keys.verify(made.token)
    assert verdict.refusal is None
    assert verdict.key == made.key
    assert keys.verify(made.token, at=utc_now() + timedelta(hours=23)).refusal is None
    assert keys.verify(made.token, at=utc_now() + timedelta(hours=25)).refusal is Refusal.EXPIRED


def test_only_the_hash_is_kept(keys: ApiKeys, database: Database) -> None:
    made = keys.issue(name="report", role="market_reader", by="test")
    with database.engine.connect() as connection:
        stored = connection.execute(text("SELECT secret_hash FROM groundwork.api_key")).scalar_one()
        everything = connection.execute(text("SELECT k::text FROM groundwork.api_key k")).scalar_one()
    assert stored == hashlib.sha256(made.token.encode()).hexdigest()
    assert made.token.rpartition("_")[2] not in everything
    assert len(made.token.partition("_")[2].partition("_")[2]) == 43  # 256 bits in base64
    assert made.token not in repr(made)
    assert "secret" not in made.key.to_json()


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.upper(),
        lambda token: token + "A",
        lambda token: token + "\n",
        lambda token: f" {token}",
        lambda token: token.partition("_")[2],
        lambda token: token[:17],
        lambda _: "",
        lambda _: "gwk_000000000000_" + "A" * 43,
        lambda _: "é" * 60,
        lambda _: "\ud800",
    ],
)
def test_other_tokens_open_nothing(keys: ApiKeys, change: object) -> None:
    made = keys.issue(name="report", role="market_reader", by="test")
    verdict = keys.verify(change(made.token))  # type: ignore[operator]
    assert verdict.key is None
    assert verdict.refusal is Refusal.UNKNOWN


def test_a_revoked_key_stays_revoked(keys: ApiKeys) -> None:
    made = keys.issue(name="report", role="market_reader", by="test")
    first = keys.revoke(made.key.key_id, by="test")
    assert keys.verify(made.token).refusal is Refusal.REVOKED
    assert keys.revoke(made.key.key_id, by="test").revoked_at == first.revoked_at
    assert keys.list() == ()
    assert [key.key_id for key in keys.list(with_ended=True)] == [made.key.key_id]


def test_rotation_replaces_a_key_at_once_or_with_an_overlap(keys: ApiKeys) -> None:
    old = keys.issue(name="report", role="market_reader", by="test")
    new = keys.rotate(old.key.key_id, by="test")
    assert (new.key.name, new.key.role, new.key.replaces) == ("report", "market_reader", old.key.key_id)
    assert keys.verify(old.token).refusal is Refusal.REVOKED
    third = keys.rotate(new.key.key_id, by="test", overlap=timedelta(hours=1))
    assert keys.verify(new.token).refusal is None
    assert keys.verify(new.token, at=utc_now() + timedelta(hours=2)).refusal is Refusal.EXPIRED
    assert keys.verify(third.token).refusal is None
    with pytest.raises(ConfigError, match="has ended"):
        keys.rotate(old.key.key_id, by="test")


def test_an_overlap_never_lengthens_a_life(keys: ApiKeys) -> None:
    old = keys.issue(name="report", role="market_reader", by="test", lifetime=timedelta(minutes=5))
    keys.rotate(old.key.key_id, by="test", overlap=timedelta(days=30))
    assert keys.get(old.key.key_id).expires_at <= old.key.expires_at


def test_use_is_noted_to_the_minute(keys: ApiKeys) -> None:
    made = keys.issue(name="report", role="market_reader", by="test")
    now = utc_now()
    keys.verify(made.token, at=now)
    keys.verify(made.token, at=now + timedelta(seconds=30))
    assert keys.get(made.key.key_id).last_used_at == now
    keys.verify(made.token, at=now + timedelta(seconds=90))
    assert keys.get(made.key.key_id).last_used_at == now + timedelta(seconds=90)


def test_a_refused_token_notes_no_use(keys: ApiKeys) -> None:
    made = keys.issue(name="report", role="market_reader", by="test", lifetime=timedelta(seconds=-1))
    keys.verify(made.token)
    assert keys.get(made.key.key_id).last_used_at is None


def test_every_change_is_audited(keys: ApiKeys, database: Database) -> None:
    made = keys.issue(name="report", role="market_reader", by="cli:ann")
    keys.rotate(made.key.key_id, by="cli:ann")
    events = AuditTrail(database.engine).latest()
    assert [event["action"] for event in reversed(events)] == ["api_key_issued", "api_key_issued", "api_key_revoked"]
    assert {event["actor"] for event in events} == {"cli:ann"}
    assert not [event for event in events if made.token in str(event)]


@pytest.mark.parametrize(
    "arguments", [{"name": " "}, {"role": ""}, {"lifetime": timedelta(days=367)}], ids=["name", "role", "lifetime"]
)
def test_keys_that_are_not_issued(keys: ApiKeys, arguments: dict[str, object]) -> None:
    given: dict[str, object] = {"name": "report", "role": "market_reader", "by": "test", **arguments}
    with pytest.raises(ConfigError):
        keys.issue(**given)  # type: ignore[arg-type]
    assert keys.list(with_ended=True) == ()


def test_unknown_key_ids(keys: ApiKeys) -> None:
    for call in (keys.get, lambda key_id: keys.revoke(key_id, by="test"), lambda key_id: keys.rotate(key_id, by="t")):
        with pytest.raises(ConfigError, match="no key has this id"):
            call("' OR 1=1 --")
