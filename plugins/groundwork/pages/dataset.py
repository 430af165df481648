"""Collects the page of one dataset: its quality, its loads with their books, its quarantine, its freshness.

Records in quarantine are shown as they came, unmasked, only to who may see Airflow's connections: with these everything
in the warehouse can be read anyway. Everybody else sees how many there are and why.
"""

# groundwork: allow-file own_session shows what the catalog and the books say of tables, not their rows

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, func, select, true

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.flow.ledger import LOAD, QUARANTINE
from groundwork.model.vocabulary import CheckKind
from groundwork.pages.declared import declared_domain
from groundwork.pages.findings import latest_findings
from groundwork.pages.health_page import states
from groundwork.pages.quality import latest_quality
from groundwork.pages.quality_view import BooksView, DatasetPage, FreshnessView, QuarantineView, RejectedView
from groundwork.pages.sources import Sources, open_store, open_warehouse
from groundwork.pages.table_view import QualityView
from groundwork.store.base import utc_now

_LOADS = 20
_RECORDS = 20
_BOOKS = (
    *("load_id", "run_id", "source", "mode", "state", "read", "loaded", "updated", "unchanged", "quarantined"),
    *("duplicates", "started_at", "finished_at"),
)


def collect_dataset(sources: Sources, domain_name: str, table_name: str, *, with_raw: bool) -> DatasetPage:
    """The page of a declared table; never raises for a database that fails.

    Raises: ConfigError when the domain's contracts cannot be read or declare no such table.
    """
    domain = declared_domain(domain_name, sources.contracts)
    table = domain.table(table_name)
    store, warehouse = open_store(sources), open_warehouse(sources)
    return DatasetPage(
        domain=domain_name,
        schema=table.schema,
        table=table.name,
        description=table.description,
        problems=tuple(opened.problem for opened in (store, warehouse) if opened.problem),
        is_raw_shown=with_raw,
        quality=store.read(lambda engine: _quality(engine, domain_name, table)),
        findings=store.read(
            lambda engine: latest_findings(engine, [domain_name], table=table.name, only_failing=False)
        ),
        loads=warehouse.read(lambda engine: loads(engine, table)),
        quarantine=warehouse.read(lambda engine: quarantine(engine, table, with_raw=with_raw)),
        freshness=warehouse.read(lambda engine: freshness(engine, domain, table)),
        state=states(sources, store, warehouse, domain_name).get(table.qualified_name),
    )


def loads(warehouse: Engine, table: TableContract) -> tuple[BooksView, ...]:
    """The books of the newest loads, newest first; drills are left out."""
    with warehouse.connect() as connection:
        if not _has_ledger(connection):
            return ()
        query = (
            select(*(LOAD.c[name] for name in _BOOKS))
            .where(LOAD.c.schema_name == table.schema, LOAD.c.table_name == table.name, ~LOAD.c.is_trial)
            .order_by(LOAD.c.load_id.desc())
            .limit(_LOADS)
        )
        return tuple(BooksView(**row) for row in connection.execute(query).mappings())


def quarantine(warehouse: Engine, table: TableContract, *, with_raw: bool) -> QuarantineView | None:
    """What the table's quarantine holds and nobody settled; null when that is nothing.

    Without `with_raw` no record is even read.
    """
    rejected = QUARANTINE.c
    ours = (
        (rejected.schema_name == table.schema)
        & (rejected.table_name == table.name)
        & ~rejected.is_trial
        & (rejected.state == "held")
    )
    reason = func.jsonb_array_elements(rejected.reasons).table_valued("value", name="reason").render_derived()
    rule, column = reason.c.value.op("->>")("rule"), reason.c.value.op("->>")("column")
    with warehouse.connect() as connection:
        if not _has_ledger(connection):
            return None
        total = connection.execute(select(func.count()).select_from(QUARANTINE).where(ours)).scalar_one()
        counted = (
            select(rule.label("rule"), column.label("column"), func.count(func.distinct(rejected.quarantine_id)))
            .select_from(QUARANTINE.join(reason, onclause=true()))
            .where(ours)
            .group_by(rule, column)
            .order_by(func.count(func.distinct(rejected.quarantine_id)).desc())
        )
        reasons: Sequence[Any] = connection.execute(counted).all() if total else []
        shown = [rejected.load_id, rejected.position, rejected.reasons, rejected.created_at]
        newest = select(*shown, *([rejected.raw] if with_raw else [])).where(ours)
        shortened = newest.order_by(rejected.quarantine_id.desc()).limit(_RECORDS)
        rows = [dict(row) for row in connection.execute(shortened).mappings()]
    if not total:
        return None
    return QuarantineView(
        total=int(total),
        reasons=tuple((_label(str(row[0]), row[1]), int(row[2])) for row in reasons),
        newest=tuple(_rejected(row, with_raw=with_raw) for row in rows),
    )


def freshness(warehouse: Engine, domain: Domain, table: TableContract) -> FreshnessView:
    """The age of the last load beside what the contract promises."""
    checks: Sequence[Any] = derive_checks(domain).of_table(table.schema, table.name)
    promised = next((c.arguments["maximum_age_seconds"] for c in checks if c.kind is CheckKind.FRESHNESS), None)
    newest = next((load for load in loads(warehouse, table) if load.finished_at and load.state == "finished"), None)
    age = (utc_now() - newest.finished_at).total_seconds() if newest and newest.finished_at else None
    return FreshnessView(
        promised_seconds=None if promised is None else float(promised), age_seconds=age, subject="last load"
    )


def _quality(store: Engine, domain: str, table: TableContract) -> QualityView | None:
    return next((view for view in latest_quality(store, [domain]) or () if view.table == table.name), None)


def _has_ledger(connection: Connection) -> bool:
    names = (LOAD.fullname, QUARANTINE.fullname)
    return all(connection.execute(select(*(func.to_regclass(name).is_not(None) for name in names))).one())


def _label(rule: str, column: str | None) -> str:
    return f"{column}: {rule}" if column else rule


def _rejected(row: Mapping[str, Any], *, with_raw: bool) -> RejectedView:
    return RejectedView(
        load_id=row["load_id"],
        position=row["position"],
        reasons=tuple(_label(str(each.get("rule")), each.get("column")) for each in row["reasons"]),
        raw=row["raw"] if with_raw else None,
        created_at=row["created_at"],
    )
