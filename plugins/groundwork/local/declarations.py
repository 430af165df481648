"""Whether anything has changed since a foundation run succeeded: declarations, schema, and rows of each table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, table

from groundwork import __version__
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.local.digest import digest
from groundwork.local.layout import Layout, write_private
from groundwork.store.foundation import FoundationRuns

_DECLARATIONS = ("governance", "dbt_project", "expectations", "dags")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a successful run left: `digest` of the declarations, rows by table."""

    run_id: str
    digest: str
    rows: dict[str, int]


def declarations(project: Path) -> str:
    """Digest of every declaration of the project, and of the code's version."""
    return digest(project, _DECLARATIONS, salt=__version__)


def keep_mark(layout: Layout, domain: Domain, run_id: str, warehouse: Engine) -> None:
    """Remember a successful run of the domain."""
    mark = Mark(run_id=run_id, digest=declarations(layout.project), rows=count_rows(warehouse, domain))
    write_private(_path(layout, domain), json.dumps(asdict(mark)))


def read_mark(layout: Layout, domain: Domain) -> Mark | None:
    """The last successful run of the domain, or null."""
    try:
        return Mark(**json.loads(_path(layout, domain).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def reason_to_run(layout: Layout, domain: Domain, warehouse: Engine, store: Engine) -> str | None:
    """Why the foundation has to run (again), or null when all is as its last successful run left it."""
    mark = read_mark(layout, domain)
    latest = next(iter(FoundationRuns(store).latest(domain.name, limit=1)), None)
    if mark is None or latest is None:
        return "it has not succeeded here yet"
    if latest["run_id"] != mark.run_id or latest["state"] != "success":
        return f"the latest run ({latest['run_id']}) is not the last successful one"
    if mark.digest != declarations(layout.project):
        return "contracts, models, suites or Dags were changed"
    with warehouse.connect() as connection:
        diff = compare_domain(connection, domain)
        connection.rollback()
    if not diff.is_empty:
        return f"the database differs from the contracts:\n{diff.to_text()}"
    rows = count_rows(warehouse, domain)
    changed = sorted(name for name in rows if rows[name] != mark.rows.get(name))
    return f"rows came or went in {', '.join(changed)}" if changed else None


def count_rows(warehouse: Engine, domain: Domain) -> dict[str, int]:
    """Rows by qualified name of each declared table that exists."""
    with warehouse.connect() as connection:
        present = {schema: _tables(connection, schema) for schema in {table.schema for table in domain.tables}}
        return {
            one.qualified_name: connection.execute(
                select(func.count()).select_from(table(one.name, schema=one.schema))
            ).scalar_one()
            for one in domain.tables
            if one.name in present[one.schema]
        }


def _tables(connection: Connection, schema: str) -> set[str]:
    return set(inspect(connection).get_table_names(schema=schema))


def _path(layout: Layout, domain: Domain) -> Path:
    return layout.run / f"foundation-{domain.name}.json"
