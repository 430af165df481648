"""Registers Groundwork with Airflow: pages, their entry in the navigation, and the listener.

Airflow executes this file in every process, each task's included, so it imports nothing heavy: the pages' application
is imported at its first request, the listener's module only when there is one.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

Message = MutableMapping[str, Any]
_LISTENER = "groundwork.operators.listener"


class LazyApplication:
    """An ASGI application that is imported when the first request comes."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Hand the request on."""
        application = getattr(importlib.import_module(self._module), self._name)
        await application(scope, receive, send)


APPLICATION = {
    "name": "groundwork",
    "app": LazyApplication("groundwork.pages.app", "app"),
    "url_prefix": "/groundwork",
}
# Addresses are relative to Airflow's own base, so that they also hold when Airflow is served below a path.
VIEW = {
    "name": "Groundwork",
    "href": "groundwork/ui",
    "destination": "nav",
    "url_route": "groundwork",
    "nav_top_level": True,
    "icon": "groundwork/static/icon.svg",
}


def _listeners() -> list[Any]:
    found = importlib.util.find_spec(_LISTENER)
    return [importlib.import_module(_LISTENER)] if found else []


class GroundworkPlugin(AirflowPlugin):
    """Groundwork in Airflow."""

    name = "groundwork"

    def __init__(self) -> None:
        self.fastapi_apps = [APPLICATION]
        self.external_views = [VIEW]
        self.listeners = _listeners()
