"""Who gets in, what each role sees, and what is kept of denials and reads."""

from __future__ import annotations

import time
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from groundwork.access.api.record import AccessRecord
from groundwork.access.repository import Repositories
from groundwork.contracts.contract import Domain
from groundwork.governance.access import apply_access
from groundwork.store.api_key import ApiKeys
from groundwork.store.api_usage import ApiUsage
from groundwork.store.audit import AuditTrail
from tests.fix_access import POLICIES, STRATEGY_ID, price, signal, strategy
from tests.fix_api import RunningApi

pytestmark = pytest.mark.postgres
STRATEGIES = "/api/v1/market/strategies"


@pytest.fixture(scope="module", autouse=True)
def rows(api: RunningApi, market_domain: Domain) -> None:
    repositories = Repositories(api.warehouse.engine, market_domain)
    repositories["strategies"].insert([strategy()])
    repositories["stock_prices"].insert([price()])
    repositories["trading_signals"].insert([signal()])


def _get(api: RunningApi, token: str | None, path: str = STRATEGIES) -> httpx.Response:
    headers = {"X-API-Key": token} if token is not None else {}
    return httpx.get(api.url + path, headers=headers, trust_env=False, timeout=60)


@pytest.mark.parametrize(
    "path", [STRATEGIES, f"{STRATEGIES}/x", "/api/v1", "/openapi.json", "/docs", "/", "/health/", "//health", "/HEALTH"]
)
def test_nothing_but_health_is_open(api: RunningApi, path: str) -> None:
    closed = _get(api, None, path)
    assert closed.status_code == 401
    assert closed.json()["next_step"].startswith("groundwork api-key issue")
    assert "X-API-Key" in closed.headers["www-authenticate"]
    assert _get(api, None, "/health").json()["status"] == "ok"


@pytest.mark.parametrize("token", ["", "x", "gwk_000000000000_" + "A" * 43, "gwk_%_" + "A" * 43, "' OR 1=1 --"])
def test_keys_that_nobody_knows(api: RunningApi, token: str) -> None:
    assert _get(api, token).status_code == 401


def test_a_key_with_another_secret(api: RunningApi) -> None:
    token = api.tokens["market_reader"]
    forged = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    refused = _get(api, forged)
    assert refused.status_code == 401
    assert refused.json()["title"] == "the API key is unknown"


def test_revoked_and_expired_keys_are_refused_at_once(api: RunningApi) -> None:
    made = api.keys.issue(name="soon gone", role="market_reader", by="test")
    assert _get(api, made.token).status_code == 200
    api.keys.revoke(made.key.key_id, by="test")
    assert _get(api, made.token).json()["title"] == "the API key is revoked"
    old = api.keys.issue(name="old", role="market_reader", by="test", lifetime=timedelta(seconds=-1))
    assert _get(api, old.token).json()["title"] == "the API key is expired"


def test_roles_of_nobody_and_of_other_domains(api: RunningApi) -> None:
    for role in ("other_reader", "postgres", "groundwork_test"):
        made = api.keys.issue(name="elsewhere", role=role, by="test")
        refused = _get(api, made.token)
        assert refused.status_code == 403
        assert refused.json()["found"] == role


def test_masked_columns_by_role(api: RunningApi) -> None:
    path = f"/api/v1/market/trading_signals/{signal()['signal_id']}"
    seen = {role: api.ask(role, "GET", path).json()["indicators"] for role in api.tokens}
    assert seen == {"market_reader": None, "market_analyst": {"mean": 10.5}, "market_engineer": {"mean": 10.5}}
    listed = api.ask("market_reader", "GET", "/api/v1/market/trading_signals?fields=indicators,action").json()["data"]
    assert listed == [{"indicators": None, "action": "buy"}]


@pytest.mark.parametrize("query", ["config__contains={}", "config__is_null=true"])
def test_masked_columns_are_no_oracle(api: RunningApi, query: str) -> None:
    with api.client("market_reader") as client:
        refused = client.get(f"{STRATEGIES}?{query}")
        assert refused.status_code == 403
        assert "masked" in refused.json()["title"]
        assert client.get("/api/v1/market/orders?order=-quantity").status_code == 403
    assert api.ask("market_analyst", "GET", f"{STRATEGIES}?{query}").status_code == 200


def test_readers_cannot_write(api: RunningApi) -> None:
    row = {"name": "by_reader", "priority": 1}
    for role in ("market_reader", "market_analyst"):
        with api.client(role) as client:
            assert client.post(STRATEGIES, json=row).status_code == 403
            path = f"{STRATEGIES}/{STRATEGY_ID}"
            assert client.patch(path, json={"priority": 1}, headers={"If-Match": "*"}).status_code == 403


