"""Errors as problem documents (RFC 9457) that say what was expected, what was found and what to do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Response

from groundwork.access.errors import (
    AccessRefusedError,
    DuplicateRowError,
    InvalidQueryError,
    InvalidRowsError,
    MissingReferenceError,
    NotReadyError,
    RowNotFoundError,
    StaleRowError,
)
from groundwork.model.errors import GroundworkError, RetriableError

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = "2"
_STATUS: tuple[tuple[type[GroundworkError], int, str], ...] = (
    (InvalidRowsError, 422, "invalid-row"),
    (InvalidQueryError, 422, "invalid-query"),
    (DuplicateRowError, 409, "duplicate-row"),
    (MissingReferenceError, 409, "missing-reference"),
    (RowNotFoundError, 404, "row-not-found"),
    (StaleRowError, 412, "row-changed"),
    (AccessRefusedError, 403, "access-refused"),
    (NotReadyError, 503, "not-ready"),
    (RetriableError, 503, "unavailable"),
)


class ProblemError(GroundworkError):
    """A refusal that has its HTTP status already."""

    def __init__(self, status: int, name: str, what: str, *, headers: Mapping[str, str] | None = None, **facts: Any):
        super().__init__(what, **facts)
        self.status = status
        self.name = name
        self.headers = dict(headers or {})


def as_problem(error: GroundworkError) -> ProblemError:
    """The error with the HTTP status and the name it has in this API."""
    if isinstance(error, ProblemError):
        return error
    status, name = next(
        ((status, name) for kind, status, name in _STATUS if isinstance(error, kind)), (500, "internal-error")
    )
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else {}
    found = ProblemError(status, name, error.what, headers=headers)
    found.where, found.expected, found.found = error.where, error.expected, error.found
    found.next_step = error.next_step
    found.__cause__ = error
    return found


def problem_response(error: GroundworkError, path: str) -> Response:
    """The problem document of an error, for a request to `path`."""
    problem = as_problem(error)
    facts = {
        "type": f"urn:groundwork:problem:{problem.name}",
        "title": problem.what,
        "status": problem.status,
        "instance": path,
        "where": problem.where,
        "expected": problem.expected,
        "found": problem.found,
        "next_step": problem.next_step,
    }
    document = {name: _plain(value) for name, value in facts.items() if value is not None}
    if isinstance(problem.__cause__, InvalidRowsError):
        document["errors"] = [
            {name: value for name, value in each.to_json().items() if name != "row"}
            for each in problem.__cause__.errors
        ]
    body = json.dumps(document, ensure_ascii=True).encode()
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


def internal_error() -> tuple[ProblemError, str]:
    """A problem that tells the caller nothing but an id, and that id, under which the log has the rest."""
    incident = uuid.uuid4().hex
    problem = ProblemError(
        500,
        "internal-error",
        "the service failed on this request",
        found=f"incident {incident}",
        next_step="tell the operators this incident's id; their log has the rest",
    )
    return problem, incident


def _plain(value: object) -> object:
    return value if isinstance(value, int | str) else str(value)
