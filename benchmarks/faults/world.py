"""Where faults happen: servers, ways to them, an API, the project, and Airflow's connections that lead to all of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.store.migrate import migrate

from .api import Api
from .guard import bystanders
from .project import DOMAIN, make_project
from .proxy import Proxy
from .servers import ROLE, Servers, running

SHOP_TEMPLATE, STORE_TEMPLATE, NEIGHBOUR = "shop_template", "store_template", "neighbour"


@dataclass(kw_only=True)
class World:
    """All that faults share; `warehouse_way` and `store_way` are the proxies that tasks go through."""

    servers: Servers
    project: Path
    warehouse_way: Proxy
    store_way: Proxy
    api: Api
    runs: int = 0
    connections: dict[str, str] = field(default_factory=dict)

    def mend(self) -> None:
        """All servers and ways as on the first day, whatever the fault before left."""
        self.servers.primary.start()
        self.servers.quiet.start()
        self.warehouse_way.restore()
        self.warehouse_way.target = self.servers.primary.port
        self.store_way.restore()


@contextmanager
def world(*, with_replica: bool = True) -> Iterator[World]:
    """The world, ready; the environment is as before at the end."""
    before = dict(os.environ)
    with running(with_replica=with_replica) as servers:
        project = make_project(servers.folder / "project")
        _environment(servers.folder, project)
        api = Api().start()
        ways = [Proxy(target=server.port).start() for server in (servers.primary, servers.quiet)]
        try:
            for server in (servers.primary, servers.quiet):
                _shop(server, project)
                neighbour(server)
            _store(servers.quiet)
            yield World(servers=servers, project=project, warehouse_way=ways[0], store_way=ways[1], api=api)
        finally:
            for way in ways:
                way.close()
            api.close()
            os.environ.clear()
            os.environ.update(before)
            shutil.rmtree(project, ignore_errors=True)


def _environment(folder: Path, project: Path) -> None:
    """Airflow shall find nothing of the machine's own."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_CONN_", "GROUNDWORK_"))]:
        del os.environ[name]
    if "airflow" not in sys.modules:
        os.environ["AIRFLOW_HOME"] = str(folder / "airflow")
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    os.environ["GROUNDWORK_PROJECT"] = str(project)
    os.environ["GROUNDWORK_HOME"] = str(folder / "home")


def _shop(server: EmbeddedPostgres, project: Path) -> None:
    """The database that each fault gets a copy of: the shop's tables, empty, and bystanders."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {SHOP_TEMPLATE} OWNER {ROLE}")
    engine = create_engine(server.url(ROLE, ROLE, SHOP_TEMPLATE))
    with engine.begin() as connection:
        for statement in statements(read_domain(DOMAIN, project / "governance" / "contracts")):
            run(connection, statement.sql)
    engine.dispose()
    bystanders(server, SHOP_TEMPLATE)


def neighbour(server: EmbeddedPostgres) -> None:
    """A database of ours that no task works on."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {NEIGHBOUR} OWNER {ROLE}")
    with server.connect(NEIGHBOUR) as connection:
        connection.execute("CREATE TABLE kept AS SELECT id, id * 3 AS amount FROM generate_series(1, 100) AS id")
        connection.execute(f"ALTER TABLE kept OWNER TO {ROLE}")


def _store(server: EmbeddedPostgres) -> None:
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {STORE_TEMPLATE} OWNER {ROLE}")
    engine = create_engine(server.url(ROLE, ROLE, STORE_TEMPLATE))
    migrate(engine)
    engine.dispose()


def set_connections(values: Mapping[str, str | None]) -> None:
    """Let Airflow know these connections (id → URI), and forget those that are null."""
    for name, uri in values.items():
        variable = f"AIRFLOW_CONN_{name.upper()}"
        if uri is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = uri
