"""A whole deployment of its own for faults that need a running Airflow: brought up by the command line, then removed.

Its scheduler looks for lost tasks every few seconds. What stands in the warehouse beside the tasks' own table is there
to be left alone (`guard`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine

from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.local.airflow_api import AirflowApi
from groundwork.local.databases import AIRFLOW, STORE, WAREHOUSE, database_url
from groundwork.local.environment import password
from groundwork.local.layout import Layout
from groundwork.local.ports import Ports, remember
from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.local.supervisor import Deployment

from .api import Api
from .guard import bystanders
from .memory_group import memory_group
from .project import DOMAIN, ROOT, write_contract
from .proxy import Proxy
from .servers import ROLE, STRANGER
from .world import NEIGHBOUR, neighbour

HEARTBEAT_SECONDS = 30  # after which Airflow takes a task for lost here
USUAL_HEARTBEAT_SECONDS = 60  # the same as `groundwork up` sets it, which is what is counted; Airflow's default is 300
_COMMAND_SECONDS = 1200
STALE_MODEL = "quote_report"  # a dbt model that is made from what the API tells
_DBT = {
    "dbt_project.yml": "name: shop\nversion: 1.0.0\nprofile: shop\n",
    "models/sources.yml": "version: 2\nsources:\n  - {name: shop, schema: shop, tables: [{name: quotes}]}\n",
    f"models/{STALE_MODEL}.sql": "SELECT sum(price) AS total FROM {{ source('shop', 'quotes') }}\n",
}
_SETTINGS = {
    "core": {"parallelism": 12},
    "scheduler": {
        "scheduler_idle_sleep_time": 0.3,
        "task_instance_heartbeat_timeout": HEARTBEAT_SECONDS,
        "task_instance_heartbeat_timeout_detection_interval": 5,
    },
    "dag_processor": {"refresh_interval": 3, "bundle_refresh_check_interval": 2, "min_file_process_interval": 5},
}


@dataclass(frozen=True, kw_only=True)
class AirflowSite:
    """The running deployment. `way` is the proxy to the warehouse behind the Airflow connection `swallowed`,
    `quotes` the API behind `shop_api`; `memory_groups` are control groups with little memory by side, empty where none
    can be made.
    """

    layout: Layout
    server: EmbeddedPostgres
    api: AirflowApi
    store: Engine
    way: Proxy
    quotes: Api
    memory_groups: dict[str, str]
    database: str = WAREHOUSE
    neighbour: str = NEIGHBOUR

    @property
    def project(self) -> Path:
        """The folder with contracts, patterns and policies."""
        return self.layout.project

    def rows(self, query: str, values: Sequence[Any] = (), database: str = WAREHOUSE) -> list[tuple[Any, ...]]:
        """What a query finds, past every connection of Airflow."""
        with self.server.connect(database) as connection:
            return connection.execute(query, values).fetchall()

    def tries(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The tries of a run's task, in order, as Airflow's database has them."""
        columns = "try_number, state, start_date, end_date, retry_delay_override, pid"
        query = (
            f"SELECT {columns} FROM task_instance_history WHERE dag_id = %s AND run_id = %s UNION "  # noqa: S608  ours
            f"SELECT {columns} FROM task_instance WHERE dag_id = %s AND run_id = %s ORDER BY try_number"
        )
        found = self.rows(query, (dag_id, run_id) * 2, AIRFLOW)
        names = columns.split(", ")
        return [dict(zip(names, row, strict=True)) for row in found if row[2] is not None]

    def up(self) -> None:
        """Start what does not run."""
        _command(self.layout, "up")


