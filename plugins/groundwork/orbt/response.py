"""One failure from end to end: history, decision, remedies, record, and the incident when a person has to be asked.

Knows no Airflow: the retry policy and the listener call it, and tests do. The store may itself be the database that is
down: the decision is made all the same, from the number of the try, and the strike waits in the spool.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.model.fault import Circumstances, Fault, Impact, RemedyResult, Strike, StrikeAction, TaskTry
from groundwork.model.knowledge import Question
from groundwork.orbt.alarms.rules import at_once, strike_alarm
from groundwork.orbt.classify import OwnStatement, failed_statement
from groundwork.orbt.knowledge import Ranked, choose
from groundwork.orbt.patterns import Pattern, Patterns
from groundwork.orbt.remedies.confinement import unreachable
from groundwork.orbt.remedies.remedy import Scene
from groundwork.orbt.remedies.run import run
from groundwork.orbt.remedies.silence import learnt_once
from groundwork.orbt.spool import Spool
from groundwork.orbt.strike_book import StrikeBook
from groundwork.orbt.strikes import Decision, History, decide
from groundwork.store.base import utc_now
from groundwork.store.incident import OpenedIncident

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Response:
    """What was decided and kept; `is_spooled` when the store could not be reached."""

    strike: Strike
    incident: OpenedIncident | None = None
    is_spooled: bool = False


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the task's own process tells beside the class of its failure.

    `error` lets remedies look at the statement that failed; `own`, the task's own SQL, stands in where the error does
    not tell it. `because` is a reason to ask a person about the target while the task tries on; nobody is asked twice
    for it, nor while somebody wants to hear nothing.
    """

    error: BaseException | None = None
    own: OwnStatement | None = None
    because: str | None = None


@dataclass(frozen=True, kw_only=True)
class Responder:
    """What is needed to answer a failure. `store` and `engine_of` give engines and may fail: their part is left out.

    `target` names the connection that remedies act on when the circumstances name none.
    """

    store: Callable[[], Engine]
    engine_of: Callable[[str], Engine]
    target: str
    patterns: Patterns
    spool: Spool
    project: Path
    home: Path

    def book(self) -> StrikeBook:
        """The book of strikes and incidents in the store. Raises: whatever the look-up of the store raises."""
        return StrikeBook(self.store(), self.patterns, self.project)

    def take_in(self) -> int:
        """Bring what waits in the spool into the store; how many entries. Raises: as `book`, and as the store."""
        return self.spool.drain(self.book())

    def respond(
        self,
        fault: Fault,
        task_try: TaskTry,
        impact: Impact,
        *,
        has_try_left: bool,
        circumstances: Circumstances | None = None,
        told: Told | None = None,
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
        where = circumstances or Circumstances(target=self.target)
        history = replace(history, observed=where.observed or {})
        decision = decide(fault, pattern, history, has_try_left=has_try_left, now=at)
        if book is not None and decision.solutions:
            decision = _informed(
                decision, pattern, history, _known(book, Question(fault=fault, circumstances=where), at)
            )
        alarm = strike_alarm(self.project, fault, task_try, impact, circumstances=where, number=decision.number)
        if alarm is not None:
            decision = at_once(decision, alarm)
        if where.is_target_guessed:
            decision = _touching_nothing(decision)
        told = told or Told()
        asked = {"error": told.error, **failed_statement(told.error, told.own)}
        remedies = self._heal(decision, fault, task_try, where, asked)
        if any(result.asks_person for result in remedies):
            decision = replace(
                decision,
                action=StrikeAction.ASK_PERSON,
                delay_seconds=None,
                reason=f"strike {decision.number}, {fault.fault_class}: what is left is for a person",
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
            remedies=remedies,
            circumstances=where,
        )
        if told.because is not None and book is not None:
            strike = _asking_meanwhile(strike, told.because, book)
        return self._keep(strike, book)

    def _heal(
        self,
        decision: Decision,
        fault: Fault,
        task_try: TaskTry,
        where: Circumstances,
        asked: Mapping[str, Any],
    ) -> tuple[RemedyResult, ...]:
        """Run the remedies of a retry, each once; nothing when a person is asked (no solutions then)."""
        names = list(dict.fromkeys(each.remedy for each in decision.solutions if each.remedy is not None))
        if not names:
            return ()
        connection_id = where.target or self.target
        scene = Scene(
            fault=fault,
            task_try=task_try,
            circumstances=replace(where, target=connection_id),
            target=self._target(connection_id),
            engine_of=self.engine_of,
            store=self._store_or_none(),
            project=self.project,
            home=self.home,
            **asked,
        )
        is_silent = bool((where.observed or {}).get("is_database_silent"))
        with learnt_once(scene.target, connection_id, is_silent=is_silent):
            return tuple(run(name, scene) for name in names)

    def _target(self, connection_id: str) -> Engine:
        """The engine of a connection; where there is none, as for a service, one that says so when it is used."""
        try:
            return self.engine_of(connection_id)
        except Exception as away:  # the look-up of the connection can fail with whatever is down
            return unreachable(f"no engine for `{connection_id}` ({type(away).__name__})")

    def _store_or_none(self) -> Engine | None:
        try:
            return self.store()
        except Exception:  # the look-up of the connection can fail with whatever is down
            return None

    def _book_and_history(self, task_try: TaskTry, fault: Fault) -> tuple[StrikeBook | None, History]:
        try:
            book = self.book()
            return book, book.history(task_try, fault.fault_class)
        except Exception as error:  # no store, no history: the number of the try is what is left to count by
            _log.warning("the store is away, strikes count by tries: %s", type(error).__name__)
            return None, History(earlier_strikes=task_try.try_number - 1)

    def _keep(self, strike: Strike, book: StrikeBook | None) -> Response:
        if book is not None:
            try:
                incident = book.keep(strike)
            except Exception:  # whatever the store's trouble is, the strike must not be lost
                _log.exception("the store did not take the strike; it waits in the spool")
            else:
                self._take_in_others(book)
                return Response(strike=strike, incident=incident)
        self.spool.add(strike)
        return Response(strike=strike, is_spooled=True)

    def _take_in_others(self, book: StrikeBook) -> None:
        try:
            self.spool.drain(book)
        except Exception:  # this strike is kept; those that wait are taken in by the next one, or by the sweep
            _log.exception("what waits in the spool could not be taken in")


def _touching_nothing(decision: Decision) -> Decision:
    """The decision without remedies: nothing tells that the database they would act on has to do with the failure."""
    if not any(each.remedy is not None for each in decision.solutions):
        return decision
    return replace(decision, solutions=(), reason=f"{decision.reason}; no remedy, the task names nothing it works on")


def _asking_meanwhile(strike: Strike, because: str, book: StrikeBook) -> Strike:
    """The strike of a task that tries on, which opens an incident all the same unless its cause has one."""
    try:
        if strike.action is not StrikeAction.RETRY or book.is_told(strike):
            return strike
    except Exception:  # nobody is asked now; the next failure of the target asks again
        _log.exception("whether a person is asked already is not known")
        return strike
    reason = f"{strike.reason}; a person is asked meanwhile: {because}"
    return replace(strike, action=StrikeAction.ASK_AND_RETRY, reason=reason)


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
