"""A domain of one table for tests of loads: made from a few lines, standing in a real database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Engine, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.books import LoadResult
from groundwork.flow.loads.load import load_table

FILE = "items.csv"


@dataclass(frozen=True, kw_only=True)
class Depot:
    """The table `depot.items` in `engine`, its contract and its source's folder."""

    engine: Engine
    folder: Path
    domain: Domain
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def table(self) -> TableContract:
        """The contract."""
        return self.domain.table("items")

    def write(self, *lines: str) -> Path:
        """The source's file: a header and records."""
        path = self.folder / FILE
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def load(self, *lines: str, **options: Any) -> LoadResult:
        """Write the file when lines are given, and load it."""
        if lines:
            self.write(*lines)
        given = {"project": self.folder, "run_id": "test", **options}
        return load_table(self.engine, self.domain, self.table, **given)

    def rows(self, query: str = "SELECT * FROM depot.items ORDER BY 1, 2") -> Sequence[Any]:
        """What a query returns, as tuples."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def run(self, statement: str) -> None:
        """Run one statement and commit it."""
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def leftovers(self) -> list[str]:
        """Waiting tables and rows of their list that are still there."""
        found = self.rows(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('groundwork_flow') "
            "AND (relname LIKE 'staged\\_%' OR relname LIKE 'rejected\\_%') AND relkind = 'r'"
        )
        return [row[0] for row in found] + [
            str(row) for row in self.rows("SELECT table_name FROM groundwork_flow.staged")
        ]


def column(name: str, physical: str, *, key: int = 0, required: bool = False, **more: Any) -> dict[str, Any]:
    """One column of a contract; `key` is its place in the primary key."""
    logical = {"bigint": "integer", "integer": "integer", "smallint": "integer", "date": "date", "boolean": "boolean"}
    kind = logical.get(physical, "number" if physical.startswith(("numeric", "double", "real")) else "string")
    if physical.startswith("timestamp"):
        kind = "timestamp"
    if physical == "time":
        kind = "time"
    found: dict[str, Any] = {"name": name, "logicalType": kind, "physicalType": physical, **more}
    if key:
        found |= {"primaryKey": True, "primaryKeyPosition": key}
    return found | ({"required": True} if key or required else {})


def make_depot(
    engine: Engine,
    folder: Path,
    columns: Sequence[Mapping[str, Any]],
    *,
    source: Mapping[str, Any],
    properties: Sequence[Mapping[str, Any]] = (),
) -> Depot:
    """Write the contract, make the table, and return the depot."""
    is_file = source.get("kind", "file") == "file"
    given = {"kind": "file", "path": FILE, "format": "csv", **source} if is_file else source
    domain = declared(folder, columns, given, properties)
    with engine.begin() as connection:
        for statement in statements(domain):
            run(connection, statement.sql)
    return Depot(engine=engine, folder=folder, domain=domain)


def declared(
    folder: Path,
    columns: Sequence[Mapping[str, Any]],
    source: Mapping[str, Any],
    properties: Sequence[Mapping[str, Any]] = (),
) -> Domain:
    """The domain `depot` with the table `items` that has this source, and the contract's file below `folder`."""
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "depot",
        "name": "Depot",
        "version": "1.0.0",
        "status": "active",
        "domain": "depot",
        "customProperties": [{"property": "databaseSchema", "value": "depot"}],
        "schema": [
            {
                "name": "items",
                "physicalType": "table",
                "logicalType": "object",
                "customProperties": [{"property": "source", "value": dict(source)}, *properties],
                "properties": [dict(each) for each in columns],
            }
        ],
    }
    place = folder / "contracts" / "depot"
    place.mkdir(parents=True, exist_ok=True)
    (place / "depot.odcs.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return read_domain("depot", folder / "contracts")
