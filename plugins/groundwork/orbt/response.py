"""One failure from end to end: history, decision, remedies, record, and the incident when a person has to be asked.

Knows no Airflow: the retry policy and the listener call it, and tests do. The store may itself be the database that is
down: the decision is made all the same, from the number of the try, and the strike waits in the spool.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from groundwork.model.fault import Circumstances, Fault, Impact, RemedyResult, Strike, StrikeAction, TaskTry
from groundwork.model.knowledge import Question
from groundwork.orbt.escalation import escalation_report
from groundwork.orbt.knowledge import Ranked, choose, rank
from groundwork.orbt.patterns import Pattern, Patterns
from groundwork.orbt.remedies import apply
from groundwork.orbt.spool import Spool
from groundwork.orbt.strikes import Decision, History, decide
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents, OpenedIncident
from groundwork.store.knowledge import Knowledge
from groundwork.store.strike import Strikes

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Response:
    """What was decided and kept; `is_spooled` when the store could not be reached."""

    strike: Strike
    incident: OpenedIncident | None = None
    is_spooled: bool = False


class StrikeBook:
    """Strikes and incidents of one store, with the patterns that give them meaning."""

    def __init__(self, store: Engine, patterns: Patterns) -> None:
        self._strikes = Strikes(store)
        self._incidents = Incidents(store)
        self._audit = AuditTrail(store)
        self._knowledge = Knowledge(store)
        self._patterns = patterns

    def history(self, task_try: TaskTry, fault_class: str) -> History:
        """What counts as earlier when this try failed."""
        earlier = self._strikes.of(task_try, since=self._incidents.answered_at(task_try))
        return History(
            earlier_strikes=len(earlier),
            other_runs_at=self._strikes.other_runs_at(task_try, fault_class),
            tried=frozenset(str(each["remedy"]) for row in earlier for each in row["remedies"] if each["is_done"]),
        )

    def ranked(self, question: Question, now: datetime) -> tuple[Ranked, ...]:
        """What is known of remedies for a fault, the best first."""
        return rank(self._knowledge.trials(question.fault.fault_class), question, now)

    def keep(self, strike: Strike) -> OpenedIncident | None:
        """Record a strike and open its incident when a person is to be asked; the same try again changes nothing.

        The incident is opened before the strike is recorded: dying between the two repeats the opening, which joins
        the incident that is there.
        """
        if strike.action is not StrikeAction.ASK_PERSON:
            self._strikes.record(strike)
            return None
        if self._strikes.is_known(strike.task_try):
            self._strikes.record(strike)
            unresolved = [row for row in self._incidents.unresolved_of(strike.task_try) if row["state"] == "open"]
            return OpenedIncident(id=unresolved[0]["id"], is_new=False) if unresolved else None
        earlier = self._strikes.of(strike.task_try, since=self._incidents.answered_at(strike.task_try))
        report = escalation_report(strike, earlier, self._patterns.named(strike.fault.fault_class))
        opened = self._incidents.open(strike, report)
        self._strikes.record(strike)
        if opened.is_new:
            self._audit.append(
                actor="orbt",
                action="incident_opened",
                subject=f"{strike.task_try.dag_id}.{strike.task_try.task_id}",
                details={"incident_id": str(opened.id), "issue_type": report.issue_type, "reason": strike.reason},
            )
        return opened

    def succeeded(self, task_try: TaskTry) -> int:
        """A task that had failed succeeded: its pending strikes are healed, its incident is closed; strikes healed."""
        healed = self._strikes.healed(task_try)
        for row in self._incidents.unresolved_of(task_try):
            what = f"run {task_try.run_id} succeeded on try {task_try.try_number}"
            if len(row["affected"]) == 1:
                self._incidents.resolve(row["id"], what, "orbt")
            else:
                self._incidents.note(row["id"], what, "orbt")
        return healed


@dataclass(frozen=True, kw_only=True)
class Responder:
    """What is needed to answer a failure. `store` and `target` give engines and may fail: their part is left out."""

    store: Callable[[], Engine]
    target: Callable[[], Engine]
    patterns: Patterns
    spool: Spool

    def respond(
        self,
        fault: Fault,
        task_try: TaskTry,
        impact: Impact,
        *,
        has_try_left: bool,
        circumstances: Circumstances | None = None,
        now: datetime | None = None,
    ) -> Response:
        """Decide, heal and record; strikes that wait in the spool are taken along when the store answers.

        Before a retry a remedy goes first that has proved itself in circumstances like these, else what the pattern
        names; what is known to fail or to do harm is left out.
        Raises: OSError only when neither the store nor the disk takes the strike.
        """
        at = now or utc_now()
        book, history = self._book_and_history(task_try, fault)
        pattern = self.patterns.named(fault.fault_class)
        where = circumstances or Circumstances()
        decision = decide(fault, pattern, history, has_try_left=has_try_left, now=at)
        if book is not None and decision.solutions:
            decision = _informed(
                decision, pattern, history, _known(book, Question(fault=fault, circumstances=where), at)
            )
        strike = Strike(
            task_try=task_try,
            fault=fault,
            impact=impact,
            number=decision.number,
            action=decision.action,
            reason=decision.reason,
            at=at,
            delay_seconds=decision.delay_seconds,
            remedies=_heal(decision, self.target),
            circumstances=where,
        )
        return self._keep(strike, book)

    def _book_and_history(self, task_try: TaskTry, fault: Fault) -> tuple[StrikeBook | None, History]:
        try:
            book = StrikeBook(self.store(), self.patterns)
            return book, book.history(task_try, fault.fault_class)
        except Exception as error:  # no store, no history: the number of the try is what is left to count by
            _log.warning("the store is away, strikes count by tries: %s", type(error).__name__)
            return None, History(earlier_strikes=task_try.try_number - 1)

    def _keep(self, strike: Strike, book: StrikeBook | None) -> Response:
        if book is not None:
            try:
                incident = book.keep(strike)
                self.spool.drain(book.keep)
                return Response(strike=strike, incident=incident)
            except Exception:  # whatever the store's trouble is, the strike must not be lost
                _log.exception("the store did not take the strike; it waits in the spool")
        self.spool.add(strike)
        return Response(strike=strike, is_spooled=True)


def _known(book: StrikeBook, question: Question, at: datetime) -> tuple[Ranked, ...]:
    try:
        return book.ranked(question, at)
    except Exception:  # knowledge improves the choice; without it the pattern's own solutions are there
        _log.exception("what is known of remedies could not be read; the pattern's own solutions are tried")
        return ()


def _informed(decision: Decision, pattern: Pattern, history: History, ranked: tuple[Ranked, ...]) -> Decision:
    """The decision with the solutions that knowledge prefers, and the reason why when it does."""
    solutions = choose(pattern, decision.number, ranked, history.tried)
    if solutions == decision.solutions:
        return decision
    names = {each.remedy for each in solutions}
    proven = next((each for each in ranked if each.is_proven and each.remedy in names), None)
    why = (
        f"{proven.remedy} has helped before (at least {proven.low:.0%} of {proven.count} trials)"
        if proven is not None
        else "what is known to fail is left out"
    )
    return replace(decision, solutions=solutions, reason=f"{decision.reason}; {why}")


def _heal(decision: Decision, target: Callable[[], Engine]) -> tuple[RemedyResult, ...]:
    """Run the remedies of a retry, each once; nothing when a person is asked (no solutions then)."""
    names = list(dict.fromkeys(each.remedy for each in decision.solutions if each.remedy is not None))
    if not names:
        return ()
    try:
        engine = target()
    except Exception as error:  # the look-up of the connection can fail with whatever is down
        told = f"could not: no engine for it ({type(error).__name__})"
        return tuple(RemedyResult(remedy=name, is_done=False, report=told) for name in names)
    return tuple(apply(name, engine) for name in names)
