"""Nothing but `/health` is answered without a valid key.

A layer around the whole application, not a dependency of each route: a route that somebody adds later is closed
before anybody thinks of it, and unknown paths do not tell what exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import psycopg
from anyio import CapacityLimiter
from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from groundwork.access.api.problem import ProblemError, problem_response
from groundwork.access.errors import NotReadyError, UnavailableError
from groundwork.model.errors import GroundworkError
from groundwork.store.api_key import ApiKey, Refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from groundwork.access.api.record import AccessRecord
    from groundwork.store.api_key import ApiKeys, KeyVerdict

HEADER = "X-API-Key"
OPEN_PATHS = frozenset({"/health"})


class Authentication:
    """ASGI layer that puts the verified key into `request.state.key` or answers 401."""

    def __init__(self, app: ASGIApp, *, keys: ApiKeys, record: AccessRecord, limiter: CapacityLimiter) -> None:
        self._app = app
        self._keys = keys
        self._record = record
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its key, or answer it."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            request = Request(scope)
            try:
                request.state.key = await self._key(request)
            except GroundworkError as error:
                await problem_response(error, scope["path"])(scope, receive, send)
                return
        elif scope["type"] not in ("http", "lifespan"):
            return
        await self._app(scope, receive, send)

    async def _key(self, request: Request) -> ApiKey:
        token = request.headers.get(HEADER)
        if not token:
            await anyio.to_thread.run_sync(self._record.denied, None, "no key", "api", limiter=self._limiter)
            raise _refused("no API key was given", found="no header X-API-Key")
        verdict = await anyio.to_thread.run_sync(self._verify, token, limiter=self._limiter)
        if verdict.key is not None and verdict.refusal is None:
            return verdict.key
        refusal = verdict.refusal or Refusal.UNKNOWN
        await anyio.to_thread.run_sync(self._record.denied, verdict.key, f"{refusal} key", "api", limiter=self._limiter)
        raise _refused(f"the API key is {refusal}", found=f"an {refusal} key")

    def _verify(self, token: str) -> KeyVerdict:
        try:
            return self._keys.verify(token)
        except (SQLAlchemyError, psycopg.Error) as error:
            if getattr(getattr(error, "orig", error), "sqlstate", None) in ("42P01", "3F000"):
                raise NotReadyError(
                    "the store has no keys yet", expected="a migrated store", next_step="groundwork up"
                ) from error
            raise UnavailableError(
                "keys cannot be verified now", expected="the store answers", next_step="groundwork status"
            ) from error


def _refused(what: str, *, found: str) -> ProblemError:
    return ProblemError(
        401,
        "unauthenticated",
        what,
        headers={"WWW-Authenticate": f'ApiKey realm="groundwork", header="{HEADER}"'},
        expected=f"a valid key in the header {HEADER}",
        found=found,
        next_step="groundwork api-key issue <role> --name <what for>",
    )
