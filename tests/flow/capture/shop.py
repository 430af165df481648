"""A shop whose tables lie in one schema and are kept, by a stream, in another of the same database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import URL, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.capture.consume import Consumed, consume
from groundwork.flow.capture.declaration import Stream, declared_stream
from tests.fix_postgres import Database
from tests.patience import until

SOURCE = """
CREATE SCHEMA origin;
CREATE TABLE origin.customer (id bigint PRIMARY KEY, mail text, nation char(2), since timestamptz, tags text[]);
CREATE TABLE origin.purchase (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES origin.customer
  ON UPDATE CASCADE ON DELETE CASCADE, amount numeric(12, 2), note text);
"""
AT_WORK = """
SELECT (SELECT count(*) FROM pg_replication_slots WHERE active AND database = current_database())
     + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
Source = Mapping[str, Any]


def contract(customers: Source | None = None, purchases: Source | None = None) -> dict[str, Any]:
    """The contract of the kept tables; the values are added to what each `source` declares."""
    customer = {
        "kind": "stream",
        "connection": "shop_db",
        "table": "origin.customer",
        "columns": {"customer_id": "id", "email": "mail", "country": "nation", "since_at": "since", "tags": "tags"},
        **(customers or {}),
    }
    purchase = {
        "kind": "stream",
        "connection": "shop_db",
        "table": "origin.purchase",
        "columns": {"order_id": "id", "customer_id": "customer_id", "amount": "amount", "note": "note"},
        **(purchases or {}),
    }
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "shop-kept",
        "name": "Shop",
        "version": "1.0.0",
        "status": "active",
        "domain": "shop",
        "customProperties": [{"property": "databaseSchema", "value": "shop"}],
        "schema": [
            {
                "name": "customers",
                "physicalType": "table",
                "customProperties": [{"property": "source", "value": customer}],
                "properties": [
                    _column("customer_id", "bigint", primaryKey=True, primaryKeyPosition=1, required=True),
                    _column("email", "text", unique=True),
                    _column("country", "char(2)", quality=[_countries()]),
                    _column("since_at", "timestamptz"),
                    _column("tags", "text[]", logical="array", items={"logicalType": "string", "physicalType": "text"}),
                    _column("gone", "boolean"),
                ],
            },
            {
                "name": "orders",
                "physicalType": "table",
                "customProperties": [{"property": "source", "value": purchase}],
                "properties": [
                    _column("order_id", "bigint", primaryKey=True, primaryKeyPosition=1, required=True),
                    _column(
                        "customer_id",
                        "bigint",
                        required=True,
                        relationships=[{"type": "foreignKey", "to": "customers.customer_id"}],
                    ),
                    _column("amount", "numeric(12,2)", logicalTypeOptions={"minimum": 0}),
                    _column("note", "text"),
                ],
            },
        ],
    }


def _countries() -> dict[str, Any]:
    return {"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["DE", "FR", "IT"]}}


def _column(name: str, kind: str, *, logical: str | None = None, **more: Any) -> dict[str, Any]:
    logical_type = {"bigint": "integer", "numeric(12,2)": "number", "boolean": "boolean", "timestamptz": "timestamp"}
    return {"name": name, "physicalType": kind, "logicalType": logical or logical_type.get(kind, "string"), **more}


@dataclass(kw_only=True)
class Shop:
    """The two schemas and the stream between them."""

    database: Database
    folder: Path
    url: URL
    domain: Domain = field(init=False)

    def __post_init__(self) -> None:
        self.declare()
        self.run(*SOURCE.split(";\n"))
        with self.database.engine.begin() as connection:
            for statement in statements(self.domain):
                run(connection, statement.sql)

    def declare(self, customers: Source | None = None, purchases: Source | None = None) -> None:
        """Write the contract anew."""
        self._declare(contract(customers, purchases))

    def declare_history(self, source: Source, *, alone: bool = True) -> None:
        """Write a contract with a table that keeps every change of a customer, alone or beside the others."""
        document = contract()
        kinds = {"at": "timestamptz", "what": "text", "customer_id": "bigint", "email": "text", "number": "bigint"}
        history = {
            "name": "history",
            "physicalType": "table",
            "customProperties": [{"property": "source", "value": source}],
            "properties": [_column(name, kind) for name, kind in kinds.items()],
        }
        document["schema"] = [*([] if alone else document["schema"]), history]
        self._declare(document)

    def _declare(self, document: Mapping[str, Any]) -> None:
        place = self.folder / "shop" / "shop.odcs.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(yaml.safe_dump(document), encoding="utf-8")
        self.domain = read_domain("shop", self.folder)

    @property
    def stream(self) -> Stream:
        """The stream as it is declared."""
        return declared_stream(self.domain, "shop_db")

    def drain(self, **options: Any) -> Consumed:
        """Consume until everything that is committed now is told, and the server knows that nobody is at work."""
        options = {"run_id": "test", "seconds": 240, "until_caught_up": True, **options}
        done = consume(self.stream, self.url, self.database.engine, self.domain, **options)
        until(lambda: self.value(AT_WORK) == 0, "the end of the consumer's sessions")
        return done

    def run(self, *statements: str) -> None:
        """Run statements in one transaction."""
        with self.database.engine.begin() as connection:
            for statement in statements:
                if statement.strip():
                    connection.exec_driver_sql(statement)

    def rows(self, query: str) -> Sequence[Any]:
        """What a query returns, as tuples."""
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def value(self, query: str) -> Any:
        """The one value of a query."""
        return self.rows(query)[0][0]

    @property
    def slot(self) -> str:
        """The name that the stream has in its source."""
        return str(self.value("SELECT slot FROM groundwork_flow.stream"))

    def differences(self) -> list[tuple[Any, ...]]:
        """Rows that one side has and the other has not."""
        return [
            *self.differences_of_customers(),
            *self.rows(
                "(SELECT id, customer_id, amount, note FROM origin.purchase EXCEPT "
                "SELECT order_id, customer_id, amount, note FROM shop.orders) UNION ALL "
                "(SELECT order_id, customer_id, amount, note FROM shop.orders EXCEPT "
                "SELECT id, customer_id, amount, note FROM origin.purchase)"
            ),
        ]

    def differences_of_customers(self) -> list[tuple[Any, ...]]:
        """The same, of the customers alone."""
        return list(
            self.rows(
                "(SELECT id, mail, nation, since, tags FROM origin.customer EXCEPT "
                "SELECT customer_id, email, country, since_at, tags FROM shop.customers) UNION ALL "
                "(SELECT customer_id, email, country, since_at, tags FROM shop.customers EXCEPT "
                "SELECT id, mail, nation, since, tags FROM origin.customer)"
            )
        )

    def remove(self) -> None:
        """Take away what the stream has in its source: a slot would keep the database from being dropped."""
        with self.database.server.connect(self.database.name) as connection:
            slots = connection.execute(
                "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = current_database()"
            ).fetchall()
            for slot, pid in slots:
                if pid is not None:
                    connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
                connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
