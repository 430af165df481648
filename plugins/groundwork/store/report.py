"""Stored reports: what was told to people, when, about which domain.

Grain: one row per domain, kind and day; a report made again on the same day replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Column, Date, Engine, Table, Text, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.store.base import METADATA, identity, moment

REPORT = Table(
    "report",
    METADATA,
    identity(),
    Column("domain", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="daily"),
    Column("report_date", Date, nullable=False),
    Column("markdown", Text, nullable=False),
    Column("html", Text, comment="the same as a document of its own, for mail; null for kinds that are not sent"),
    Column("fields", JSONB, nullable=False, comment="the report as data, by the names of the daily report"),
    moment("created_at"),
    UniqueConstraint("domain", "kind", "report_date"),
)


class Reports:
    """Repository of stored reports."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(
        self,
        *,
        domain: str,
        kind: str,
        report_date: date,
        markdown: str,
        fields: Mapping[str, Any],
        html: str | None = None,
    ) -> None:
        """Store a report, in place of the one of the same day."""
        statement = insert(REPORT).values(
            domain=domain, kind=kind, report_date=report_date, markdown=markdown, html=html, fields=dict(fields)
        )
        replacing = statement.on_conflict_do_update(
            index_elements=["domain", "kind", "report_date"],
            set_={column: statement.excluded[column] for column in ("markdown", "html", "fields", "created_at")},
        )
        with self._engine.begin() as connection:
            connection.execute(replacing)

    def latest(self, domain: str | None = None, kind: str = "daily") -> Mapping[str, Any] | None:
        """The newest report of a domain (or of any), or null when there is none."""
        query = select(REPORT).where(REPORT.c.kind == kind).order_by(REPORT.c.report_date.desc(), REPORT.c.id.desc())
        if domain is not None:
            query = query.where(REPORT.c.domain == domain)
        with self._engine.connect() as connection:
            row = connection.execute(query.limit(1)).mappings().first()
        return dict(row) if row else None
