"""The answer to Airflow's request about an incident, as its human-in-the-loop operators return it: whose, and recorded.

Told by the request itself, and by the sweep where Airflow lost it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer
from groundwork.operators import connections
from groundwork.operators.incidents.answers import IncidentDesk
from groundwork.settings import STORE_CONNECTION

_log = logging.getLogger(__name__)


def record_answer(incident_id: str, answer: Mapping[str, Any], store_connection_id: str = STORE_CONNECTION) -> bool:
    """Record and audit a person's answer; false, and nothing changed, when the incident was not open any more.

    `answer` is what Airflow's human-in-the-loop operators return. Hours or a remedy that make no sense are replaced by
    the usual ones, because the request cannot be put again.
    """
    desk, known = IncidentDesk(connections.engine(store_connection_id)), uuid.UUID(incident_id)
    decided, person, more = Answer(answer["chosen_options"][0]), person_of(answer), answer.get("params_input") or {}
    remedy, hours = more.get("remedy") or None, more.get("hours")
    try:
        return desk.answer(known, decided, person, remedy=remedy, hours=hours)
    except ConfigError as error:
        _log.warning("%s; the usual is taken", error)
        return desk.answer(known, decided, person)


def person_of(answer: Mapping[str, Any]) -> str:
    """Who answered a human-in-the-loop request, as the audit trail names people."""
    user = answer.get("responded_by_user") or {}
    name = user.get("name") or user.get("id") if isinstance(user, Mapping) else getattr(user, "name", None)
    return f"person:{name or 'unknown'}"
