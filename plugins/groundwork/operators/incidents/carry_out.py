"""What a person decided about an incident, done: each step once, though the task that does it is tried again.

Before a step its intent is kept in the incident's `progress`, after it what it did; a repeated call goes on where the
one before stopped.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.model.fault import Answer
from groundwork.operators import connections
from groundwork.operators.incidents.incident_means import choose_alternative, last_strikes, run_remedy, task_try_of_row
from groundwork.operators.incidents.task_instances import count_as_done, run_again
from groundwork.settings import STORE_CONNECTION

if TYPE_CHECKING:
    from groundwork.orbt.response import Responder
    from groundwork.store.incident import Incidents

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """One incident that is being carried out; `keep` remembers a step.

    Remedies renew the engines of this process, so that none is held here.
    """

    incident: Mapping[str, Any]
    responder: Responder

    @property
    def incidents(self) -> Incidents:
        from groundwork.store.incident import Incidents

        return Incidents(self.responder.store())

    def keep(self, step: str, facts: Any) -> None:
        self.incidents.progress(self.incident["id"], step, facts)

    @property
    def person(self) -> str:
        return str(self.incident["answered_by"])

    def strikes(self) -> list[Mapping[str, Any]]:
        from groundwork.store.strike import Strikes

        return last_strikes(self.incident, Strikes(self.responder.store()).of_incident(self.incident))

    def resolve(self, what: str) -> str:
        self.incidents.resolve(self.incident["id"], what, self.person)
        return what


def carry_out(incident_id: str, store_connection_id: str = STORE_CONNECTION) -> str:
    """Do what the person decided; what was done, for people. Safe to repeat: what was done is not done again.

    Raises: ConfigError when nobody has decided or Airflow refuses to run the failed tasks again; RetriableError when
    Airflow does not answer. The incident then stays answered.
    """
    from groundwork.operators.retry_policy import StrikePolicy
    from groundwork.store.incident import Incidents

    incidents = Incidents(connections.engine(store_connection_id))
    incident = incidents.get(uuid.UUID(incident_id))
    if incident["state"] == "resolved":
        incidents.settled(incident["id"])
        tell(incident_id, "resolved", store_connection_id)
        return "the incident was resolved meanwhile; nothing was done"
    if incident["answer"] is None:
        raise ConfigError("nobody has decided about this incident", where=incident_id, found=incident["state"])
    tell(incident_id, "answered", store_connection_id)
    responder = StrikePolicy(store_connection_id=store_connection_id).responder()
    work = _Work(incident=incident, responder=responder)
    done: str | None = incident["progress"].get("done")
    if done is None:
        done = _done(work)
        work.keep("done", done)
        if all(line["what"] != done for line in work.incidents.get(incident["id"])["timeline"]):
            work.incidents.note(incident["id"], done, "orbt")
    work.incidents.settled(incident["id"])
    if work.incidents.get(incident["id"])["state"] == "resolved":
        tell(incident_id, "resolved", store_connection_id)
    return done


def _done(work: _Work) -> str:
    """Carry the answer out; what keeps it from being done is told in the timeline, each reason once."""
    try:
        return _ANSWERS[Answer(work.incident["answer"])](work)
    except GroundworkError as error:
        told = f"could not be carried out: {error.what}"
        if all(line["what"] != told for line in work.incident["timeline"]):
            work.incidents.note(work.incident["id"], told, "orbt")
        raise


def tell(incident_id: str, event: str, store_connection_id: str, **more: Any) -> None:
    """Notify of an event; what keeps people from being told keeps nothing else from being done."""
    from groundwork.operators.incidents.notify import notify

    try:
        notify(incident_id, event, store_connection_id, **more)
    except Exception:
        _log.exception("nobody could be told that the incident %s is %s", incident_id, event)


def _retry(work: _Work) -> str:
    """On the first choice again: what made something else stand in for it is taken for mended."""
    told: str | None = work.incident["progress"].get("first_choices")
    if told is None:
        from groundwork.operators.incidents.incident_means import end_alternatives

        told = end_alternatives(work.incident, work.responder, f"{work.person} answered `retry`")
        work.keep("first_choices", told)
    done = run_again(work.incident, work.keep)
    return f"{told}; {done}" if told else done


def _retry_on_alternative(work: _Work) -> str:
    """Every failed task instance gets its alternative first; one that has none now runs on its first choice."""
    from groundwork.store.alternative import Alternatives

    known: dict[str, str] = dict(work.incident["progress"].get("alternatives", {}))
    for row in work.strikes():
        task_try = task_try_of_row(row)
        name = f"{task_try.dag_id}/{task_try.run_id}/{task_try.task_id}/{task_try.map_index}"
        if name in known:
            continue
        result = choose_alternative(row, work.responder, work.person)
        if result is not None and result.alternative is not None:
            Alternatives(work.responder.store()).keep(task_try, result.alternative)
        known[name] = result.report if result is not None else "no alternative works now"
        work.keep("alternatives", known)
    told = "; ".join(dict.fromkeys(known.values())) or "nothing fails any more"
    return f"{told}; {run_again(work.incident, work.keep)}"


def _run_remedy(work: _Work) -> str:
    """The remedy runs once for the incident; whether it helped, the tasks tell that run again."""
    report: str | None = work.incident["progress"].get("remedy")
    if report is None:
        name, strikes = work.incident["answer_details"].get("remedy"), work.strikes()
        if name is None:
            raise ConfigError("the answer names no remedy", where=str(work.incident["id"]), expected="a remedy's name")
        if strikes:
            result = run_remedy(name, strikes[-1], work.responder, work.person)
            report = f"{name} {'ran' if result.is_done else 'did not run'}: {result.report}"
        else:
            report = f"{name} did not run: no task of the incident fails any more"
        work.keep("remedy", report)
    return f"{report}; {run_again(work.incident, work.keep)}"


def _skip(work: _Work) -> str:
    return work.resolve(count_as_done(work.incident, work.person))


def _mark_resolved(work: _Work) -> str:
    return work.resolve("marked resolved by a person")


def _ignore(work: _Work) -> str:
    return work.resolve("ignored by a person")


def _silence(work: _Work) -> str:
    until = work.incident["silenced_until"]
    return f"silenced until {until:%Y-%m-%d %H:%M} UTC" if until else "the silence is over"


_ANSWERS: Mapping[Answer, Callable[[_Work], str]] = {
    Answer.RETRY: _retry,
    Answer.RETRY_ON_ALTERNATIVE: _retry_on_alternative,
    Answer.RUN_REMEDY: _run_remedy,
    Answer.SKIP: _skip,
    Answer.MARK_RESOLVED: _mark_resolved,
    Answer.SILENCE: _silence,
    Answer.IGNORE: _ignore,
}
