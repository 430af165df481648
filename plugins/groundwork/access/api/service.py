"""What the routes do: find the table for a key's role, read or write, and keep what must be kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from sqlalchemy import Engine

from groundwork.access.api import requests
from groundwork.access.api.problem import ProblemError
from groundwork.access.api.record import AccessRecord
from groundwork.access.errors import AccessRefusedError, RowNotFoundError
from groundwork.access.json_read import JsonRow, read_page, read_row
from groundwork.access.repository import Repositories, role_of
from groundwork.access.rows import Row
from groundwork.access.table_access import Repository
from groundwork.contracts.contract import Domain, RoleContract, TableContract
from groundwork.model.errors import ConfigError
from groundwork.store.api_key import ApiKey

_JSON = "application/json"
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "X-API-Key"}


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a request wants to work: as which role, in which table."""

    key: ApiKey
    role: RoleContract
    domain: Domain
    table: TableContract
    repositories: Repositories

    @property
    def subject(self) -> str:
        return f"{self.domain.name}/{self.table.name}"

    @property
    def repository(self) -> Repository:
        return self.repositories[self.table.name]


class Service:
    """The work of the data API; every method raises GroundworkError for what the caller can mend."""

    def __init__(
        self, domains: Sequence[Domain], engine: Engine, record: AccessRecord, statement_seconds: float
    ) -> None:
        self._domains = {domain.name: domain for domain in domains}
        self._record = record

        @cache
        def repositories(domain: str, role: str) -> Repositories:
            return Repositories(engine, self._domains[domain], role=role, timeout_seconds=statement_seconds)

        self._repositories = repositories

    def index(self, request: Request) -> Response:
        """The tables that the key's role can read."""
        key: ApiKey = request.state.key
        found = {
            domain.name: {table.name: f"{requests.PREFIX}/{domain.name}/{table.name}" for table in domain.tables}
            for domain in self._domains.values()
            if any(role.name == key.role for role in domain.roles)
        }
        return Response(json.dumps({"role": key.role, "domains": found}), media_type=_JSON, headers=_PRIVATE)

    def list(self, request: Request) -> Response:
        """One page of a table, with the address of the next."""
        place = self._place(request)
        with self._denials(place):
            query = requests.list_query(place.repository.relation, request.query_params.multi_items())
            page = read_page(place.repository, query)
        self._record.read(place.key, place.subject, page.count)
        following, headers = "null", dict(_PRIVATE)
        if page.cursor is not None:
            address = _next_address(request, page.cursor)
            following = json.dumps(address)
            headers["Link"] = f'<{address}>; rel="next"'
        return Response(f'{{"data":{page.body},"next":{following}}}', media_type=_JSON, headers=headers)

    def get(self, request: Request) -> Response:
        """One row with its version as ETag; 304 when the caller has it already."""
        place = self._place(request)
        with self._denials(place):
            key = requests.row_key(place.repository.relation, request)
            wanted = requests.only_fields(request.query_params.multi_items())
            row = read_row(place.repository, key, wanted)
        if row is None:
            raise _not_found(place)
        self._record.read(place.key, place.subject, 1)
        headers = {**_PRIVATE, "ETag": _etag(row)}
        known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if _etag(row).removeprefix("W/") in known or known == ["*"]:
            return Response(status_code=304, headers=headers)
        return Response(row.body, media_type=_JSON, headers=headers)

    def create(self, request: Request, body: dict[str, Any]) -> Response:
        """Add one row; 201 with the row as the role sees it."""
        place = self._place(request, to_write=True)
        requests.no_parameters(request.query_params.multi_items())
        key, row = self._write(place, "row_created", list(body), lambda repository: repository.insert([body])[0])
        location = f"{requests.PREFIX}/{place.subject}/{_path_key(place, key)}"
        headers = {**_PRIVATE, "ETag": _etag(row), "Location": location}
        return Response(row.body, status_code=201, media_type=_JSON, headers=headers)

    def update(self, request: Request, body: dict[str, Any]) -> Response:
        """Change one row that is still at the version in `If-Match`."""
        place = self._place(request, to_write=True)
        requests.no_parameters(request.query_params.multi_items())
        wanted = requests.row_key(place.repository.relation, request)
        version = requests.expected_version(request)

        def change(repository: Repository) -> Row:
            return repository.update(wanted, body, expected_version=version)

        _, row = self._write(place, "row_updated", list(body), change)
        return Response(row.body, media_type=_JSON, headers={**_PRIVATE, "ETag": _etag(row)})

    def _place(self, request: Request, *, to_write: bool = False) -> _Place:
        key: ApiKey = request.state.key
        name, table_name = request.path_params["domain"], request.path_params["table"]
        domain = self._domains.get(name)
        table = next((each for each in domain.tables if each.name == table_name), None) if domain else None
        if domain is None or table is None:
            raise ProblemError(
                404,
                "not-found",
                "no such table is served",
                expected=f"a table that GET {requests.PREFIX} lists",
                found=f"{name}/{table_name}"[:200],
                next_step=f"GET {requests.PREFIX}",
            )
        role = self._role(key, domain, f"{domain.name}/{table.name}")
        if to_write and role.access != "write":
            self._record.denied(key, "role may not write", f"{domain.name}/{table.name}")
            raise AccessRefusedError(
                "the key's role may not write",
                where=f"{domain.name}/{table.name}",
                expected=f"one of {', '.join(each.name for each in domain.roles if each.access == 'write') or 'none'}",
                found=role.name,
                next_step="use a key of a role with write access",
            )
        return _Place(
            key=key, role=role, domain=domain, table=table, repositories=self._repositories(domain.name, role.name)
        )

    def _role(self, key: ApiKey, domain: Domain, subject: str) -> RoleContract:
        try:
            return role_of(domain, key.role)
        except ConfigError as error:
            self._record.denied(key, "role of another domain", subject)
            raise AccessRefusedError(
                "the key's role belongs to no contract of this domain",
                where=subject,
                expected=error.expected and str(error.expected),
                found=key.role,
                next_step="use a key of one of the domain's roles",
            ) from error

    def _write(
        self, place: _Place, action: str, columns: Sequence[str], change: Callable[[Repository], Row]
    ) -> tuple[dict[str, object], JsonRow]:
        """Change, read back and audit in one transaction: what cannot be audited is not written."""
        written: dict[str, object] | None = None
        try:
            with self._denials(place), place.repositories.transaction() as transaction:
                repository = transaction[place.table.name]
                changed = change(repository)
                key = {name: changed[name] for name in repository.relation.key}
                row = _written(place, repository, key)
                self._record.wrote(place.key, action, place.domain.name, _audited(place), _facts(place, key, columns))
                written = key
        except Exception:
            if written is not None:  # audited, but the commit failed
                facts = _facts(place, written, columns)
                self._record.wrote(place.key, "write_undone", place.domain.name, _audited(place), facts)
            raise
        return key, row

    def _denials(self, place: _Place) -> _Denials:
        return _Denials(self._record, place)


