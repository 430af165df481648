"""Collects the overview: each block by itself, so that one that fails leaves the others standing."""

from __future__ import annotations

from groundwork.pages import evidence, governance
from groundwork.pages.decisions import latest_decisions
from groundwork.pages.declared import count, declared_domain, domain_names
from groundwork.pages.health_page import states
from groundwork.pages.incidents import open_incidents
from groundwork.pages.incidents_page import MaySee
from groundwork.pages.origins import origins
from groundwork.pages.quality import latest_quality
from groundwork.pages.reports import latest_report
from groundwork.pages.sources import Opened, Sources, guarded, open_store, open_warehouse
from groundwork.pages.streams import streams
from groundwork.pages.view import DomainView, Overview
from groundwork.store.base import utc_now


def collect_overview(sources: Sources, may_see: MaySee | None = None) -> Overview:
    """Everything the overview shows, as of now; never raises for a source that fails.

    Incidents of Dags that the reader may not see are left out; `may_see` null is for who may see all.
    """
    store, warehouse = open_store(sources), open_warehouse(sources)
    names = domain_names(sources.contracts)
    return Overview(
        generated_at=utc_now(),
        problems=tuple(opened.problem for opened in (store, warehouse) if opened.problem),
        domains=tuple(_domain(name, sources, store, warehouse) for name in names),
        runs=store.read(evidence.latest_runs),
        quality=store.read(lambda engine: latest_quality(engine, names)),
        origins=origins(sources.contracts, warehouse),
        decisions=store.read(latest_decisions),
        incidents=store.read(lambda engine: open_incidents(engine, may_see)),
        classification=store.read(lambda engine: governance.classification(engine, names)),
        policies=store.read(lambda engine: governance.policies(engine, names)),
        audit=store.read(governance.audit),
        report=store.read(latest_report),
        streams=warehouse.read(streams),
    )


def _domain(name: str, sources: Sources, store: Opened, warehouse: Opened) -> DomainView:
    return DomainView(
        name=name,
        declared=guarded(lambda: count(declared_domain(name, sources.contracts))),
        foundation=store.read(lambda engine: evidence.latest_foundation(engine, name)),
        state=states(sources, store, warehouse, name).get(name),
    )
