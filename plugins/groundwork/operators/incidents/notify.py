"""Tells people what they have to know: plans a message per channel, sends it, keeps what came of it.

A channel that fails holds up no other and fails nothing: what could not be sent stays in the store and is sent again by
`send_again`, with growing pauses, a limited number of times. What reached people, and what never did, stands in the
incident's timeline. Source: requirement O5.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundwork.model.errors import ConfigError
from groundwork.model.incident import Severity
from groundwork.model.nearest import unknown_word
from groundwork.operators import connections
from groundwork.orbt.incidents.notifications import (
    Event,
    Message,
    NotificationPolicy,
    incident_message,
    is_alarm,
    read_notification_policy,
)
from groundwork.orbt.incidents.notifications_in_force import notification_policy_in_force
from groundwork.settings import STORE_CONNECTION, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

_log = logging.getLogger(__name__)
_EXTRA = "pip install 'groundwork[notify]'"
_BY = "orbt"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message on one channel. `state`: `sent`, `failed` (tried again later), `given_up`, or `sending` elsewhere.

    `is_new` is false when it was told before and nothing was sent now; `answer` is what came back, without secrets.
    """

    channel: str
    event: str
    state: str
    answer: str
    is_new: bool


def notify(
    incident_id: str,
    event: str,
    store_connection_id: str = STORE_CONNECTION,
    *,
    level: int | None = None,
    channels: Sequence[str] = (),
) -> list[Delivery]:
    """Tell people of an incident, as the policy routes it; one delivery per channel. Safe to repeat.

    `event` is a word of `Event`; the opening of an incident by an alarm is told as `alarm`, once. `level` (default: the
    incident's own) tells escalations apart, and each is told once; `channels` are told besides those that the policy
    names. Never raises for a channel.
    Raises: ConfigError when there is no such incident or event; SQLAlchemyError when the store is away.
    """
    from groundwork.store.incident import Incidents

    if event not in list(Event):
        raise ConfigError("there is no such event", where="notify", expected=", ".join(Event), found=event)
    try:
        known = uuid.UUID(incident_id)
    except ValueError as error:
        raise ConfigError("this is no id of an incident", where="notify", found=incident_id) from error
    store = connections.engine(store_connection_id)
    incident = Incidents(store).get(known)
    if event == Event.OPENED and is_alarm(incident):
        event = Event.ALARM
    if level is None:
        level = int(incident.get("level") or 0) if event == Event.ESCALATED else 0
    return deliver(store, incident_message(incident, event, level, link(f"incidents/{incident_id}")), channels)


def deliver(
    store: Engine, message: Message, channels: Sequence[str] = (), *, but_not: Collection[str] = ()
) -> list[Delivery]:
    """Send any message by the policy's routes and to `channels`, `but_not` to some; raises as `notify` does for the
    store alone.
    """
    from groundwork.store.base import utc_now
    from groundwork.store.notification import Notifications

    policy = _policy(store, message)
    book = Notifications(store)
    told = message.to_json()
    rows = [
        book.plan(
            subject=message.subject,
            event=message.event,
            level=message.level,
            channel=name,
            message=told,
            now=utc_now(),
        )
        for name in dict.fromkeys((*policy.channels_for(message), *channels))
        if name not in but_not
    ]
    return [_send(store, policy, row_id) for row_id in rows]


def send_again(store_connection_id: str = STORE_CONNECTION, *, limit: int = 200) -> list[Delivery]:
    """Send what is due: that an open incident is worse than people were told, messages that failed, and those whose
    sender died; called every few minutes.

    Raises: SQLAlchemyError when the store is away.
    """
    from groundwork.store.base import utc_now
    from groundwork.store.notification import Notifications

    store = connections.engine(store_connection_id)
    policy, rises = _policy(), _tell_of_rises(store, limit)
    return rises + [_send(store, policy, row["id"]) for row in Notifications(store).due(utc_now(), limit)]


def _tell_of_rises(store: Engine, limit: int) -> list[Delivery]:
    """Tell of open incidents that became worse since their channels were told; each severity once."""
    from groundwork.store.incident_harm import IncidentHarm

    told: list[Delivery] = []
    for row in IncidentHarm(store).untold(limit):
        rank = Severity(row["severity"]).rank
        message = incident_message(row, Event.SEVERITY_RAISED, rank, link(f"incidents/{row['id']}"))
        told += deliver(store, message, but_not=row["told_channels"])
    return [each for each in told if each.is_new]


