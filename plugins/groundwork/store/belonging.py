"""Which strikes and incidents belong to a domain: those that name it, and those whose cause it stands on.

A strike names the domain of its task, which is the Dag's id where the task knows none. What failed on a connection that
a domain's tables live on or are loaded from belongs to that domain too, unless it names another declared domain: then
only an incident about the connection itself is shared. What no domain owns is *elsewhere*. A target that was only
guessed is none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, case, func, or_, select

from groundwork.model.incident import Severity
from groundwork.store.incident_list import order
from groundwork.store.incident_table import INCIDENT
from groundwork.store.strike import STRIKE

_OF_TARGET = "target:"  # how the causes of incidents begin that everything shares which uses one target


@dataclass(frozen=True, kw_only=True)
class Estate:
    """A domain with the Airflow connections that it lives on."""

    domain: str
    connections: frozenset[str]


def struck_target() -> ColumnElement[str | None]:
    """The connection id, or `source:…`, that a strike failed on; null when it is not known."""
    is_guessed = STRIKE.c.circumstances["is_target_guessed"].astext == "true"
    return case((func.coalesce(is_guessed, False), None), else_=STRIKE.c.circumstances["target"].astext)


def is_about_target(incident: Mapping[str, Any]) -> bool:
    """Whether an incident (a row of `incident`) is about its target itself, whichever tasks it hits."""
    return str(incident["cause"]).startswith(_OF_TARGET)


class Belongings:
    """Strikes and incidents by whose they are, among the declared domains `estates`."""

    def __init__(self, engine: Engine, estates: Sequence[Estate]) -> None:
        self._engine = engine
        self._estates = estates

    def strikes(self, estate: Estate, *, limit: int) -> list[Mapping[str, Any]]:
        """The newest strikes of a domain; columns of `strike`."""
        query = select(STRIKE).where(self._owns_strike(estate))
        return self._rows(query.order_by(STRIKE.c.id.desc()).limit(limit))

    def incidents(self, estate: Estate, *, limit: int) -> list[Mapping[str, Any]]:
        """The incidents of a domain, in the order of `incident_list`; columns of `incident`."""
        query = select(INCIDENT).where(self._owns_incident(estate))
        return self._rows(query.order_by(*order()).limit(limit))

    def elsewhere_dags(self, since: datetime) -> list[Mapping[str, Any]]:
        """Dags with strikes since then that no domain owns: `dag_id`, `strikes`, `healed`, `escalated`; most first."""
        strikes = func.count().label("strikes")
        outcomes = [
            func.count().filter(STRIKE.c.outcome == outcome).label(outcome) for outcome in ("healed", "escalated")
        ]
        is_owned = or_(False, *map(self._owns_strike, self._estates))
        query = select(STRIKE.c.dag_id, strikes, *outcomes).where(STRIKE.c.struck_at >= since, ~is_owned)
        return self._rows(query.group_by(STRIKE.c.dag_id).order_by(strikes.desc(), STRIKE.c.dag_id))

    def elsewhere_open(self) -> dict[str, int]:
        """Open incidents that no domain owns, by severity, the worst first."""
        is_owned = or_(False, *map(self._owns_incident, self._estates))
        query = select(INCIDENT.c.severity, func.count().label("count")).where(INCIDENT.c.state == "open", ~is_owned)
        found = {row["severity"]: row["count"] for row in self._rows(query.group_by(INCIDENT.c.severity))}
        return {str(name): found[name] for name in reversed(Severity) if name in found}

    def _owns_strike(self, estate: Estate) -> ColumnElement[bool]:
        target = func.coalesce(struck_target(), "")
        is_on_it = and_(target.in_(estate.connections), STRIKE.c.domain.not_in(self._others(estate)))
        return or_(STRIKE.c.domain == estate.domain, is_on_it)

    def _owns_incident(self, estate: Estate) -> ColumnElement[bool]:
        is_shared = or_(INCIDENT.c.cause.startswith(_OF_TARGET), INCIDENT.c.domain.not_in(self._others(estate)))
        is_on_it = func.coalesce(INCIDENT.c.target, "").in_(estate.connections)
        return or_(INCIDENT.c.domain == estate.domain, and_(is_on_it, is_shared))

    def _others(self, estate: Estate) -> Collection[str]:
        return [each.domain for each in self._estates if each.domain != estate.domain]

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
