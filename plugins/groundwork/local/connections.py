"""Airflow's connections of the one-machine deployment, in a private file that Airflow's own file backend reads.

A file instead of environment variables: every child process would inherit those, and `/proc` shows them.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import URL

from groundwork.local.databases import STORE, WAREHOUSE, database_url
from groundwork.local.layout import Layout, write_private
from groundwork.local.ports import Ports
from groundwork.settings import AIRFLOW_API_CONNECTION, API_CONNECTION, STORE_CONNECTION, WAREHOUSE_CONNECTION


def write_connections(layout: Layout, ports: Ports, clearing_user: tuple[str, str] | None = None) -> bool:
    """Write the connections of this deployment; false when the file already said the same.

    `clearing_user` is name and password of an Airflow user who may clear tasks, for carrying out a person's answer to
    an incident; without it a whole run is reset instead. Connections that somebody added to the file by hand stay.
    """
    ours: dict[str, dict[str, Any]] = {
        STORE_CONNECTION: _postgres(database_url(layout, ports.postgres, STORE)),
        WAREHOUSE_CONNECTION: _postgres(database_url(layout, ports.postgres, WAREHOUSE)),
        API_CONNECTION: {"conn_type": "http", "host": "127.0.0.1", "port": ports.api, "schema": "http"},
    }
    if clearing_user is not None:
        name, password = clearing_user
        ours[AIRFLOW_API_CONNECTION] = {
            "conn_type": "http",
            "host": "127.0.0.1",
            "port": ports.airflow,
            "schema": "http",
            "login": name,
            "password": password,
        }
    path = layout.connections
    others = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return write_private(path, json.dumps({**others, **ours}, indent=2) + "\n")


def _postgres(url: URL) -> dict[str, Any]:
    return {
        "conn_type": "postgres",
        "host": url.host,
        "port": url.port,
        "login": url.username,
        "password": url.password,
        "schema": url.database,
    }