@dataclass(frozen=True)
class _Denials:
    """Writes a refusal that comes from the database to the audit trail on its way out."""

    record: AccessRecord
    place: _Place

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, AccessRefusedError):
            self.record.denied(self.place.key, "refused by grants or masks", self.place.subject)


def _written(place: _Place, repository: Repository, key: Mapping[str, object]) -> JsonRow:
    row = read_row(repository, key)
    if row is None:
        raise _not_found(place)
    return row


def _audited(place: _Place) -> str:
    return f"warehouse:{place.table.qualified_name}"


def _facts(place: _Place, key: Mapping[str, object], columns: Sequence[str]) -> dict[str, object]:
    """Which row and columns; a key that is personal data itself stands as its digest."""
    personal = {name for name in key if place.table.column(name).personal_data is not None}
    shown = {
        name: hashlib.sha256(str(value).encode()).hexdigest()[:16] if name in personal else str(value)
        for name, value in key.items()
    }
    return {"key": shown, "columns": sorted(columns)}


def _not_found(place: _Place) -> RowNotFoundError:
    return RowNotFoundError(
        "no row has this key",
        where=place.subject,
        expected=f"the key of a row: {', '.join(place.table.primary_key)}",
        found="none",
        next_step=f"GET {requests.PREFIX}/{place.subject} lists the rows",
    )


def _etag(row: JsonRow) -> str:
    """The row's version, or a weak tag of what is shown where the role may not see the version."""
    if row.version is not None:
        return f'"{row.version}"'
    return f'W/"{hashlib.sha256(row.body.encode()).hexdigest()[:32]}"'


def _next_address(request: Request, cursor: str) -> str:
    kept = [(name, text) for name, text in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"


def _path_key(place: _Place, key: Mapping[str, object]) -> str:
    return ",".join(quote(_text(key[name]), safe="") for name in place.table.primary_key)


def _text(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
