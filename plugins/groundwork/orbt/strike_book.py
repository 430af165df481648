"""Strikes and incidents as one book: the history a decision needs, what is kept of a strike, what a success closes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.model.fault import Strike, StrikeAction, TaskTry
from groundwork.model.incident import Assessment, Opening, Severity
from groundwork.model.knowledge import Question
from groundwork.orbt.alarms.rules import ALARM_REASON, strike_alarm
from groundwork.orbt.incidents.escalation import cause_of, opening
from groundwork.orbt.incidents.escalation_in_force import escalation_policy_in_force
from groundwork.orbt.incidents.severity import assess, raised_by_joins
from groundwork.orbt.knowledge import Ranked, rank
from groundwork.orbt.patterns import Pattern, Patterns
from groundwork.orbt.strikes import History
from groundwork.settings import Settings
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents, OpenedIncident
from groundwork.store.incident_harm import IncidentHarm
from groundwork.store.knowledge import Knowledge
from groundwork.store.strike import Strikes

_LATELY = timedelta(hours=1)


class StrikeBook:
    """Strikes and incidents of one store, with the patterns that give them meaning."""

    def __init__(self, store: Engine, patterns: Patterns, project: Path | None = None) -> None:
        """`project` holds the contracts that tell how bad an incident is; the installation's own when left out."""
        self._strikes = Strikes(store)
        self._incidents = Incidents(store)
        self._harm = IncidentHarm(store)
        self._audit = AuditTrail(store)
        self._knowledge = Knowledge(store)
        self._patterns = patterns
        self._project = project or Settings.from_environment().project

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

    def is_told(self, strike: Strike) -> bool:
        """Whether a person is asked about the cause of a strike already, or wants to hear nothing of it now."""
        cause = cause_of(strike, self._patterns.named(strike.fault.fault_class))
        return self._incidents.is_told(cause, strike.at)

    def keep(self, strike: Strike) -> OpenedIncident | None:
        """Record a strike and open its incident when a person is to be asked; the same try again changes nothing.

        The incident is opened before the strike is recorded: dying between the two repeats the opening, which joins
        the incident that is there.
        """
        if strike.action is StrikeAction.RETRY:
            self._strikes.record(strike)
            self._crowd(strike)
            return None
        pattern = self._patterns.named(strike.fault.fault_class)
        if self._strikes.is_known(strike.task_try):
            self._strikes.record(strike)
            known = [row for row in self._incidents.unresolved_of(strike.task_try) if row["state"] == "open"]
            return OpenedIncident(id=known[0]["id"], is_new=False) if known else None
        opened = self._incidents.open(self._opening(strike, pattern))
        self._strikes.record(strike)
        self._make_worse(opened, strike)
        opened = self._alarmed(opened, strike)
        if opened.is_new:
            self._audit.append(
                actor="orbt",
                action="incident_opened",
                subject=f"{strike.task_try.dag_id}.{strike.task_try.task_id}",
                details={
                    "incident_id": str(opened.id),
                    "issue_type": strike.fault.fault_class,
                    "reason": strike.reason,
                    "severity": opened.severity,
                },
            )
        return opened

    def succeeded(self, task_try: TaskTry) -> int:
        """A task that had failed succeeded: its incidents close unless others wait in them; how many strikes healed."""
        healed = self._strikes.healed(task_try)
        self._incidents.succeeded(task_try)
        return healed

    def _opening(self, strike: Strike, pattern: Pattern) -> Opening:
        """What opens or joins the incident; how bad it is was told when it was opened, and is not looked up again."""
        earlier = self._strikes.of(strike.task_try, since=self._incidents.answered_at(strike.task_try))
        known = self._incidents.unanswered_of(cause_of(strike, pattern))
        assessment = Assessment(severity=Severity.LOW) if known else assess(strike, self._project)
        return opening(strike, earlier, pattern, assessment)

    def _alarmed(self, opened: OpenedIncident, strike: Strike) -> OpenedIncident:
        """An alarm makes its incident critical, and urgent as well."""
        alarm = strike_alarm(
            self._project,
            strike.fault,
            strike.task_try,
            strike.impact,
            circumstances=strike.circumstances,
            number=strike.number,
        )
        if alarm is None or opened.is_silenced:
            return opened
        self._incidents.raise_severity(opened.id, Severity.CRITICAL, f"{ALARM_REASON} ({alarm.rule}): {alarm.what}")
        return replace(opened, severity=Severity.CRITICAL)

    def _hit_by_target(self, strike: Strike) -> tuple[int, int]:
        """How many task instances, of how many Dags, failed lately on the target of the strike's incident; those that
        try on are included.
        """
        target = self._shared_target(strike)
        return (0, 0) if target is None else self._strikes.struck_by(target, strike.at - _LATELY)

    def _shared_target(self, strike: Strike) -> str | None:
        """The connection whose failure is one cause for all that use it; null when the cause is the task's."""
        where = strike.circumstances
        is_shared = self._patterns.named(strike.fault.fault_class).cause == "target" and not where.is_target_guessed
        return where.target if is_shared else None

    def _crowd(self, strike: Strike) -> None:
        """A task that tries on is held up as well: the open incident of its cause may be worse by it."""
        if self._shared_target(strike) is None:
            return
        known = self._incidents.unanswered_of(cause_of(strike, self._patterns.named(strike.fault.fault_class)))
        if known is not None:
            self._raise_by_crowd(known, strike)

    def _make_worse(self, opened: OpenedIncident, strike: Strike) -> None:
        """What joins makes an incident worse by what it leaves undone, and many do by their number; what opened one is
        assessed already, unless it opened while its forerunner closed.
        """
        if opened.is_silenced:
            return
        known = self._incidents.get(opened.id)
        if self._is_unassessed(opened, known, strike):
            at = strike.task_try
            self._harm.joined(opened.id, assess(strike, self._project), f"{at.dag_id} / {at.task_id}")
            known = self._incidents.get(opened.id)
        self._raise_by_crowd(known, strike)

    def _is_unassessed(self, opened: OpenedIncident, known: Mapping[str, Any], strike: Strike) -> bool:
        """Whether a strike may tell something new of how bad its incident (a row of `incident`) is."""
        if opened.is_new:
            return opened.severity is Severity.LOW
        impact, assessed = strike.impact, set(known["assessment"].get("assets", ()))
        names = {*impact.assets, *filter(None, [strike.circumstances.table])}
        is_first_that_waits = bool(impact.downstream_tasks) and known["severity"] == Severity.LOW
        return is_first_that_waits or not names <= assessed

    def _raise_by_crowd(self, known: Mapping[str, Any], strike: Strike) -> None:
        affected = known["affected"]
        instances, dags = self._hit_by_target(strike)
        instances, dags = max(len(affected), instances), max(len({each["dag_id"] for each in affected}), dags)
        policy = escalation_policy_in_force(self._project / "governance" / "policies")
        raised = raised_by_joins(policy, Severity(known["assessment"]["opened_as"]), instances, dags)
        if raised is not None:
            self._incidents.raise_severity(known["id"], *raised)
