"""Collects the pages about incidents: the list with its figures, and one incident with all that is known of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from groundwork.model.fault import Answer, StrikeAction
from groundwork.model.incident import Severity, Stage, ending_of, needs_review, stage_of
from groundwork.orbt.incidents.escalation import MEANINGS, Means, offered
from groundwork.pages.incident_view import (
    AnswerView,
    ChosenList,
    ClassFigures,
    EarlierView,
    Field,
    IncidentLine,
    IncidentList,
    IncidentLists,
    IncidentPage,
    IncidentsPage,
    ListName,
    RemedyView,
    StrikeView,
)
from groundwork.pages.sources import Sources, open_store
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.incident_list import OVER, UNANSWERED, IncidentChoices, IncidentFilter
from groundwork.store.strike import Strikes

MaySee = Callable[[str], bool]  # whether somebody may see the Dag of this id
DAYS = 30  # that the figures look back
PAGE_SIZE = 50
MOST_EARLIER = 5  # incidents of the same cause that are shown
_STAGES: Mapping[ListName, frozenset[Stage]] = {
    "waiting": UNANSWERED,
    "answered": frozenset({Stage.ANSWERED}),
    "over": OVER,
}
_WHEN_TASKS_SUCCEED = "It closes by itself when every task instance has succeeded."
_ENDINGS = {  # answer → how the incident closes
    Answer.RETRY: _WHEN_TASKS_SUCCEED,
    Answer.RETRY_ON_ALTERNATIVE: _WHEN_TASKS_SUCCEED,
    Answer.RUN_REMEDY: _WHEN_TASKS_SUCCEED,
    Answer.SKIP: "It closes when its task instances are skipped.",
    Answer.MARK_RESOLVED: "It closes when that is done.",
    Answer.IGNORE: "It closes when that is done.",
    Answer.SILENCE: "It closes when the silence is over, or when every task instance has succeeded.",
}
_ASK_TWICE = (Answer.RUN_REMEDY, Answer.SKIP, Answer.MARK_RESOLVED)  # what changes something for good
TOLD = {  # word in the address after something was done → what is told
    "answered": "Your answer is recorded; Airflow carries it out.",
    "late": "Nothing was changed: somebody was faster, or it is over.",
    "acknowledged": "Everybody sees now that you look at it.",
    "silenced": "The cause opens nothing new for that time; strikes are counted.",
    "resolved": "The incident is closed.",
    "reviewed": "The review is kept.",
    "commented": "Your comment is on the timeline.",
    "reopened": "The incident is open again, and Airflow asks anew.",
    "same_cause": "Nothing was opened again: this incident of the same cause is open.",
}


def collect_incidents(sources: Sources, may_see: MaySee, chosen: ChosenList | None = None) -> IncidentsPage:
    """The page as of now, without incidents of Dags that somebody may not see; never raises for a store that fails."""
    store, chosen = open_store(sources), chosen or ChosenList()
    return IncidentsPage(
        chosen=chosen,
        fields=_fields(store.read(lambda engine: _choices(engine, may_see)).content, chosen),
        problems=(store.problem,) if store.problem else (),
        lists=store.read(lambda engine: _lists(engine, may_see, chosen)),
        figures=store.read(_figures),
        days=DAYS,
    )


def collect_incident(
    store: Engine, incident_id: str, may_see: MaySee, *, can_act: bool, told: str | None = None
) -> IncidentPage | None:
    """One incident, or null when there is none or somebody may not see it."""
    try:
        known = uuid.UUID(incident_id)
    except ValueError:
        return None
    row = Incidents(store).find(known)
    if row is None or not _is_visible(row, may_see):
        return None
    earlier = Incidents(store).before(row, MOST_EARLIER + 1, visible_dags(store, may_see))
    strikes = tuple(_strike(each) for each in Strikes(store).of_incident(row) if may_see(each["dag_id"]))
    return IncidentPage(
        line=line_of(row),
        row={**row, "affected": [each for each in row["affected"] if may_see(each["dag_id"])]},
        strikes=strikes,
        answers=_answers(row) if row["state"] == "open" else (),
        can_act=can_act,
        ending=_ending(row) if row["state"] == "answered" else None,
        is_tried_on=row["state"] == "open" and _is_tried_on(strikes),
        earlier=tuple(map(_earlier, earlier[:MOST_EARLIER])),
        has_more=len(earlier) > MOST_EARLIER,
        told=TOLD.get(told or ""),
    )


def line_of(row: Mapping[str, Any]) -> IncidentLine:
    """The line of an incident (a row of `incident`)."""
    return IncidentLine(
        id=str(row["id"]),
        subject=row["subject"],
        domain=row["domain"],
        fault_class=row["fault_class"],
        severity=row["severity"],
        urgency=str(row["report"].get("urgency_level", "")),
        stage=stage_of(row).value,
        target=row["target"],
        affected=len(row["affected"]),
        level=row["level"],
        answer=row["answer"],
        opened_at=row["opened_at"],
        ended_at=row["resolved_at"],
        silenced_until=row["silenced_until"],
        needs_review=needs_review(row),
    )


def visible_dags(store: Engine, may_see: MaySee) -> frozenset[str]:
    """The Dags with incidents that somebody may see; each is asked for once."""
    return frozenset(filter(may_see, Incidents(store).dags()))


def _lists(store: Engine, may_see: MaySee, chosen: ChosenList) -> IncidentLists:
    incidents, dags = Incidents(store), visible_dags(store, may_see)
    meant = IncidentFilter(
        stages=None if chosen.stage is None else {chosen.stage},
        domain=chosen.domain,
        fault_class=chosen.fault_class,
        severity=chosen.severity,
        dag=chosen.dag,
        owner=chosen.owner,
        dags=dags,
    )
    tally = incidents.tally(meant)

    def page_of(name: ListName, total: int) -> IncidentList:
        pages = max(-(-total // PAGE_SIZE), 1)
        number = min(chosen.page, pages) if chosen.name == name else 1
        before = (number - 1) * PAGE_SIZE
        wanted = replace(meant, stages=_STAGES[name] if chosen.stage is None else _STAGES[name] & {chosen.stage})
        rows = incidents.listed(wanted, PAGE_SIZE, before) if chosen.name in (None, name) else ()
        return IncidentList(lines=tuple(map(line_of, rows)), total=total, page=number, pages=pages, before=before)

    return IncidentLists(
        waiting=page_of("waiting", tally.open),
        answered=page_of("answered", tally.answered),
        over=page_of("over", tally.over),
        unreviewed=tally.unreviewed,
        oldest_at=tally.oldest_at,
        of=incidents.tally(IncidentFilter(dags=dags)) if chosen.narrowed else None,
    )


def _choices(store: Engine, may_see: MaySee) -> tuple[IncidentChoices, tuple[str, ...]]:
    dags = visible_dags(store, may_see)
    return Incidents(store).choices(dags), tuple(sorted(dags))


def _fields(known: tuple[IncidentChoices, tuple[str, ...]] | None, chosen: ChosenList) -> tuple[Field, ...]:
    """The form's fields; what the address asks for can be seen in them, whether it occurs or not."""
    choices, dags = known or (IncidentChoices(domains=(), classes=(), owners=()), ())
    options: dict[str, tuple[str, Iterable[str]]] = {
        "stage": ("Stage", Stage),
        "severity": ("Severity at least", Severity),
        "class": ("Class", choices.classes),
        "domain": ("Domain", choices.domains),
        "dag": ("Dag", dags),
        "owner": ("Owner", choices.owners),
    }
    fields = []
    for name, (words, values) in options.items():
        value = chosen.narrowed.get(name, "")
        offered = dict.fromkeys([*map(str, values), *([value] if value else [])])
        fields.append(Field(name=name, words=words, options=tuple(offered), chosen=value))
    return tuple(fields)


