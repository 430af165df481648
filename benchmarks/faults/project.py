"""The project of a run: contracts of a small shop, the repository's patterns and policies, and a replica declared."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "shop"


def _column(
    name: str, logical: str, physical: str, *, key: bool = False, required: bool = False, **more: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "logicalType": logical,
        "physicalType": physical,
        "classification": "internal",
    }
    if key:
        found |= {"primaryKey": True, "primaryKeyPosition": 1}
    return found | ({"required": True} if key or required else {}) | more


def _order_columns() -> list[dict[str, Any]]:
    return [
        _column("id", "integer", "bigint", key=True),
        _column("customer", "integer", "integer", required=True),
        _column("quantity", "integer", "integer", required=True, logicalTypeOptions={"minimum": 1}),
        _column("price", "number", "numeric(10,2)", required=True),
        _column("note", "string", "text"),
    ]


def _table(
    name: str, columns: list[dict[str, Any]], source: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "physicalType": "table", "properties": columns, **more}
    if source is not None:
        found["customProperties"] = [{"property": "source", "value": source}]
    return found


def contract() -> dict[str, Any]:
    """The shop: `orders` from a file, `archived` from a packed file, `quotes` from an API, the others made by tasks."""
    bounds = {"quarantine": {"stop_above": "5 %"}}
    api = {
        "kind": "http",
        "connection": "shop_api",
        "path": "/quotes",
        "records": "/data",
        "retries": 0,
        "timeout_seconds": 3,
        "mode": "merge",
        "pagination": {"kind": "offset", "param": "offset", "size_param": "limit", "size": 500},
    }
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "shop-sales",
        "name": "Shop",
        "version": "1.0.0",
        "status": "active",
        "domain": DOMAIN,
        "team": {"name": "sales"},
        "slaProperties": [{"property": "freshness", "value": 1, "unit": "d", "element": "orders"}],
        "customProperties": [{"property": "databaseSchema", "value": DOMAIN}],
        "schema": [
            _table(
                "orders",
                _order_columns(),
                {"kind": "file", "path": "data/orders.csv", "format": "csv", "mode": "merge", **bounds},
            ),
            _table(
                "archived",
                _order_columns(),
                {
                    "kind": "file",
                    "path": "data/archived.csv.gz",
                    "format": "csv",
                    "compression": "gzip",
                    "mode": "merge",
                    **bounds,
                },
            ),
            _table("quotes", _order_columns(), api),
            _table(
                "customers",
                [
                    _column("id", "integer", "integer", key=True),
                    _column("email", "string", "text", required=True, unique=True),
                    _column("changed_at", "timestamp", "timestamptz", required=True),
                ],
                {
                    "kind": "file",
                    "path": "data/customers.csv",
                    "format": "csv",
                    "mode": "merge",
                    "watermark": {"column": "changed_at"},
                },
            ),
            _table(
                "invoices",
                [
                    _column("id", "integer", "integer", key=True),
                    _column("customer", "integer", "integer", required=True),
                    _column("amount", "number", "numeric(8,2)", required=True, logicalTypeOptions={"minimum": 0}),
                ],
                relationships=[{"from": ["invoices.customer"], "to": ["customers.id"]}],
            ),
            _table(
                "sales",
                [
                    _column("id", "integer", "bigint", key=True),
                    _column("reference", "string", "text", required=True),
                    _column("kind", "string", "text", required=True),
                    _column("amount", "number", "numeric(10,2)", required=True),
                ],
            ),
            _table(
                "kinds",
                [_column("id", "integer", "bigint", key=True), _column("kind", "string", "text", required=True)],
            ),
        ],
    }


def make_project(folder: Path) -> Path:
    """Write the project below `folder`; its patterns and policies are the repository's own, waiting and all."""
    governance = folder / "governance"
    shutil.copytree(ROOT / "governance" / "patterns", governance / "patterns")
    shutil.copytree(ROOT / "governance" / "policies", governance / "policies")
    write_contract(governance / "contracts")
    (folder / "data").mkdir()
    yaml = YAML(typ="safe", pure=True)
    with (governance / "policies" / "alternatives.yaml").open("w", encoding="utf-8") as sink:
        yaml.dump(_alternatives(), sink)
    _hasten(governance / "policies" / "remedies.yaml")
    return folder


def write_contract(contracts: Path) -> None:
    """Write the shop's contract below the folder of contracts."""
    (contracts / DOMAIN).mkdir(parents=True)
    with (contracts / DOMAIN / "shop.odcs.yaml").open("w", encoding="utf-8") as sink:
        YAML(typ="safe", pure=True).dump(contract(), sink)


def _hasten(policy: Path) -> None:
    """Let a forgotten session of ours count as one at once: the server knows nothing of waiting that is not slept.

    A remedy that hangs is stopped after seconds, so that the suite need not wait for minutes.
    """
    yaml = YAML(typ="safe", pure=True)
    declared = yaml.load(policy.read_text(encoding="utf-8"))
    declared["remedies"]["end_blockers"]["settings"]["idle_seconds"] = 0.2
    declared["remedies"].setdefault("analyze_tables", {})["seconds"] = 12
    with policy.open("w", encoding="utf-8") as sink:
        yaml.dump(declared, sink)


def _alternatives() -> dict[str, Any]:
    """A replica for what only reads, and another server for what writes where Airflow has a connection to one."""
    return {
        "kind": "alternatives",
        "version": "1.0.0",
        "connections": {
            "warehouse": {"replica": "warehouse_replica", "fallback": "warehouse_fallback", "max_lag_seconds": 600}
        },
        "tables": {},
        "readers": ["shop_day.read"],
        "responses": {"max_age_hours": 72},
    }
