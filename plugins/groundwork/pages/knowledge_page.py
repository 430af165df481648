"""Collects the page `Knowledge`: patterns, remedies with their success rates, trials and lessons.

Rates are those a task would find that fails now in a fault of the class, in the chosen table. Of a trial the error's
text is shown only to who may read runs of the Dag it happened in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from groundwork.model.fault import Circumstances, Fault
from groundwork.model.knowledge import WAITING, Question, Trial
from groundwork.orbt.knowledge import Ranked, rank
from groundwork.orbt.patterns import Pattern, Patterns, Solution, Trigger, readable_patterns
from groundwork.pages.block import Block
from groundwork.pages.knowledge_view import (
    Chosen,
    KnowledgePage,
    LessonView,
    PatternView,
    RemedyView,
    SolutionView,
    TrialView,
)
from groundwork.pages.policy_problems import policy_problems
from groundwork.pages.sources import Sources, open_store
from groundwork.store.base import utc_now
from groundwork.store.knowledge import Knowledge
from groundwork.store.strike import Strikes

_TRIALS = 15  # newest trials that are listed
_LESSONS = 50
_WAIT = "retry with backoff"  # what patterns call it when nothing but time is spent
_TABLES = 12  # tables to choose from
SeesDag = Callable[[str], bool]


def collect_knowledge(sources: Sources, chosen: Chosen, may_see: SeesDag) -> KnowledgePage:
    """The page as of now; never raises for a source that fails. A class that nobody declared is ignored."""
    declared, _ = readable_patterns(sources.contracts.parent / "patterns")
    names = tuple(pattern.name for pattern in declared)
    known = Chosen(pattern=chosen.pattern if chosen.pattern in names else None, table=chosen.table)
    store = open_store(sources)
    found = store.read(lambda engine: Knowledge(engine).trials(known.pattern))
    trials = found.content or []
    meant = [each for each in trials if known.table in (None, each.circumstances.table)]
    ranked = _ranked(meant if known.table else trials, known, utc_now())
    return KnowledgePage(
        chosen=known,
        names=names,
        tables=_tables(trials),
        problems=(store.problem,) if store.problem else (),
        patterns=Block(content=tuple(_patterns(declared, known, ranked))),
        remedies=Block(problem=found.problem, content=tuple(_remedies(ranked)) or None),
        trials=store.read(lambda engine: _trials(engine, meant, may_see)),
        lessons=store.read(lambda engine: _lessons(engine, known)),
        policies=policy_problems(sources),
    )


def _ranked(trials: Sequence[Trial], chosen: Chosen, now: datetime) -> dict[str, tuple[Ranked, ...]]:
    """What is known of remedies, by class."""
    where = Circumstances(table=chosen.table)
    return {
        name: rank(trials, Question(fault=Fault(fault_class=name, exception="", message=""), circumstances=where), now)
        for name in sorted({trial.fault.fault_class for trial in trials})
    }


def _tables(trials: Sequence[Trial]) -> tuple[str, ...]:
    named = Counter(trial.circumstances.table for trial in trials if trial.circumstances.table)
    return tuple(name for name, _ in named.most_common(_TABLES))


def _mark(ranked: Ranked) -> str | None:
    if ranked.is_harmful:
        return "harmful"
    return "fails" if ranked.is_avoided else "proven" if ranked.is_proven else None


def _remedies(ranked: Mapping[str, Sequence[Ranked]]) -> Iterator[RemedyView]:
    for name, remedies in ranked.items():
        for each in remedies:
            yield RemedyView(
                pattern=name,
                name=each.remedy,
                low=each.low,
                high=each.high,
                rate=each.successes / each.trials if each.trials else 0.0,
                successes=each.successes,
                trials=each.trials,
                count=each.count,
                cost_seconds=each.cost_seconds,
                mark=_mark(each),
            )


def _patterns(declared: Patterns, chosen: Chosen, ranked: Mapping[str, Sequence[Ranked]]) -> Iterator[PatternView]:
    for each in declared:
        if chosen.pattern in (None, each.name):
            yield _pattern(each, ranked.get(each.name, ()))


def _pattern(pattern: Pattern, ranked: Sequence[Ranked]) -> PatternView:
    marks = {each.remedy: _mark(each) for each in ranked}
    signals = pattern.signals
    told = (
        ("SQLSTATE", signals.sqlstates),
        ("Exception", signals.exceptions),
        ("HTTP status", tuple(map(str, signals.http_statuses))),
        ("Message", signals.messages),
    )
    return PatternView(
        name=pattern.name,
        description=pattern.description,
        urgency=str(pattern.urgency),
        is_retriable=pattern.is_retriable,
        signals=tuple((name, values) for name, values in told if values),
        strike_1=_solutions(pattern.strike_1, marks),
        strike_2=_solutions(pattern.strike_2, marks),
        triggers=tuple(map(_trigger, pattern.escalate)),
        recommendations=pattern.recommendations,
        trials=sum(each.count for each in ranked),
    )


def _solutions(solutions: Sequence[Solution], marks: Mapping[str, str | None]) -> tuple[SolutionView, ...]:
    named = [(each.name, WAITING if each.name == _WAIT else each.remedy) for each in solutions]
    return tuple(SolutionView(name=name, remedy=remedy, mark=marks.get(remedy or "")) for name, remedy in named)


def _trigger(trigger: Trigger) -> str:
    when = [f"SQLSTATE {', '.join(trigger.sqlstates)}"] if trigger.sqlstates else []
    if trigger.runs is not None:
        when.append(f"{trigger.runs} runs within {trigger.within_hours:g} h")
    return f"{trigger.reason} ({' or '.join(when)})" if when else trigger.reason


def _trials(store: Engine, trials: Sequence[Trial], may_see: SeesDag) -> tuple[TrialView, ...]:
    """The newest strikes; what people taught is told beside them."""
    struck = [(int(each.origin.split()[1]), each) for each in trials if each.origin.startswith("strike ")][:_TRIALS]
    dags = Strikes(store).dags_of({number for number, _ in struck})
    return tuple(
        TrialView(
            origin=each.origin,
            pattern=each.fault.fault_class,
            remedy=each.remedy,
            verdict=str(each.verdict),
            where=each.circumstances.table or each.circumstances.target,
            message=each.fault.message if may_see(dags.get(number, "")) else None,
            at=each.at,
        )
        for number, each in struck
    )


def _lessons(store: Engine, chosen: Chosen) -> tuple[LessonView, ...]:
    rows = Knowledge(store).lessons(chosen.pattern)
    if chosen.table:
        rows = [row for row in rows if row["circumstances"].get("table") in (None, chosen.table)]
    return tuple(map(_lesson, rows[:_LESSONS]))


def _lesson(row: Mapping[str, Any]) -> LessonView:
    where = row["circumstances"]
    return LessonView(
        id=row["id"],
        pattern=row["fault_class"],
        remedy=row["remedy"],
        verdict=row["verdict"],
        where=where.get("table") or where.get("target") or where.get("operation"),
        strike_id=row["strike_id"],
        note=row["note"],
        taught_by=row["taught_by"],
        taught_at=row["taught_at"],
        withdrawn_because=row["withdrawn_because"] if row["withdrawn_at"] else None,
    )