def try_channel(channel: str, policy: NotificationPolicy) -> str:
    """Send a message to one channel of the policy, past the store; what came back.

    Raises: ConfigError when there is no such channel or it does not take the message, with its words.
    """
    from groundwork.operators.incidents.channels import send

    if channel not in policy.channels:
        place = "governance/policies/notifications.yaml"
        raise unknown_word("the policy has no such channel", channel, policy.channels, where=place)
    message = Message(
        subject=f"test {uuid.uuid4()}",
        event=Event.TEST,
        title="A test of Groundwork's notifications",
        text=f"The channel {channel} works. Nothing has to be done.",
    )
    try:
        return send(policy.channels[channel], message)
    except Exception as error:
        raise ConfigError(
            "the channel did not take the message",
            where=f"channel {channel}",
            found=_told(error, policy.channels[channel].connection),
            next_step=_EXTRA if isinstance(error, ImportError) else "correct the channel or its Airflow connection",
        ) from error


def send_past_store(message: Message) -> list[Delivery]:
    """Send by the policy's routes while the store is away: nothing is kept and nothing tried again. Never raises."""
    from groundwork.operators.incidents.channels import send

    policy, told = _policy(), []
    for name in policy.channels_for(message):
        channel = policy.channels[name]
        try:
            state, answer = "sent", send(channel, message)
        except Exception as error:  # whatever a channel's trouble is, the others go on
            state, answer = "failed", _told(error, channel.connection)
            _log.warning("%s was not told of %s: %s", name, message.event, answer)
        told.append(Delivery(channel=name, event=message.event, state=state, answer=answer, is_new=True))
    return told


def _policy(store: Engine | None = None, message: Message | None = None) -> NotificationPolicy:
    """The policy; a broken one must not keep an incident from being told, so that what can be read of it holds then."""
    policies = Settings.from_environment().policies
    try:
        return read_notification_policy(policies)
    except ConfigError as error:
        if store is not None and message is not None:
            _note(store, message.subject, f"the policy of notifications cannot be read: {error.what} ({error.where})")
        return notification_policy_in_force(policies)


def _send(store: Engine, policy: NotificationPolicy, row_id: int) -> Delivery:
    from groundwork.operators.incidents.channels import send
    from groundwork.store.base import utc_now
    from groundwork.store.notification import Notifications

    book = Notifications(store)
    row = book.claim(row_id, utc_now())
    if row is None:
        return _as_it_is(book.get(row_id))
    channel = policy.channels.get(row["channel"])
    try:
        if channel is None:
            raise ConfigError("the policy names no such channel any more", found=row["channel"])  # noqa: TRY301
        answer = send(channel, Message(**row["message"]))
    except Exception as error:  # whatever a channel's trouble is, the other channels and the incident go on
        answer = _told(error, channel.connection if channel else None)
        state = book.failed(row, answer, utc_now())
        if row["tries"] == 1 or state == "given_up":
            _note(store, row["subject"], _failure(row, state, answer))
        _log.warning("%s was not told of %s: %s", row["channel"], row["event"], answer)
    else:
        state = "sent"
        book.sent(row, answer, utc_now())
        _note(store, row["subject"], f"told {row['channel']}: {row['event']}{_level(row)}; {answer}")
    return Delivery(channel=row["channel"], event=row["event"], state=state, answer=answer, is_new=True)


def _as_it_is(row: Mapping[str, Any]) -> Delivery:
    return Delivery(
        channel=row["channel"], event=row["event"], state=row["state"], answer=row["answer"] or "", is_new=False
    )


def _failure(row: Mapping[str, Any], state: str, answer: str) -> str:
    then = f"given up after {row['tries']} tries" if state == "given_up" else "it is tried again"
    return f"could not tell {row['channel']}: {row['event']}{_level(row)}; {answer}; {then}"


def _level(row: Mapping[str, Any]) -> str:
    if row["event"] == Event.SEVERITY_RAISED:
        return f" to {row['message']['severity']}"
    return f" (level {row['level']})" if row["level"] else ""


def _told(error: BaseException, connection_id: str | None) -> str:
    """An error for people: without the secrets of the connection, and of any other kind that is known by its look."""
    from groundwork.operators.incidents.channels import secrets_of
    from groundwork.orbt.redaction import redact

    if isinstance(error, ImportError):
        return f"the package for this channel is not installed ({error.name or 'unknown'}): {_EXTRA}"
    text = f"{type(error).__name__}: {error}"
    for secret in secrets_of(connection_id):
        text = text.replace(secret, "***")
    return " ".join(redact(text).split())[:500]


def _note(store: Engine, subject: str, what: str) -> None:
    """A line in the incident's timeline, when the subject is one; never raises."""
    from groundwork.store.incident import Incidents

    try:
        known = uuid.UUID(subject)
    except ValueError:
        return
    try:
        Incidents(store).note(known, what, _BY)
    except Exception:  # the delivery itself is on record
        _log.exception("the timeline did not take: %s", what)


def link(path: str) -> str | None:
    """The address of a page of ours, where Airflow knows its own."""
    from airflow.providers.common.compat.sdk import conf

    base = conf.get("api", "base_url", fallback="") or ""
    return f"{base.rstrip('/')}/groundwork/ui/{path}" if base.startswith("http") else None
