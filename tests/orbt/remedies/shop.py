"""A shop with customers, orders and lines for tests of data remedies: contracts in a project, tables that lack some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Engine, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.model.fault import Change, Circumstances, Fault
from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.remedy import Scene
from tests.flow.depot import column
from tests.orbt.remedies.fix_scene import scene_on

_PUBLIC: Mapping[str, Any] = {"classification": "public"}
_TABLES: Mapping[str, tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]] = {
    "customers": (
        (column("id", "bigint", key=1, **_PUBLIC), column("name", "text", required=True, classification="restricted")),
        (),
    ),
    "orders": (
        (
            column("id", "bigint", key=1, **_PUBLIC),
            column(
                "customer_id",
                "bigint",
                required=True,
                relationships=[{"type": "foreignKey", "to": "customers.id"}],
                **_PUBLIC,
            ),
            column("code", "text", **_PUBLIC),
            column("amount", "numeric", required=True, **_PUBLIC),
            column("written_at", "timestamptz", **_PUBLIC),
            column("payload", "json"),
        ),
        (
            {"property": "checks", "value": [{"name": "amount_positive", "condition": "amount > 0"}]},
            {"property": "uniqueKeys", "value": [{"name": "orders_code", "columns": ["code"]}]},
            {
                "property": "source",
                "value": {
                    "kind": "file",
                    "path": "orders.csv",
                    "format": "csv",
                    "watermark": {"column": "written_at"},
                },
            },
        ),
    ),
    "lines": (
        (
            column("id", "bigint", key=1, **_PUBLIC),
            column("order_id", "bigint", relationships=[{"type": "foreignKey", "to": "orders.id"}], **_PUBLIC),
            column("item", "text", **_PUBLIC),
        ),
        (),
    ),
}


class ListJournal:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.lines: list[str] = []
        self.asked: list[str] = []

    def will(self, what: str, **facts: Any) -> None:
        """Keep it."""
        self.changes.append(Change(what=what, facts=facts))

    def note(self, report: str) -> None:
        """Keep it."""
        self.lines.append(report)

    def use(self, alternative: Any) -> None:
        """No remedy for data names one."""
        raise AssertionError(alternative)

    def ask_person(self, why: str) -> None:
        """Keep it."""
        self.asked.append(why)

    @property
    def report(self) -> str:
        """All lines."""
        return "\n".join([*self.lines, *self.asked])


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The domain `shop` in a project's folder and in a database."""

    engine: Engine
    project: Path
    domain: Domain

    def table(self, name: str) -> TableContract:
        """A contract."""
        return self.domain.table(name)

    def sql(self, *written: str) -> None:
        """Run statements and commit them together."""
        with self.engine.begin() as connection:
            for statement in written:
                run(connection, statement)

    def rows(self, query: str) -> list[Any]:
        """What a query returns, as tuples."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def image(self, *tables: str) -> dict[str, list[str]]:
        """Every row of these tables as the server prints it, in order of that text."""
        return {
            table: [row[0] for row in self.rows(f"SELECT held::text FROM shop.{table} AS held ORDER BY 1")]
            for table in tables or ("customers", "orders", "lines")
        }

    def constraints(self) -> set[tuple[str, str, bool]]:
        """Table, definition and validity of every constraint."""
        return set(
            self.rows(
                "SELECT conrelid::regclass::text, pg_get_constraintdef(oid), convalidated FROM pg_constraint "
                "WHERE connamespace = 'shop'::regnamespace"
            )
        )

    def held(self) -> list[tuple[str, list[str], Any]]:
        """Table, rules and record of what is held in quarantine, in order."""
        found = self.rows(
            "SELECT table_name, reasons, raw FROM groundwork_flow.quarantine WHERE state = 'held' ORDER BY 1, 3"
        )
        return [(row[0], [each["rule"] for each in row[1]], row[2]) for row in found]

    def scene(self, table: str | None = "shop.orders", **options: Any) -> Scene:
        """A scene about a failure on a table."""
        fault = Fault(fault_class="data_integrity_issues", exception="IntegrityError", message="broken")
        where = Circumstances(engine="postgresql", target="warehouse", table=table)
        return scene_on(self.engine, self.project, fault=fault, circumstances=where, **options)

    def apply(self, name: str, scene: Scene | None = None) -> ListJournal:
        """Apply a remedy by itself, with what it told; raises what it raises."""
        journal = ListJournal()
        remedy(name).apply(scene or self.scene(), journal)
        return journal

    def undo(self, name: str, journal: ListJournal) -> list[str]:
        """Undo what a remedy told, newest first."""
        return [remedy(name).undo(self.scene(), change) for change in reversed(journal.changes)]


def make_shop(engine: Engine, project: Path) -> Shop:
    """Write the contract, make the tables, fill in rows that are right."""
    objects = [
        {
            "name": name,
            "physicalType": "table",
            "logicalType": "object",
            "customProperties": [dict(each) for each in properties],
            "properties": [dict(each) for each in columns],
        }
        for name, (columns, properties) in _TABLES.items()
    ]
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "shop",
        "name": "Shop",
        "version": "1.0.0",
        "status": "active",
        "domain": "shop",
        "customProperties": [{"property": "databaseSchema", "value": "shop"}],
        "schema": objects,
    }
    contracts = project / "governance" / "contracts"
    (contracts / "shop").mkdir(parents=True)
    (contracts / "shop" / "shop.odcs.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    domain = read_domain("shop", contracts)
    shop = Shop(engine=engine, project=project, domain=domain)
    shop.sql(
        *(statement.sql for statement in statements(domain)),
        "INSERT INTO shop.customers SELECT n, 'name ' || n FROM generate_series(1, 5) AS n",
        "INSERT INTO shop.orders SELECT n, n, 'c' || n, n + 0.50, '2026-01-01Z'::timestamptz + n * interval '1 day', "
        """'{"b": 1,  "a": [1, 2]}' FROM generate_series(1, 5) AS n""",
        "INSERT INTO shop.lines SELECT n, 1 + n % 5, 'item ' || n FROM generate_series(1, 10) AS n",
    )
    return shop