@contextmanager
def airflow_site(told: dict[str, Any]) -> Iterator[AirflowSite]:
    """The deployment with the Dags of `lethal`, which read what they are `told`; nothing of it stays."""
    with ExitStack() as stack:
        layout = _layout()
        stack.callback(_remove, layout)
        groups = {side: stack.enter_context(memory_group(side)) for side in told["sides"]}
        named = {side: str(group) for side, group in groups.items() if group is not None}
        _make_project(layout.project, {**told, "memory_groups": named})
        _command(layout, "up")
        deployment = Deployment(layout=layout)
        ports = deployment.ports()
        server = deployment.server(ports)
        _furnish(server, layout.project / "governance" / "contracts")
        way = Proxy(target=ports.postgres).start()
        stack.callback(way.close)
        quotes = Api().start()
        stack.callback(quotes.close)
        _connect(layout, way, quotes)
        store = create_engine(database_url(layout, ports.postgres, STORE))
        stack.callback(store.dispose)
        api = stack.enter_context(AirflowApi(ports.airflow_url, "admin", password(layout, "admin")))
        yield AirflowSite(
            layout=layout, server=server, api=api, store=store, way=way, quotes=quotes, memory_groups=named
        )


def _layout() -> Layout:
    folder = Path(tempfile.mkdtemp(prefix="groundwork-airflow-"))
    layout = Layout(project=folder / "project", home=folder / "home")
    layout.prepare()
    remember(layout, Ports(postgres=free_port(), airflow=free_port(), api=free_port()))
    layout.write_config({**layout.read_config(), "airflow": _SETTINGS})
    return layout


def _make_project(project: Path, told: dict[str, Any]) -> None:
    """The repository's patterns and policies, waiting and all, its plugin, a contract and the Dags of the suite."""
    shutil.copytree(ROOT / "governance", project / "governance", ignore=shutil.ignore_patterns("contracts"))
    write_contract(project / "governance" / "contracts")
    for name in ("dags", "plugins", "dbt_project/models", "expectations", "data"):
        (project / name).mkdir(parents=True)
    for name, content in _DBT.items():
        (project / "dbt_project" / name).write_text(content, encoding="utf-8")
    shutil.copy(ROOT / "plugins" / "groundwork_plugin.py", project / "plugins")
    (project / "lethal.json").write_text(json.dumps(told), encoding="utf-8")
    shutil.copy(Path(__file__).with_name("lethal.py"), project / "dags")


def _furnish(server: EmbeddedPostgres, contracts: Path) -> None:
    """The table of the tasks, and what is nobody's business."""
    with server.connect() as connection:
        for role in (ROLE, STRANGER):
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
            connection.execute(f"GRANT CONNECT ON DATABASE {WAREHOUSE} TO {role}")
    with server.connect(WAREHOUSE) as connection:
        connection.execute("CREATE TABLE public.done (side text, task text, number integer)")
        connection.execute(f"ALTER TABLE public.done OWNER TO {WAREHOUSE}")
        connection.execute(f"SET ROLE {WAREHOUSE}")
        for statement in statements(read_domain(DOMAIN, contracts)):
            connection.execute(statement.sql.encode())
        connection.execute(f"GRANT USAGE ON SCHEMA {DOMAIN} TO {ROLE}")
    bystanders(server, WAREHOUSE)
    neighbour(server)


def _connect(layout: Layout, way: Proxy, quotes: Api) -> None:
    known = json.loads(layout.connections.read_text(encoding="utf-8"))
    known["swallowed"] = {**known["warehouse"], "port": way.port}
    known["shop_api"] = {"conn_type": "http", "host": "127.0.0.1", "port": quotes.port, "schema": "http"}
    layout.connections.write_text(json.dumps(known), encoding="utf-8")


def _remove(layout: Layout) -> None:
    """End the deployment and delete what it left; what cannot be ended is told."""
    try:
        _command(layout, "down", "--erase", "--yes")
    finally:
        shutil.rmtree(layout.home.parent, ignore_errors=True)


def _command(layout: Layout, *arguments: str) -> None:
    """Run `groundwork …` with the deployment's folders and nothing of the caller's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    done = subprocess.run(
        (sys.executable, "-m", "groundwork.cli", *arguments),
        env={**own, "GROUNDWORK_HOME": str(layout.home), "GROUNDWORK_PROJECT": str(layout.project)},
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
        start_new_session=True,  # Ctrl-C is for us: a deployment half up is ended by us, not by chance
    )
    if done.returncode != 0:
        raise RuntimeError(f"groundwork {' '.join(arguments)}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