def test_the_database_refuses_whatever_the_api_believes(api: RunningApi, market_domain: Domain) -> None:
    with api.warehouse.engine.begin() as connection:
        connection.execute(text("REVOKE INSERT ON market.strategies FROM market_engineer"))
        connection.execute(text("REVOKE SELECT ON market_access.strategies FROM market_reader"))
    try:
        written = api.ask("market_engineer", "POST", STRATEGIES, json={"name": "refused", "priority": 1})
        read = api.ask("market_reader", "GET", STRATEGIES)
    finally:
        apply_access(api.warehouse.engine, market_domain, POLICIES)
    assert (written.status_code, read.status_code) == (403, 403)
    latest = AuditTrail(api.store.engine).latest(1)[0]
    assert (latest["action"], latest["details"]["reason"]) == ("access_denied", "refused by grants or masks")


def test_a_role_does_not_outlive_its_request(api: RunningApi) -> None:
    for _ in range(5):
        assert api.ask("market_engineer", "GET", STRATEGIES).json()["data"][0]["config"] == {"window": 1}
        assert api.ask("market_reader", "GET", STRATEGIES).json()["data"][0]["config"] is None
    with api.warehouse.engine.connect() as connection:
        found = connection.execute(text("SELECT current_user, current_setting('transaction_read_only')")).one()
    assert tuple(found) == ("groundwork_test", "off")


def test_a_read_cannot_write(api: RunningApi, market_domain: Domain) -> None:
    """Every read runs in a read-only transaction: a view that writes when it is read is refused."""
    with api.warehouse.engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE market.counter"))
        connection.execute(text("GRANT ALL ON SEQUENCE market.counter TO PUBLIC"))
        connection.execute(text("ALTER VIEW market_access.strategies RENAME TO kept"))
        query = "SELECT * FROM market_access.kept WHERE nextval('market.counter') > 0"
        connection.execute(text(f"CREATE VIEW market_access.strategies AS {query}"))
        connection.execute(text("GRANT SELECT ON market_access.strategies TO PUBLIC"))
    try:
        refused = api.ask("market_reader", "GET", STRATEGIES)
    finally:
        with api.warehouse.engine.begin() as connection:
            connection.execute(text("DROP VIEW market_access.strategies"))
            connection.execute(text("ALTER VIEW market_access.kept RENAME TO strategies"))
            connection.execute(text("DROP SEQUENCE market.counter"))
    assert refused.status_code == 500
    assert "incident" in refused.json()["found"]
    assert "nextval" not in refused.text


def test_denials_are_audited_once_a_minute(api: RunningApi) -> None:
    now = [0.0]
    trail = AuditTrail(api.store.engine)
    record = AccessRecord(trail, ApiUsage(api.store.engine), clock=lambda: now[0])
    key = api.keys.issue(name="in a loop", role="market_reader", by="test").key
    before = trail.latest(1)[0]["sequence"]
    for _ in range(10):
        record.denied(key, "role may not write", "market/orders")
    record.denied(key, "role may not write", "market/strategies")
    now[0] = 61.0
    record.denied(key, "role may not write", "market/orders")
    again, other, first = trail.latest(3)
    assert first["sequence"] == before + 1
    assert [each["details"]["not_written_before"] for each in (first, other, again)] == [0, 0, 9]
    assert again["actor"] == f"api:{key.key_id}"


def test_reads_are_counted(api: RunningApi) -> None:
    made = api.keys.issue(name="counted", role="market_reader", by="test")
    for _ in range(3):
        _get(api, made.token, "/api/v1/market/stock_prices")
    usage = ApiUsage(api.store.engine)
    deadline = time.monotonic() + 120
    found = usage.of_key(made.key.key_id)
    while sum(reads for reads, _ in found.values()) < 3:  # the first ones may be written alone
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
        found = usage.of_key(made.key.key_id)
    assert [sum(counts) for counts in zip(*found.values(), strict=True)] == [3, 3]  # on two days at midnight
    assert {subject for _, subject in found} == {"market/stock_prices"}


def test_counts_survive_a_store_that_is_away(api: RunningApi) -> None:
    key = api.keys.issue(name="kept", role="market_reader", by="test").key
    usage = ApiUsage(api.store.engine)
    record = AccessRecord(AuditTrail(api.store.engine), usage)
    record.read(key, "market/orders", 5)
    with api.store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.api_usage RENAME TO away"))
    try:
        with pytest.raises(Exception, match="api_usage"):
            record.flush()
    finally:
        with api.store.engine.begin() as connection:
            connection.execute(text("ALTER TABLE groundwork.away RENAME TO api_usage"))
    record.read(key, "market/orders", 2)
    record.flush()
    assert list(usage.of_key(key.key_id).values()) == [(2, 7)]


def test_no_secret_is_stored_or_audited(api: RunningApi) -> None:
    made = ApiKeys(api.store.engine).issue(name="secret", role="market_reader", by="test")
    secret = made.token.rpartition("_")[2]
    with api.store.engine.connect() as connection:
        for table in ("api_key", "audit_event", "api_usage"):
            rows = connection.execute(text(f"SELECT t::text FROM groundwork.{table} t")).scalars().all()
            assert not [row for row in rows if secret in row or made.token in row]
    assert secret not in repr(made)
