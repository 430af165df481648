"""What the store holds that an alarm can be about, read in bounded pieces; owns no table.

Every reader gives rows of the tables they come from. What is older than `since` is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, func, select

from groundwork.store.api_usage import API_USAGE
from groundwork.store.audit import AUDIT_EVENT
from groundwork.store.policy_verdict import POLICY_VERDICT
from groundwork.store.quality import CHECK_RESULT, QUALITY_SCORE
from groundwork.store.strike import STRIKE

_MOST = 5_000  # rows of one kind that a scan looks at, the newest
_SCORES = 31  # measurements per table: the newest and what it is compared with


class AlarmFacts:
    """Reader of facts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def failed_verdicts(self, since: datetime) -> list[Mapping[str, Any]]:
        """Policy verdicts that failed in the newest run of each domain; columns of `policy_verdict`."""
        column = POLICY_VERDICT.c
        newest = (
            select(column.domain, column.run_id)
            .where(column.judged_at >= since)
            .distinct(column.domain)
            .order_by(column.domain, column.id.desc())
            .subquery()
        )
        same = (column.domain == newest.c.domain) & (column.run_id == newest.c.run_id)
        query = select(POLICY_VERDICT).join(newest, same).where(column.is_passed.is_(False))
        return self._rows(query.order_by(column.id.desc()).limit(_MOST))

    def failed_checks(self, since: datetime) -> list[Mapping[str, Any]]:
        """Checks that failed at their newest measurement; columns of `check_result`."""
        column = CHECK_RESULT.c
        newest = (
            select(func.max(column.id).label("id"))
            .where(column.checked_at >= since)
            .group_by(column.domain, column.check_id, column.stage)
            .subquery()
        )
        query = select(CHECK_RESULT).join(newest, column.id == newest.c.id).where(column.is_passed.is_(False))
        return self._rows(query.order_by(column.id.desc()).limit(_MOST))

    def scores(self, since: datetime) -> dict[tuple[str, str, str], list[Mapping[str, Any]]]:
        """The newest measurements of each table that was measured since then, oldest first.

        The key is domain, schema and table; columns of `quality_score`. What is older than `since` is there as what
        the newest is compared with.
        """
        column = QUALITY_SCORE.c
        key = (column.domain, column.schema_name, column.table_name)
        place = func.row_number().over(partition_by=key, order_by=column.id.desc()).label("place")
        ranked = select(QUALITY_SCORE, place).where(column.stage != "before_load").subquery()
        query = select(ranked).where(ranked.c.place <= _SCORES).order_by(ranked.c.id.desc()).limit(_MOST * 4)
        found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for row in reversed(self._rows(query)):
            found.setdefault((row["domain"], row["schema_name"], row["table_name"]), []).append(row)
        return {name: rows for name, rows in found.items() if rows[-1]["scored_at"] >= since}

    def audited(self, actions: Sequence[str], since: datetime) -> list[Mapping[str, Any]]:
        """Events of the audit trail with one of these actions, newest first; columns of `audit_event`."""
        column = AUDIT_EVENT.c
        query = select(AUDIT_EVENT).where(column.action.in_(actions), column.occurred_at >= since)
        return self._rows(query.order_by(column.sequence.desc()).limit(_MOST))

    def rows_read(self, since: date) -> list[Mapping[str, Any]]:
        """Rows that each key of the data API was given per day: usage_date, key_id, row_count; oldest first."""
        column = API_USAGE.c
        total = func.sum(column.row_count).label("row_count")
        query = select(column.usage_date, column.key_id, total).where(column.usage_date >= since)
        return self._rows(query.group_by(column.usage_date, column.key_id).order_by(column.usage_date, column.key_id))

    def strikes(self, since: datetime) -> list[Mapping[str, Any]]:
        """Strikes since then, newest first; columns of `strike`."""
        query = select(STRIKE).where(STRIKE.c.struck_at >= since).order_by(STRIKE.c.id.desc()).limit(_MOST)
        return self._rows(query)

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
