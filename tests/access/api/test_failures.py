"""The service stays up and says what is wrong when tables, roles or databases are not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.access.api import create_api
from groundwork.access.repository import Repositories
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.store.api_key import ApiKeys
from groundwork.store.migrate import migrate
from tests.fix_access import make_market, strategy
from tests.fix_api import RunningApi, served
from tests.fix_postgres import Database, _fresh_database

pytestmark = pytest.mark.postgres
STRATEGIES = "/api/v1/market/strategies"


@pytest.fixture
def second_database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    yield from _fresh_database(postgres)


def _running(url: str, warehouse: Database, store: Database, domain: Domain) -> RunningApi:
    keys = ApiKeys(store.engine)
    tokens = {role.name: keys.issue(name="test", role=role.name, by="test").token for role in domain.roles}
    return RunningApi(url=url, warehouse=warehouse, store=store, keys=keys, tokens=tokens, app=None)  # type: ignore[arg-type]


def test_before_anything_exists(database: Database, second_database: Database, market_domain: Domain) -> None:
    """Nothing is there, then the store, then tables, then roles: no restart is needed."""
    app = create_api(market_domain, database.engine, second_database.engine)
    with served(app) as url:
        api = RunningApi(
            url=url, warehouse=database, store=second_database, keys=ApiKeys(second_database.engine),
            tokens={"market_reader": "gwk_000000000000_" + "A" * 43}, app=app,
        )  # fmt: skip
        with api.client("market_reader") as client:
            assert client.get("/health").status_code == 200
            no_store = client.get(STRATEGIES)
            assert (no_store.status_code, no_store.json()["next_step"]) == (503, "groundwork up")
        migrate(second_database.engine)
        api = _running(url, database, second_database, market_domain)
        with api.client("market_reader") as client:
            no_role = client.get(STRATEGIES)
            assert no_role.status_code == 503, no_role.text
            assert "data_foundation" in no_role.json()["next_step"]
            assert no_role.headers["retry-after"]
            make_market(database.engine, market_domain)
            assert client.get(STRATEGIES).json() == {"data": [], "next": None}
        with database.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA market_access CASCADE"))
        with api.client("market_engineer") as client:
            for answer in (client.get(STRATEGIES), client.post(STRATEGIES, json={"name": "ab", "priority": 1})):
                assert answer.status_code == 503
                assert "not there yet" in answer.json()["title"]
                assert "data_foundation" in answer.json()["next_step"]


def test_roles_that_the_login_may_not_take(
    database: Database, second_database: Database, market_domain: Domain
) -> None:
    """A role of the same name that somebody else made on this server."""
    roles = tuple(replace(role, name=f"foreign_{role.name}") for role in market_domain.roles)
    foreign = replace(market_domain, contracts=tuple(replace(each, roles=roles) for each in market_domain.contracts))
    with database.engine.begin() as connection:
        for statement in statements(foreign):
            connection.exec_driver_sql(statement.sql)
    with database.server.connect() as connection:
        connection.execute("CREATE ROLE foreign_market_engineer NOLOGIN")
    migrate(second_database.engine)
    with served(create_api(foreign, database.engine, second_database.engine)) as url:
        api = _running(url, database, second_database, foreign)
        for method, arguments in (("GET", {}), ("POST", {"json": {"name": "ab", "priority": 1}})):
            refused = api.ask("foreign_market_engineer", method, STRATEGIES, **arguments)
            assert refused.status_code == 503
            assert refused.json()["where"] == "foreign_market_engineer"
    with database.server.connect() as connection:
        connection.execute("DROP ROLE foreign_market_engineer")


def test_a_slow_query_is_ended(market_database: Database, second_database: Database, market_domain: Domain) -> None:
    Repositories(market_database.engine, market_domain)["strategies"].insert([strategy()])
    with market_database.engine.begin() as connection:
        connection.execute(text("ALTER VIEW market_access.strategies RENAME TO quick"))
        query = "SELECT quick.* FROM market_access.quick, pg_sleep(600)"
        connection.execute(text(f"CREATE VIEW market_access.strategies AS {query}"))
        connection.execute(text("GRANT SELECT ON market_access.strategies TO PUBLIC"))
    migrate(second_database.engine)
    app = create_api(market_domain, market_database.engine, second_database.engine, statement_seconds=3)
    with served(app) as url:
        api = _running(url, market_database, second_database, market_domain)
        with api.client("market_reader") as client:
            slow = client.get(STRATEGIES)
            assert slow.status_code == 503
            assert "too long" in slow.json()["title"]
            assert client.get("/api/v1/market/orders").status_code == 200


def test_connections_that_were_cut(market_database: Database, second_database: Database, market_domain: Domain) -> None:
    """A server that restarts under the API costs at most the requests in between."""
    migrate(second_database.engine)
    engines = [create_engine(each.url, pool_pre_ping=True) for each in (market_database, second_database)]
    with served(create_api(market_domain, *engines)) as url:
        api = _running(url, market_database, second_database, market_domain)
        with api.client("market_reader") as client:
            assert client.get(STRATEGIES).status_code == 200
            for database in (market_database, second_database):
                with database.server.connect() as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s",
                        [database.name],
                    )
            assert client.get(STRATEGIES).status_code == 200
    _dispose(engines)


def test_databases_that_do_not_answer(
    market_database: Database, second_database: Database, market_domain: Domain
) -> None:
    migrate(second_database.engine)
    dead = create_engine("postgresql+psycopg://nobody:wrong@127.0.0.1:1/nothing")
    with served(create_api(market_domain, dead, second_database.engine)) as url:
        api = _running(url, market_database, second_database, market_domain)
        away = api.ask("market_reader", "GET", STRATEGIES)
        assert away.status_code == 503
        assert "wrong" not in away.text
        assert api.ask(None, "GET", "/health").status_code == 200
    with served(create_api(market_domain, market_database.engine, dead)) as url:
        token = "gwk_000000000000_" + "A" * 43
        api = RunningApi(
            url=url,
            warehouse=market_database,
            store=second_database,
            keys=ApiKeys(dead),
            tokens={"r": token},
            app=None,  # type: ignore[arg-type]
        )
        closed = api.ask("r", "GET", STRATEGIES)
        assert closed.status_code == 503
        assert api.ask(None, "GET", STRATEGIES).status_code == 401


def _dispose(engines: list[Engine]) -> None:
    for engine in engines:
        engine.dispose()
