"""One function per kind of channel that sends a message through Airflow's own notifiers and connections.

Each function returns what came back, for people, or raises whatever its library raises. Trying again is not theirs:
`groundwork.operators.incidents.notify` keeps what failed and sends it again: the libraries' own loops are cut short.
Notifiers are called by `notify`, never as a callback: the callback renders their texts as Jinja templates, and these
texts come from errors.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from groundwork.model.errors import ConfigError
from groundwork.orbt.incidents.notifications import Channel, Event, Message

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Connection

_log = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 10
_ANSWER_LENGTH = 200  # characters of an answer that are worth keeping
_SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}  # PagerDuty's words
_ACTIONS = {Event.ANSWERED: "acknowledge", Event.RESOLVED: "resolve"}
SIGNATURE_HEADER = "X-Groundwork-Signature"
KEY_HEADER = "X-Groundwork-Key"


def send(channel: Channel, message: Message) -> str:
    """Send a message; what came back.

    Raises: ImportError when the channel's package is not installed; ConfigError when its connection cannot be used;
    else what the library raises when the other side refuses or is away.
    """
    return _SENDERS[channel.kind](channel, message)


def _slack(channel: Channel, message: Message) -> str:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    told = [f"*{_slack_text(message.title)}*", _slack_text(message.text)]
    if message.link:
        told.append(f"<{_slack_text(message.link)}|Open it in Airflow>")
    notifier = SlackWebhookNotifier(
        slack_webhook_conn_id=_named(channel),
        text="\n".join(told),
        unfurl_links=False,
        timeout=_TIMEOUT_SECONDS,
        retry_handlers=[],
    )
    _tell(notifier)
    return "the webhook took it"


def _slack_text(text: str) -> str:
    """Text in which nothing is a mention, a channel or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _smtp(channel: Channel, message: Message) -> str:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    notifier = SmtpNotifier(
        to=list(channel.to),
        from_email=channel.sender,
        subject=message.title,
        html_content=message.html or _mail(message),
        smtp_conn_id=_named(channel),
        custom_headers={
            "Message-ID": f"<{_digest(message.key)}@groundwork>",
            "References": f"<{_digest(message.subject)}@groundwork>",  # one thread per incident
        },
    )
    _tell(notifier)
    return f"the mail server took it for {len(channel.to)} address(es)"


def _mail(message: Message) -> str:
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in message.text.splitlines() if line.strip())
    link = f'<p><a href="{html.escape(message.link)}">Open it in Airflow</a></p>' if message.link else ""
    return f"<!doctype html><html><body><h2>{html.escape(message.title)}</h2>{paragraphs}{link}</body></html>"


def _pagerduty(channel: Channel, message: Message) -> str:
    import pagerduty
    from airflow.providers.pagerduty.hooks.pagerduty_events import PagerdutyEventsHook, prepare_event_data
    from airflow.providers.pagerduty.notifications.pagerduty import PagerdutyNotifier

    connection_id = _named(channel)
    address = _connection(connection_id).host or None  # another service region than the United States

    class Hook(PagerdutyEventsHook):
        """Asks once: the library would wait out errors by itself, and a rate limit without an end."""

        def send_event(self, *arguments: Any, **given: Any) -> str:
            client = pagerduty.EventsApiV2Client(self.integration_key, base_url=address)
            client.retry, client.max_network_attempts, client.timeout = {429: 1}, 0, _TIMEOUT_SECONDS
            return str(client.send_event(**prepare_event_data(*arguments, **given)))

    class Notifier(PagerdutyNotifier):
        @cached_property
        def hook(self) -> PagerdutyEventsHook:
            return Hook(pagerduty_events_conn_id=self.pagerduty_events_conn_id)

    action = _ACTIONS.get(Event(message.event), "trigger")
    notifier = Notifier(
        pagerduty_events_conn_id=connection_id,
        summary=message.title,
        severity=_SEVERITIES.get(message.urgency, "warning"),
        source="groundwork",
        action=action,
        dedup_key=f"groundwork/{message.subject}",
        component=message.domain,
        class_type=message.fault_class,
        custom_details={"text": message.text, **message.facts},
        links=[{"href": message.link, "text": "Open it in Airflow"}] if message.link else None,
    )
    _tell(notifier)
    return f"PagerDuty took it ({action})"


def _webhook(channel: Channel, message: Message) -> str:
    """Posts JSON; the connection's password signs it and is never sent, which Airflow's own HTTP hook would do."""
    import httpx

    connection = _connection(_named(channel))
    body = json.dumps(message.to_json() | {"key": message.key}, sort_keys=True, default=str).encode()
    headers = {"Content-Type": "application/json", KEY_HEADER: message.key}
    if connection.password:
        headers[SIGNATURE_HEADER] = signature(connection.password, body, int(time.time()))
    with (
        httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client,
        client.stream("POST", _address(connection), content=body, headers=headers) as response,
    ):
        if not response.is_success:
            # Only the first piece: an answer without an end must not hold up the other channels. And no
            # raise_for_status: its text holds the address, and addresses of webhooks can be secrets.
            said = next(response.iter_bytes(_ANSWER_LENGTH), b"").decode(errors="replace")
            raise ConnectionError(f"HTTP {response.status_code}: {said}")
        return f"HTTP {response.status_code}"


def signature(secret: str, body: bytes, at: int) -> str:
    """The value of the signature's header: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>", hexadecimal>`.

    A receiver makes the same from the header's time and the body as it came, and refuses times that are long past.
    """
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


def _address(connection: Connection) -> str:
    if not connection.host:
        raise ConfigError(
            "the connection has no host",
            where=f"connection {connection.conn_id}",
            expected="host, with port and schema where they differ from https",
            next_step="add it to the connection; a path stands in its extra as `endpoint`",
        )
    host = connection.host if "://" in connection.host else f"{connection.schema or 'https'}://{connection.host}"
    base = f"{host.rstrip('/')}:{connection.port}" if connection.port else host.rstrip("/")
    return f"{base}/{str(connection.extra_dejson.get('endpoint', '')).lstrip('/')}"


def _tell(notifier: BaseNotifier) -> None:
    """Call it without rendering: see the module's words."""
    empty: Any = {}
    notifier.notify(empty)


def _to_log(_channel: Channel, message: Message) -> str:
    _log.warning("%s\n%s", message.title, message.text)
    return "written to the log"


def _named(channel: Channel) -> str:
    if channel.connection is None:  # the policy's model refuses that
        raise ConfigError("this channel names no connection", found=channel.kind)
    return channel.connection


def _connection(connection_id: str) -> Connection:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found: Connection = Connection.get(connection_id)
    except AirflowNotFoundException as error:
        raise ConfigError(
            f"Airflow has no connection `{connection_id}`",
            next_step=f"airflow connections add {connection_id} …; docs/incidents.md tells what each channel needs",
        ) from error
    return found


def secrets_of(connection_id: str | None) -> tuple[str, ...]:
    """What must not stand in an answer that is kept: the connection's password, and a token in its extra."""
    if connection_id is None:
        return ()
    try:
        connection = _connection(connection_id)
        extra = connection.extra_dejson.values()
    except Exception:  # no connection, no secret of it
        return ()
    return tuple(text for text in (connection.password, *map(str, extra)) if text and len(text) >= 6)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_SENDERS: Mapping[str, Callable[[Channel, Message], str]] = {
    "slack": _slack,
    "smtp": _smtp,
    "pagerduty": _pagerduty,
    "webhook": _webhook,
    "log": _to_log,
}
