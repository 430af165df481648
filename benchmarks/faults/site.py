"""One run of one fault: its own databases, connections, clock and chance, and what has to be undone at the end."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine

from groundwork.local.postgres import EmbeddedPostgres

from .api import Answer
from .clock import Clock
from .fault import Fault
from .servers import ROLE, STRANGER
from .world import NEIGHBOUR, SHOP_TEMPLATE, STORE_TEMPLATE, World, set_connections

_WAREHOUSES = ("warehouse", "warehouse_replica", "warehouse_fallback")
_AGED = ("strike", "breaker", "alternative", "remedy_run", "incident")  # what rules of time look at


@dataclass(kw_only=True)
class Site:
    """What a fault and its task work on. The warehouse `database` stands on `server`, Groundwork's own beside it."""

    world: World
    fault: Fault
    server: EmbeddedPostgres
    database: str
    store_database: str
    random: random.Random
    clock: Clock
    home: Path
    try_number: int = 1
    notes: dict[str, Any] = field(default_factory=dict)
    _undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """The folder with contracts, patterns and policies."""
        return self.world.project

    @property
    def neighbour(self) -> str:
        """Another database of the server."""
        return NEIGHBOUR

    def engine(self) -> Engine:
        """The warehouse as a task gets it: by Airflow's connection, through the way that can be broken."""
        from groundwork.operators import connections

        return connections.engine("warehouse")

    @contextmanager
    def store(self) -> Iterator[Engine]:
        """The store, past the way that can be broken."""
        engine = create_engine(self.world.servers.quiet.url(ROLE, ROLE, self.store_database))
        try:
            yield engine
        finally:
            engine.dispose()

    def at(self, seconds: float, what: Callable[[], object]) -> None:
        """Book what ends the fault, seconds after the task's first start."""
        self.clock.at(seconds, what)

    def finally_(self, what: Callable[[], object]) -> None:
        """Undo something at the end, whatever happens; last come, first gone."""
        self._undo.append(what)

    def admin(self, *queries: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as the superuser, past the broken way; the rows of the last one."""
        with self.server.connect(database or self.database) as connection:
            for query in queries:
                cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in the warehouse, past the broken way."""
        return self.admin(query)

    def session(self, role: str = STRANGER, application: str = "reporting", **options: Any) -> psycopg.Connection:
        """A session of somebody else, past the broken way; closed at the end."""
        url = self.server.url(role, role, self.database).replace("+psycopg", "")
        connection = psycopg.connect(url, application_name=application, **options)
        self.finally_(connection.close)
        return connection

    def warehouse_uri(self, password: str = ROLE, host: str = "127.0.0.1", port: int | None = None) -> str:
        """The URI of the Airflow connection `warehouse`."""
        return f"postgres://{ROLE}:{password}@{host}:{port or self.world.warehouse_way.port}/{self.database}"

    def connect_warehouse(self, uri: str) -> None:
        """Change the Airflow connection `warehouse`, as a person or a rotation does."""
        set_connections({"warehouse": uri})

    def use_server(self, server: EmbeddedPostgres) -> None:
        """Let the warehouse stand on another server, in a database of its own."""
        self.server = server
        self.database = _copy(server, SHOP_TEMPLATE)
        self.world.warehouse_way.target = server.port
        self.connect_warehouse(self.warehouse_uri())

    def offer_fallback(self) -> str:
        """A copy of the empty shop on the other server, of the same name and known to Airflow; its database."""
        quiet = self.world.servers.quiet
        name = _copy(quiet, SHOP_TEMPLATE, self.database)
        set_connections({"warehouse_fallback": f"postgres://{ROLE}:{ROLE}@127.0.0.1:{quiet.port}/{name}"})
        return name

    def end(self) -> None:
        """Undo everything; what cannot be undone does not keep the rest from it."""
        while self._undo:
            with contextlib.suppress(Exception):
                self._undo.pop()()

    def age_store(self, seconds: float) -> None:
        """Let the store's rows become older, because this time was not slept."""
        if seconds <= 0:
            return
        with contextlib.suppress(Exception), self.world.servers.quiet.connect(self.store_database) as connection:
            found = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'groundwork' "
                "AND data_type = 'timestamp with time zone' AND table_name = ANY (%s)",
                (list(_AGED),),
            ).fetchall()
            columns: dict[str, list[str]] = {}
            for table, column in found:
                columns.setdefault(table, []).append(column)
            for table, names in columns.items():
                changes = ", ".join(f'"{name}" = "{name}" - make_interval(secs => {seconds:.3f})' for name in names)
                connection.execute(f'UPDATE groundwork."{table}" SET {changes}')  # noqa: S608  names from the catalogue


@contextmanager
def site_of(world: World, fault: Fault) -> Iterator[Site]:
    """A fresh site for a fault; all servers run and all ways are open, before and after."""
    world.mend()
    world.runs += 1
    server, quiet = world.servers.primary, world.servers.quiet
    home = world.servers.folder / f"home-{world.runs}"
    home.mkdir()
    clock = Clock()
    site = Site(
        world=world,
        fault=fault,
        server=server,
        database=_copy(server, SHOP_TEMPLATE),
        store_database=_copy(quiet, STORE_TEMPLATE),
        random=random.Random(fault.seed),  # noqa: S311  the same fault in every run
        clock=clock,
        home=home,
    )
    clock.on_skip = site.age_store
    world.api.answer, world.api.records, world.api.asked = Answer.WELL, (), 0
    _connect(site)
    try:
        yield site
    finally:
        site.end()
        world.mend()
        forget()
        set_connections(dict.fromkeys((*_WAREHOUSES, "groundwork_store", "shop_api")))
        for path in (world.project / "data").iterdir():
            path.unlink()
        shutil.rmtree(home, ignore_errors=True)


def forget() -> None:
    """Forget this process's pools, as a new process has none."""
    from groundwork.operators import connections

    for name in (*_WAREHOUSES, "groundwork_store"):
        with contextlib.suppress(Exception):
            connections.engine(name).dispose()
    connections.engine.cache_clear()


def _connect(site: Site) -> None:
    servers = site.world.servers
    replica = servers.replica
    os.environ["GROUNDWORK_HOME"] = str(site.home)
    set_connections(
        {
            "warehouse": site.warehouse_uri(),
            "groundwork_store": f"postgres://{ROLE}:{ROLE}@127.0.0.1:{site.world.store_way.port}/{site.store_database}",
            "warehouse_replica": f"postgres://{ROLE}:{ROLE}@127.0.0.1:{replica.port}/{site.database}"
            if replica
            else None,
            "shop_api": f"http://127.0.0.1:{site.world.api.port}",
        }
    )


def _copy(server: EmbeddedPostgres, template: str, name: str = "") -> str:
    name = name or f"{template.partition('_')[0]}_{uuid.uuid4().hex[:10]}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}")
    return name
