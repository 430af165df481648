"""Recording what people decide about incidents, wherever they say it: Airflow's request, a page, the command line.

The store takes the first answer; every later one is told that it came too late. Every step is audited.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer
from groundwork.orbt.incidents.escalation import remedies_of
from groundwork.orbt.incidents.escalation_in_force import escalation_policy_in_force
from groundwork.orbt.redaction import redact
from groundwork.settings import Settings
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.orbt.patterns import Patterns
    from groundwork.store.incident_reopening import Reopening

MOST_SIGNS = 2000  # of a comment or a reason: what is longer belongs to a document that it names
MOST_HOURS = 30 * 24  # of a silence: what is longer is a decision about the pattern
_REVIEW = ("what_happened", "cause", "changed")


class IncidentDesk:
    """What people do with the incidents of one store. Raises ConfigError for an incident that nobody knows."""

    def __init__(self, store: Engine, patterns: Patterns | None = None) -> None:
        self._incidents = Incidents(store)
        self._audit = AuditTrail(store)
        self._patterns = patterns

    def answer(
        self, incident_id: uuid.UUID, answer: Answer, person: str, *, remedy: str | None = None, hours: Any = None
    ) -> bool:
        """Record a decision; false, and nothing changed, when the incident was answered or closed before.

        `remedy` is for run_remedy (left out: the first that the pattern names), `hours` for silence.
        Raises: ConfigError when this incident does not offer the answer, the remedy is none of the pattern's, the hours
        are no sensible number, or either comes with another answer.
        """
        incident = self._incidents.get(incident_id)
        _require_offered(incident, answer)
        _require_fitting(answer, remedy=remedy, hours=hours)
        details: dict[str, Any] = {}
        if answer is Answer.RUN_REMEDY:
            details["remedy"] = self._remedy(incident, remedy)
        if answer is Answer.SILENCE:
            details["silenced_until"] = until(hours)
        is_new = self._incidents.answer(incident_id, answer, person, **details)
        if is_new:
            self._record(person, "incident_answered", incident, answer=answer.value, **details)
        return is_new

    def acknowledge(self, incident_id: uuid.UUID, person: str) -> bool:
        """Say that somebody looks at it; false when that is needless."""
        return self._done(
            self._incidents.acknowledge(incident_id, person), person, "incident_acknowledged", incident_id
        )

    def resolve(self, incident_id: uuid.UUID, person: str, because: str) -> bool:
        """Close it by hand, answered or not; false when it was closed. Raises: ConfigError when no reason is given."""
        if not because.strip():
            raise ConfigError(
                "an incident is closed for a reason", where=str(incident_id), expected="a sentence", found="nothing"
            )
        why = told_text(because, "a reason", where=str(incident_id))
        done = self._incidents.resolve(incident_id, f"resolved by hand: {why}", person)
        return self._done(done, person, "incident_resolved", incident_id, because=why)

    def reopen(self, incident_id: uuid.UUID, person: str, because: str) -> Reopening:
        """Open a closed incident again; not done when it is not over or another one of its cause is open.

        Raises: ConfigError when no reason is given, or one that is too long.
        """
        why = told_text(because, "a reason", where=str(incident_id))
        done = self._incidents.reopen(incident_id, why, person)
        self._done(done.is_done, person, "incident_reopened", incident_id, because=why)
        return done

    def comment(self, incident_id: uuid.UUID, person: str, text: str) -> bool:
        """Put a comment on the timeline; false when the same person said the same last.

        Raises: ConfigError when it says nothing or is too long.
        """
        told = told_text(text, "a comment", where=str(incident_id))
        done = self._incidents.comment(incident_id, told, person)
        return self._done(done, person, "incident_commented", incident_id, comment=told)

    def silence(self, incident_id: uuid.UUID, person: str, hours: Any) -> bool:
        """Open nothing new for its cause for so many hours, 0 ends it; an open incident is answered by that."""
        if self._incidents.get(incident_id)["state"] == "open":
            return self.answer(incident_id, Answer.SILENCE, person, hours=hours)
        end = None if hours == 0 else until(hours)
        done = self._incidents.silence(incident_id, end, person)
        return self._done(done, person, "incident_silenced", incident_id, until=str(end))

    def review(self, incident_id: uuid.UUID, person: str, review: Mapping[str, str]) -> bool:
        """Keep what happened, why, and what is changed; false when it is not over or says so already.

        Raises: ConfigError when one of the three is missing.
        """
        told = {name: str(review.get(name) or "").strip() for name in _REVIEW}
        missing = [name for name, text in told.items() if not text]
        if missing:
            raise ConfigError(
                "a review says all three", where=str(incident_id), expected=", ".join(_REVIEW), found=f"no {missing[0]}"
            )
        done = self._incidents.review(incident_id, told, person)
        return self._done(done, person, "incident_reviewed", incident_id, **told)

    def _remedy(self, incident: Mapping[str, Any], wanted: str | None) -> str:
        named = remedies_of(self._known_patterns().named(incident["fault_class"]))
        if not named or (wanted is not None and wanted not in named):
            raise ConfigError(
                "the pattern of this incident names no such remedy",
                where=f"governance/patterns/{incident['fault_class']}.yaml",
                expected=", ".join(named) or "a remedy",
                found=wanted or "none",
                next_step="choose one of them, or another answer",
            )
        return wanted or named[0]

    def _known_patterns(self) -> Patterns:
        from groundwork.orbt.patterns import patterns_in_force

        return self._patterns or patterns_in_force(Settings.from_environment().project / "governance" / "patterns")

    def _done(self, is_new: bool, person: str, action: str, incident_id: uuid.UUID, **details: Any) -> bool:
        if is_new:
            self._record(person, action, self._incidents.get(incident_id), **details)
        return is_new

    def _record(self, person: str, action: str, incident: Mapping[str, Any], **details: Any) -> None:
        told = {name: str(value) for name, value in details.items()}
        known = {"incident_id": str(incident["id"]), "affected": incident["affected"], **told}
        self._audit.append(actor=person, action=action, subject=incident["subject"], details=known)


def _require_offered(incident: Mapping[str, Any], answer: Answer) -> None:
    """What is offered is known from the moment on when a person is asked."""
    offered = (incident["progress"].get("offered") or {}).get("answers")
    if incident["state"] == "open" and offered is not None and answer not in offered:
        raise ConfigError(
            "this incident does not offer that answer",
            where=str(incident["id"]),
            expected=", ".join(offered),
            found=answer.value,
            next_step=f"groundwork incidents show {str(incident['id'])[:8]}",
        )


def _require_fitting(answer: Answer, **given: Any) -> None:
    belongs_to = {"remedy": Answer.RUN_REMEDY, "hours": Answer.SILENCE}
    for name, value in given.items():
        if value not in (None, "") and answer is not belongs_to[name]:
            raise ConfigError(
                f"`{name}` belongs to another answer",
                where=name,
                expected=f"{belongs_to[name].value}, or no {name}",
                found=answer.value,
            )


def told_text(text: str, what: str, *, where: str) -> str:
    """What a person wrote for the timeline: no secrets, no signs that steer a terminal; line breaks stay.

    Raises: ConfigError when nothing is left of it or it is longer than `MOST_SIGNS`.
    """
    lines = ("".join(sign if sign.isprintable() else " " for sign in line).rstrip() for line in text.splitlines())
    told = "\n".join(lines).strip()
    if not told or len(told) > MOST_SIGNS:
        raise ConfigError(
            f"{what} is a text",
            where=where,
            expected=f"1 to {MOST_SIGNS} characters",
            found=f"{len(told)} characters",
        )
    return redact(told)


def until(hours: Any) -> datetime:
    """The end of a silence that begins now; null hours are those of the policy.

    Raises: ConfigError when it is no number above 0 and at most `MOST_HOURS`.
    """
    try:
        number = float(hours) if hours not in (None, "") else _usual_hours()
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number <= MOST_HOURS:
        raise ConfigError(
            "a silence is measured in hours", where="hours", expected=f"above 0, at most {MOST_HOURS}", found=hours
        )
    return utc_now() + timedelta(hours=number)


def _usual_hours() -> float:
    return escalation_policy_in_force(Settings.from_environment().policies).silence_hours
