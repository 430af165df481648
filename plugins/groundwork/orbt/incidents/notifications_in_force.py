"""Who is told while `notifications.yaml` cannot be read: by the channels and routes of it that can be, and the log.

A mistake in one route must not keep people from hearing of an incident by the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from groundwork.contracts.document import read_document
from groundwork.orbt.incidents.notifications import (
    POLICY,
    Channel,
    NotificationPolicy,
    Route,
    fallback_policy,
    read_notification_policy,
)
from groundwork.orbt.policy_in_force import policy_in_force

_LOG = Route(channels=("log",))


def notification_policy_in_force(folder: Path) -> NotificationPolicy:
    """The policy that holds now: while it cannot be read, the last good one, else what can be read. Never raises."""
    path = folder / POLICY
    return policy_in_force(path, lambda: read_notification_policy(folder), lambda: _readable(path))


def _readable(path: Path) -> NotificationPolicy:
    """Channels and routes that are right by themselves; everything goes to the log as well."""
    try:
        told = read_document(path).data
        channels = {**dict(_channels(told["channels"])), "log": Channel(kind="log")}
        routes = tuple(route for route in _routes(told["routes"]) if channels.keys() >= set(route.channels))
        return NotificationPolicy(kind="notifications", version="0", channels=channels, routes=(*routes, _LOG))
    except Exception:  # not even its structure can be read
        return fallback_policy()


def _channels(told: dict[str, Any]) -> Iterator[tuple[str, Channel]]:
    for name, channel in told.items():
        try:
            yield name, Channel.model_validate(channel)
        except ValidationError:
            continue


def _routes(told: list[Any]) -> Iterator[Route]:
    for route in told:
        try:
            yield Route.model_validate(route)
        except ValidationError:
            continue
