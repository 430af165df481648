"""Where each table's rows came from: declared sources beside the books of the latest loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.flow.ledger import latest_loads
from groundwork.model.errors import GroundworkError
from groundwork.pages.block import Block
from groundwork.pages.declared import declared_domain, domain_names
from groundwork.pages.sources import Opened
from groundwork.pages.table_view import LoadView, OriginView


def origins(contracts: Path, warehouse: Opened) -> Block[tuple[OriginView, ...]]:
    """Where each table's rows come from; without the warehouse the declarations still show, with the problem."""
    domains = _readable_domains(contracts)
    books = warehouse.read(lambda engine: latest_books(engine, domains))
    found = books.content or {}
    views = tuple(
        OriginView(
            domain=domain.name,
            table=table.name,
            kind=str(table.source.get("kind", "")),
            origin=str(table.source.get("origin") or table.source.get("path") or table.source.get("callable") or ""),
            load=found.get((table.schema, table.name)),
        )
        for domain in domains
        for table in domain.tables
        if table.source is not None
    )
    return Block(content=views or None, problem=books.problem)


def latest_books(warehouse: Engine, domains: Sequence[Domain]) -> dict[tuple[str, str], LoadView]:
    """The books of each table's latest load by (schema, table)."""
    schemas = dict.fromkeys(table.schema for domain in domains for table in domain.tables)
    # groundwork: allow own_session shows what the catalog and the books say of tables, not their rows
    with warehouse.connect() as connection:
        rows = [row for schema in schemas for row in latest_loads(connection, schema)]
    return {(row["schema_name"], row["table_name"]): _load(row) for row in rows}


def _readable_domains(contracts: Path) -> list[Domain]:
    """The domains whose contracts can be read; the others tell their problem in their own card."""
    found = []
    for name in domain_names(contracts):
        try:
            found.append(declared_domain(name, contracts))
        except GroundworkError:
            continue
    return found


def _load(row: Mapping[str, Any]) -> LoadView:
    names = ("state", "read", "loaded", "updated", "unchanged", "quarantined", "duplicates", "finished_at")
    return LoadView(**{name: row[name] for name in names})
