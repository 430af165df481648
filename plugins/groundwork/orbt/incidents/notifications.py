"""Who is told what: the policy of notifications, its routes, and the words of a message. Knows no channel's protocol.

The policy is `governance/policies/notifications.yaml`. Secrets never stand in it: a channel names an Airflow
connection. Text in a message came from errors and from people; whoever sends it escapes it for its own format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from groundwork.model.fault import Urgency
from groundwork.model.nearest import did_you_mean
from groundwork.orbt.alarms.rules import ALARM_REASON
from groundwork.orbt.policy_document import PolicyPart, read_policy_or
from groundwork.store.incident_reopening import OPENED_AGAIN

POLICY = "notifications.yaml"
TOLD = ("told ", "could not tell ")  # how lines of a timeline begin that are about notifications
_TITLE_LENGTH = 200  # characters: subjects of mails and titles of pages are cut by their readers anyway
_TEXT_LENGTH = 3000  # characters of text that every channel takes in one message


class Event(StrEnum):
    """What people are told of. `alarm` is the opening of an incident by an alarm, `severity_raised` that an open one is
    worse than they were told: a route for `opened` takes both too.
    """

    OPENED = "opened"
    ESCALATED = "escalated"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    ALARM = "alarm"
    SEVERITY_RAISED = "severity_raised"
    DAILY_REPORT = "daily_report"
    EARLY_WARNING = "early_warning"
    TASK_FAILED = "task_failed"
    TEST = "test"


_LIKE_OPENED = (Event.ALARM, Event.SEVERITY_RAISED)


class Channel(PolicyPart):
    """One way to reach people. `connection` is an Airflow connection id; `to` and `sender` are for mail only."""

    kind: Literal["slack", "smtp", "pagerduty", "webhook", "log"]
    connection: str | None = None
    to: tuple[str, ...] = ()
    sender: str | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Channel:
        if self.kind != "log" and not self.connection:
            raise ValueError(f"a channel of kind {self.kind} names its Airflow `connection`")
        if (self.kind == "smtp") != bool(self.to):
            raise ValueError("a channel of kind smtp, and no other, says whom the mail goes `to`")
        return self


class Route(PolicyPart):
    """Which messages go to which channels; what is left out holds for all. `min_level` is of escalation; of `owners`,
    those of contracts and of tasks, one is enough.
    """

    channels: tuple[str, ...] = Field(min_length=1)
    events: tuple[Event, ...] = ()
    domains: tuple[str, ...] = ()
    urgencies: tuple[Urgency, ...] = ()
    severities: tuple[str, ...] = ()
    fault_classes: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    min_level: int = Field(default=0, ge=0)

    def takes(self, message: Message) -> bool:
        """Whether a message goes this way."""
        wanted: tuple[tuple[tuple[str, ...], str | None], ...] = (
            (self.domains, message.domain),
            (self.urgencies, message.urgency),
            (self.severities, message.severity),
            (self.fault_classes, message.fault_class),
        )
        events = {message.event, Event.OPENED} if message.event in _LIKE_OPENED else {message.event}
        is_told = not self.events or bool(events & set(self.events))
        is_theirs = not self.owners or not set(self.owners).isdisjoint(message.owners)
        is_wanted = all(not names or value in names for names, value in wanted)
        level = 0 if message.event == Event.SEVERITY_RAISED else message.level  # its level is not one of escalation
        return is_told and is_theirs and is_wanted and level >= self.min_level


class NotificationPolicy(PolicyPart):
    """Channels by name, and routes; every route that takes a message counts."""

    kind: Literal["notifications"]
    version: str
    channels: dict[str, Channel]
    routes: tuple[Route, ...]

    @model_validator(mode="after")
    def _names_channels(self) -> NotificationPolicy:
        unknown = sorted({name for route in self.routes for name in route.channels} - self.channels.keys())
        if unknown:
            meant = [did_you_mean(name, self.channels) for name in unknown]
            told = [f"there are {', '.join(self.channels)}", *filter(None, meant)]
            raise ValueError(f"no channel is called {', '.join(unknown)}; {'; '.join(told)}")
        pagers = {name for name, channel in self.channels.items() if channel.kind == "pagerduty"}
        for route in self.routes:
            if pagers & set(route.channels) and Event.DAILY_REPORT in route.events:
                raise ValueError("a daily report wakes nobody: its route cannot name a pager")
        return self

    def channels_for(self, message: Message) -> tuple[str, ...]:
        """The names of the channels that a message goes to, each once, in order of the routes.

        A daily report never goes to a pager, also not by a route for everything.
        """
        names = dict.fromkeys(name for route in self.routes if route.takes(message) for name in route.channels)
        if message.event == Event.DAILY_REPORT:
            return tuple(name for name in names if self.channels[name].kind != "pagerduty")
        return tuple(names)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is told: `title` is one line, `text` Markdown or plain text, `html` a ready document for mail.

    `subject` is what it is about (an incident's id); with event and level it makes the key that stays the same when the
    message is sent again, until an incident is opened again: `round` says how often it was. `facts` are JSON-ready
    values for programs.
    """

    subject: str
    event: str
    level: int = 0
    domain: str | None = None
    urgency: str = Urgency.LOW.value
    severity: str | None = None
    fault_class: str | None = None
    owners: Sequence[str] = ()
    title: str
    text: str
    html: str | None = None
    link: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    round: int = 0

    @property
    def key(self) -> str:
        """The same for the same thing told again."""
        anew = f"/{self.round}" if self.round else ""
        return f"groundwork/{self.subject}/{self.event}/{self.level}{anew}"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form; `Message(**…)` reads it back."""
        return asdict(self)


def read_notification_policy(folder: Path) -> NotificationPolicy:
    """The policy in `folder`; without a file everything goes to the log alone.

    Raises: ConfigError as `read_policy_document`.
    """
    path = folder / POLICY
    return read_policy_or(fallback_policy(), path)


def fallback_policy() -> NotificationPolicy:
    """Everything to the log: what holds without a policy, and while the policy cannot be read."""
    return NotificationPolicy(
        kind="notifications", version="0", channels={"log": Channel(kind="log")}, routes=(Route(channels=("log",)),)
    )


def incident_message(incident: Mapping[str, Any], event: str, level: int, link: str | None = None) -> Message:
    """What people are told of an incident (a row of `incident`)."""
    report = incident["report"]
    heading = _HEADINGS.get(event, event)
    return Message(
        subject=str(incident["id"]),
        event=event,
        level=level,
        round=incident.get("reopenings", 0),
        domain=incident["domain"],
        urgency=str(report["urgency_level"]),
        severity=str(incident["severity"]),
        fault_class=incident["fault_class"],
        owners=tuple(incident["assessment"].get("owners", ())),
        title=one_line(f"{heading}: {report['issue_type']} at {incident['subject']} ({report['urgency_level']})"),
        text=_incident_text(incident, event, level),
        link=link,
        facts={
            "incident_id": str(incident["id"]),
            "state": incident["state"],
            "severity": incident["severity"],
            "answer": incident["answer"],
            "answered_by": incident["answered_by"],
            "dag_id": incident["dag_id"],
            "task_id": incident["task_id"],
            "affected": len(incident["affected"]),
            "owners": list(incident["assessment"].get("owners", ())),
            "report": dict(report),
        },
    )


def is_alarm(incident: Mapping[str, Any]) -> bool:
    """Whether an alarm opened an incident (a row of `incident`), or made it worse."""
    return any(str(reason).startswith(ALARM_REASON) for reason in incident["assessment"].get("reasons", ()))


_HEADINGS = {
    "opened": "Needs a decision",
    "escalated": "Still waits for a decision",
    "answered": "Decided",
    "resolved": "Resolved",
    "alarm": "Alarm",
    "severity_raised": "Worse than it was",
}


def _incident_text(incident: Mapping[str, Any], event: str, level: int) -> str:
    report = incident["report"]
    lines = [str(report["business_impact"]), str(report["cross_domain_impact"])]
    if event == Event.ANSWERED:
        lines = [f"{incident['answered_by']} decided: {incident['answer']}.", *lines]
    elif event == Event.RESOLVED:
        lines = [_last_word(incident["timeline"]), *lines[:1]]
    else:
        lines.insert(0, one_line(_why_open(incident), _TEXT_LENGTH))
        if event == Event.ESCALATED:
            lines.insert(0, f"Nobody has answered; level {level} is told now.")
        if event == Event.SEVERITY_RAISED:
            reasons = incident["assessment"].get("reasons") or ("",)
            lines.insert(0, one_line(f"Severity {incident['severity']} now: {reasons[-1]}", _TEXT_LENGTH))
        lines += [f"Tried: {line}" for line in report["attempted_solutions"]]
        lines += [f"Advice: {line}" for line in report["specialist_recommendations"]]
        lines.append(f"Recommended answer: {report['recommended_action']}")
    return cut("\n".join(lines))


def _why_open(incident: Mapping[str, Any]) -> str:
    """The line of the timeline that tells of its last opening."""
    openings = [str(each["what"]) for each in incident["timeline"] if str(each["what"]).startswith(OPENED_AGAIN)]
    return openings[-1] if openings else str(incident["timeline"][0]["what"])


def _last_word(timeline: Sequence[Mapping[str, str]]) -> str:
    """The newest line that is not about telling people."""
    words = (str(each["what"]) for each in reversed(timeline))
    return next((what for what in words if not what.startswith(TOLD)), "")


def one_line(text: str, length: int = _TITLE_LENGTH) -> str:
    r"""`text` without line breaks and control signs, cut: fit for the subject of a mail.

    >>> one_line("a\r\nBcc: b")
    'a Bcc: b'
    """
    folded = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return folded if len(folded) <= length else folded[: length - 1] + "…"


def cut(text: str) -> str:
    """`text` short enough for every channel."""
    return text if len(text) <= _TEXT_LENGTH else text[: _TEXT_LENGTH - 1] + "…"
