"""Collects the page `Quality`: scores, failing checks and release gates of all domains, or narrowed by a filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from groundwork.model.vocabulary import Dimension
from groundwork.pages.declared import declared_domain, domain_names
from groundwork.pages.findings import latest_findings, latest_releases
from groundwork.pages.quality import latest_quality
from groundwork.pages.quality_view import Filter, QualityPage
from groundwork.pages.sources import Sources, guarded, open_store


def collect_quality(sources: Sources, chosen: Filter) -> QualityPage:
    """The page as of now; never raises for a source that fails. What a filter names and nobody knows is ignored."""
    names = domain_names(sources.contracts)
    known = replace(
        chosen,
        domain=chosen.domain if chosen.domain in names else None,
        dimension=chosen.dimension if chosen.dimension in list(Dimension) else None,
    )
    domains = [known.domain] if known.domain else list(names)
    store = open_store(sources)
    tables = store.read(lambda engine: latest_quality(engine, domains))
    findings = store.read(lambda engine: latest_findings(engine, domains))
    if known.dimension:
        wanted = known.dimension
        measured = tuple(each for each in tables.content or () if wanted in each.dimensions)
        tables = replace(tables, content=measured or None)
        left = tuple(each for each in findings.content or () if each.dimension == wanted)
        findings = replace(findings, content=left)
    if known.only_failing and tables.content:
        tables = replace(tables, content=tuple(each for each in tables.content if each.failed))
    return QualityPage(
        chosen=known,
        domains=names,
        linked=frozenset(_linked(sources, domains)),
        problems=(store.problem,) if store.problem else (),
        tables=tables,
        findings=findings,
        releases=store.read(lambda engine: latest_releases(engine, domains)),
    )


def _linked(sources: Sources, domains: Sequence[str]) -> Iterator[str]:
    """Declared tables; a domain whose contracts cannot be read has none."""
    for name in domains:
        declared = guarded(partial(declared_domain, name, sources.contracts))
        if declared.content is not None:
            yield from (f"{name}.{table.name}" for table in declared.content.tables)
