"""A dbt project of four models over one table, for what the real project would take too long to show."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import Engine, text

from groundwork.settings import Settings

_PROJECT = """name: small
version: "1.0.0"
config-version: 2
profile: groundwork
model-paths: [models]
flags:
  send_anonymous_usage_stats: false
  warn_error_options: {error: all, warn: [TypeCodeNotFound, NoNodesForSelectionCriteria, NoNodesSelected, NothingToDo]}
models: {small: {+schema: small, +materialized: table}}
"""
_SOURCES = """version: 2
sources:
  - {name: raw, schema: raw, tables: [{name: orders}]}
models:
  - name: orders
    columns: [{name: order_id, data_tests: [not_null]}]
"""
MODELS = {
    "orders": "SELECT order_id, amount FROM {{ source('raw', 'orders') }}",
    "large_orders": "SELECT order_id FROM {{ ref('orders') }} WHERE amount > 10",
    "small_orders": "SELECT order_id FROM {{ ref('orders') }} WHERE amount <= 10",
    "large_count": "SELECT count(*) AS order_count FROM {{ ref('large_orders') }}",
}


def make_project(folder: Path) -> Path:
    """Write the project into a new folder."""
    (folder / "models").mkdir(parents=True)
    shutil.copy(Settings.from_environment().dbt_project / "profiles.yml", folder)
    (folder / "dbt_project.yml").write_text(_PROJECT, encoding="utf-8")
    (folder / "models" / "_models.yml").write_text(_SOURCES, encoding="utf-8")
    for name, query in MODELS.items():
        write_model(folder, name, query)
    return folder


def write_model(folder: Path, name: str, query: str) -> None:
    """Put another query in the place of a model's."""
    (folder / "models" / f"{name}.sql").write_text(query, encoding="utf-8")


def make_orders(engine: Engine) -> None:
    """Make the table with two rows."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA raw"))
        connection.execute(
            text("CREATE TABLE raw.orders AS SELECT i AS order_id, i * 8 AS amount FROM generate_series(1, 2) i")
        )
