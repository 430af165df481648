"""The application: routes, what each request does, and what is kept of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

import anyio
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

import groundwork
from groundwork.access.api import requests
from groundwork.access.api.authentication import Authentication
from groundwork.access.api.openapi import document
from groundwork.access.api.problem import ProblemError, internal_error, problem_response
from groundwork.access.api.record import AccessRecord
from groundwork.access.api.service import Service
from groundwork.contracts.contract import Domain
from groundwork.model.errors import GroundworkError
from groundwork.store.api_key import ApiKeys
from groundwork.store.api_usage import ApiUsage
from groundwork.store.audit import AuditTrail

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_READING = ("GET", "HEAD")
_FLUSH_SECONDS = 5.0
_THREADS = 10  # requests that wait for a database at one time; an engine's pool lends 15 connections by default
STATEMENT_SECONDS = 5.0  # longest a statement may take


def create_api(
    domains: Domain | Sequence[Domain],
    warehouse_engine: Engine,
    store_engine: Engine,
    *,
    statement_seconds: float = STATEMENT_SECONDS,
    threads: int = _THREADS,
) -> FastAPI:
    """The data API over the tables of `domains`; nothing is read from a database before the first request."""
    served = [domains] if isinstance(domains, Domain) else list(domains)
    record = AccessRecord(AuditTrail(store_engine), ApiUsage(store_engine))
    limiter = CapacityLimiter(threads)
    routes = _Routes(Service(served, warehouse_engine, record, statement_seconds), limiter)
    described = document(served)
    app = FastAPI(docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=_flushing(record))
    app.openapi = lambda: described  # type: ignore[method-assign]
    app.router.add_route("/health", routes.health, methods=["GET"], include_in_schema=False)
    app.router.add_route(requests.PREFIX, routes.index, methods=["GET"], include_in_schema=False)
    collection, row = f"{requests.PREFIX}/{{domain}}/{{table}}", f"{requests.PREFIX}/{{domain}}/{{table}}/{{key:path}}"
    app.router.add_route(collection, routes.collection, methods=["GET", "POST"], include_in_schema=False)
    app.router.add_route(row, routes.row, methods=["GET", "PATCH"], include_in_schema=False)
    app.add_middleware(Authentication, keys=ApiKeys(store_engine), record=record, limiter=limiter)
    app.add_exception_handler(HTTPException, _no_such_route)
    return app


class _Routes:
    """Requests in, responses out; the work itself is `Service`'s and runs in threads."""

    def __init__(self, service: Service, limiter: CapacityLimiter) -> None:
        self._service = service
        self._limiter = limiter

    async def health(self, _: Request) -> Response:
        """Say that the service runs; whether its databases do is told by each request."""
        return Response(f'{{"status":"ok","version":"{groundwork.__version__}"}}', media_type="application/json")

    async def index(self, request: Request) -> Response:
        """List the tables that are served."""
        return await self._answer(request, lambda: self._service.index(request))

    async def collection(self, request: Request) -> Response:
        """List rows, or create one."""
        if request.method in _READING:
            return await self._answer(request, lambda: self._service.list(request))
        return await self._with_body(request, self._service.create)

    async def row(self, request: Request) -> Response:
        """Show one row, or change it."""
        if request.method in _READING:
            return await self._answer(request, lambda: self._service.get(request))
        return await self._with_body(request, self._service.update)

    async def _with_body(self, request: Request, work: Callable[[Request, dict[str, Any]], Response]) -> Response:
        try:
            body = await requests.json_object(request)
        except GroundworkError as error:
            return problem_response(error, request.url.path)
        return await self._answer(request, lambda: work(request, body))

    async def _answer(self, request: Request, work: Callable[[], Response]) -> Response:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except GroundworkError as error:
            return problem_response(error, request.url.path)
        except Exception:
            problem, incident = internal_error()
            _log.exception("request failed, incident %s", incident)
            return problem_response(problem, request.url.path)


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    what = {404: "there is nothing at this path", 405: "this path does not take this method"}.get(status, "refused")
    problem = ProblemError(
        status,
        {404: "not-found", 405: "method-not-allowed"}.get(status, "refused"),
        what,
        headers=getattr(error, "headers", None),
        expected="a path and method of /openapi.json",
        found=f"{request.method} {request.url.path[:200]}",
        next_step=f"GET {requests.PREFIX} lists the tables",
    )
    return problem_response(problem, request.url.path)


def _flushing(record: AccessRecord) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_flush_for_ever(record))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await _flush(record)

    return lifespan


async def _flush_for_ever(record: AccessRecord) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        await _flush(record)


async def _flush(record: AccessRecord) -> None:
    try:
        await anyio.to_thread.run_sync(record.flush)
    except Exception as error:  # a store that is away must not end the service
        _log.warning("read counts could not be stored: %s", type(error).__name__)