def _earlier(row: Mapping[str, Any]) -> EarlierView:
    return EarlierView(
        id=str(row["id"]),
        stage=stage_of(row).value,
        answer=row["answer"],
        answered_by=row["answered_by"],
        opened_at=row["opened_at"],
        ended_at=row["resolved_at"],
        ending=ending_of(row),
    )


def _is_visible(row: Mapping[str, Any], may_see: MaySee) -> bool:
    """Whether somebody may see one of its Dags; what no task failed for is everybody's."""
    dags = {each["dag_id"] for each in row["affected"]}
    return not dags or any(may_see(dag_id) for dag_id in dags)


def _figures(store: Engine) -> tuple[ClassFigures, ...]:
    return tuple(
        ClassFigures(
            fault_class=row["fault_class"],
            incidents=row["incidents"],
            open=row["open"],
            mtta_seconds=None if row["mtta_seconds"] is None else float(row["mtta_seconds"]),
            mttr_seconds=None if row["mttr_seconds"] is None else float(row["mttr_seconds"]),
            struck=row["struck"],
            healed=None if row["healed_pct"] is None else row["healed_pct"] / 100,
        )
        for row in Incidents(store).figures(utc_now() - timedelta(days=DAYS))
    )


def _answers(row: Mapping[str, Any]) -> tuple[AnswerView, ...]:
    """What was offered when the person was asked; the answers that need no means before that."""
    known: Mapping[str, Any] = row["progress"].get("offered") or {}
    answers = [Answer(name) for name in known.get("answers", ())] or offered(row, Means())
    recommended = row["report"].get("recommended_action")
    return tuple(
        AnswerView(
            name=answer.value,
            meaning=MEANINGS[answer],
            is_recommended=answer.value == recommended,
            asks_twice=answer in _ASK_TWICE,
            choices=tuple(known.get("remedies", ())) if answer is Answer.RUN_REMEDY else (),
        )
        for answer in answers
    )


def _ending(row: Mapping[str, Any]) -> str:
    ending = _ENDINGS[Answer(row["answer"])]
    return ending if "done" in row["progress"] else f"The answer is not carried out yet. {ending}"


def _is_tried_on(strikes: Sequence[StrikeView]) -> bool:
    """Whether the newest strike that asked a person let the task try on."""
    asking = [each for each in strikes if each.action != StrikeAction.RETRY]
    return bool(asking) and asking[-1].action == StrikeAction.ASK_AND_RETRY


def _strike(row: Mapping[str, Any]) -> StrikeView:
    names = (
        "dag_id", "task_id", "run_id", "map_index", "try_number", "number", "action", "fault_class", "sqlstate",
        "exception", "message", "reason", "outcome", "struck_at",
    )  # fmt: skip
    return StrikeView(**{name: row[name] for name in names}, remedies=tuple(map(_remedy, row["remedies"])))


def _remedy(result: Mapping[str, Any]) -> RemedyView:
    changes = tuple(
        (each["what"], bool(each.get("is_undone")), each.get("facts") or {}) for each in result.get("changes", ())
    )
    return RemedyView(
        name=result["remedy"],
        is_done=result["is_done"],
        report=result["report"],
        seconds=result.get("seconds", 0.0),
        changes=changes,
    )
