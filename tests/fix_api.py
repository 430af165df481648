"""The data API on real HTTP: uvicorn in a thread on a free port, with keys for every role."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from groundwork.access.api import create_api
from groundwork.contracts.contract import Domain
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.store.api_key import ApiKeys
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database, _fresh_database

_PATIENCE_SECONDS = 120  # with a machine that has much else to do


@dataclass(frozen=True, kw_only=True)
class RunningApi:
    """A served API with the databases behind it and a token per contract role."""

    url: str
    warehouse: Database
    store: Database
    keys: ApiKeys
    tokens: dict[str, str]
    app: FastAPI

    def client(self, role: str | None) -> httpx.Client:
        """A client that holds the role's key, or none."""
        headers = {"X-API-Key": self.tokens[role]} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=_PATIENCE_SECONDS, trust_env=False)

    def ask(self, role: str | None, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request with the role's key, or none, on a connection of its own."""
        with self.client(role) as client:
            return client.request(method, path, **arguments)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address at which uvicorn serves `app` in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:  # held from the beginning: nobody else gets the port
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not server.started and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert server.started
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_PATIENCE_SECONDS)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def store_database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A migrated store for all tests of a module."""
    for database in _fresh_database(postgres):
        migrate(database.engine)
        yield database


@pytest.fixture(scope="module")
def api(module_market_database: Database, store_database: Database, market_domain: Domain) -> Iterator[RunningApi]:
    """The API over the market's tables, served for all tests of a module."""
    keys = ApiKeys(store_database.engine)
    tokens = {role.name: keys.issue(name="test", role=role.name, by="test").token for role in market_domain.roles}
    app = create_api(market_domain, module_market_database.engine, store_database.engine)
    with served(app) as url:
        yield RunningApi(
            url=url, warehouse=module_market_database, store=store_database, keys=keys, tokens=tokens, app=app
        )
