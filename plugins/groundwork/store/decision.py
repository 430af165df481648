"""Decisions of specialists.

Grain: one row per decision, never changed; the newest of a kind and subject is the one that holds.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Column, Engine, Float, Index, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.model.decision import Decision, DecisionKind, Option, Verdict
from groundwork.model.errors import ConfigError
from groundwork.store.base import METADATA, moment

_KINDS = "index_design, partition_design, strategy_rule, table_design or change_approval"
DECISION = Table(
    "decision",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False, comment=_KINDS),
    Column("subject", Text, nullable=False, comment="what it is about, e.g. market.orders"),
    Column("specialist", Text, nullable=False),
    Column("options", JSONB, nullable=False),
    Column("evidence", JSONB, nullable=False, comment="schema, statistics and plans; no data value"),
    Column("choice", Text, nullable=False, comment="name of one of the options"),
    Column("reasoning", Text, nullable=False),
    Column("confidence", Float, nullable=False, comment="0 to 1"),
    Column("decided_by", Text, nullable=False, comment="rules, model:<name> or person:<name>"),
    Column("verdicts", JSONB, nullable=False, comment="list of {guardrail, passed, reason}"),
    Column("operation_id", Text, nullable=False),
    Column("run_id", Text),
    moment("decided_at"),
    Index(None, "kind", "subject", "decided_at"),
    Index(None, "decided_at"),
)


class Decisions:
    """Repository of decisions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, decision: Decision) -> uuid.UUID:
        """Keep a decision and return its id; the same id again changes nothing."""
        values = asdict(decision)
        with self._engine.begin() as connection:
            connection.execute(insert(DECISION).values(**values).on_conflict_do_nothing(index_elements=["id"]))
        return decision.id

    def get(self, decision_id: uuid.UUID) -> Decision:
        """One decision.

        Raises: ConfigError when there is none with this id.
        """
        found = self._read(select(DECISION).where(DECISION.c.id == decision_id))
        if not found:
            raise ConfigError("there is no such decision", where="groundwork.decision", found=str(decision_id))
        return found[0]

    def latest(
        self, *, kind: DecisionKind | None = None, subject: str | None = None, limit: int = 50
    ) -> list[Decision]:
        """The newest decisions first, of a kind and a subject or of all."""
        query = select(DECISION).order_by(DECISION.c.decided_at.desc(), DECISION.c.id).limit(limit)
        if kind is not None:
            query = query.where(DECISION.c.kind == kind)
        if subject is not None:
            query = query.where(DECISION.c.subject == subject)
        return self._read(query)

    def _read(self, query: Any) -> list[Decision]:
        with self._engine.connect() as connection:
            return [_decision(dict(row)) for row in connection.execute(query).mappings()]


def _decision(row: Mapping[str, Any]) -> Decision:
    lists = {
        "kind": DecisionKind(row["kind"]),
        "options": tuple(
            Option(**{**each, **{name: tuple(each[name]) for name in ("pros", "cons", "statements")}})
            for each in row["options"]
        ),
        "verdicts": tuple(Verdict(**verdict) for verdict in row["verdicts"]),
    }
    return Decision(**{**row, **lists})
