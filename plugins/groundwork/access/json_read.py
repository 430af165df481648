"""Reads for the data API: the server builds each row's JSON, so that no value passes through Python on its way out.

A statement is made once per shape and kept as the driver's text; requests of one shape differ in values only, so the
driver prepares it on the server and plans are reused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, Text, bindparam, cast, func, null, select

from groundwork.access.errors import InvalidQueryError
from groundwork.access.order import OrderKey
from groundwork.access.query import ListQuery, PageShape, next_cursor, page_plan, page_statement
from groundwork.access.relation import Relation
from groundwork.access.statement_cache import StatementCache
from groundwork.access.table_access import Repository
from groundwork.access.values import comparison_type

_STATEMENTS = StatementCache(512)


@dataclass(frozen=True, kw_only=True)
class JsonPage:
    """A page as the text of a JSON array with `count` rows; `cursor` is null on the last page."""

    body: str
    count: int
    cursor: str | None


@dataclass(frozen=True, kw_only=True)
class JsonRow:
    """One row as the text of a JSON object; `version` is null where the role may not see it."""

    body: str
    version: str | None


def read_page(repository: Repository, query: ListQuery) -> JsonPage:
    """One page of a table; raises as `Repository.list` does."""
    names = _shown(repository.relation, query.fields)
    shape, values = page_plan(repository.relation, query, repository.masked)
    found = _run(repository, ("page", names, shape), lambda: _page_of(repository, names, shape), values)
    rows = found[: query.limit]
    cursor = _cursor(shape.order, rows[-1][1:]) if len(found) > query.limit else None
    return JsonPage(body=f"[{','.join([row[0] for row in rows])}]", count=len(rows), cursor=cursor)


def read_row(repository: Repository, key: Mapping[str, object], fields: Sequence[str] | None = None) -> JsonRow | None:
    """The row with this key, or null when there is none; raises as `Repository.get` does."""
    names = _shown(repository.relation, fields)
    values = {f"key_{number}": key[name] for number, name in enumerate(repository.relation.key)}
    found = _run(repository, ("row", names), lambda: _row_of(repository, names), values)
    return JsonRow(body=found[0][0], version=found[0][1]) if found else None


def _run(repository: Repository, shape: object, build: Any, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
    """Rows of the statement, on the caller's transaction where there is one, else in one round trip."""
    if repository.session is None:
        with repository.begin(read_only=True) as connection:
            return connection.execute(build(), values).all()
    statement = _STATEMENTS.prepared(repository.relation, repository.access, shape, build)
    with repository.told_apart():
        return repository.session.fetch(statement.text, {**statement.constants, **values})


def _page_of(repository: Repository, names: Sequence[str], shape: PageShape) -> Select[Any]:
    """The page first, its JSON after: the server would else make JSON of every row before it sorts and cuts."""
    source = repository.source
    ordered = [key.column for key in shape.order]
    columns = [source.c[name] for name in dict.fromkeys((*names, *ordered))]
    page = page_statement(repository.relation, source, shape, columns).subquery("page")
    sorting = [page.c[key.column].desc() if key.is_descending else page.c[key.column].asc() for key in shape.order]
    keys = [page.c[name] for name in ordered]
    return select(_json_of(page, names), *keys).order_by(*sorting)


def _row_of(repository: Repository, names: Sequence[str]) -> Select[Any]:
    relation, source = repository.relation, repository.source
    columns = [source.c[name] for name in names]
    condition = [
        source.c[name] == bindparam(f"key_{number}", type_=comparison_type(relation.types[name]))
        for number, name in enumerate(relation.key)
    ]
    version = repository.version_of({name: source.c[name] for name in relation.key})
    found = select(*columns, (version if version is not None else null()).label("groundwork_row_version"))
    row = found.where(*condition).subquery("page")
    return select(_json_of(row, names), row.c.groundwork_row_version)


def _json_of(page: Subquery, names: Sequence[str]) -> ColumnElement[Any]:
    record = select(*[page.c[name] for name in names]).correlate(page).subquery("record")
    return select(cast(func.row_to_json(record.table_valued()), Text)).scalar_subquery()


def _cursor(order: Sequence[OrderKey], last: Sequence[object]) -> str:
    return next_cursor(order, {key.column: value for key, value in zip(order, last, strict=True)})


def _shown(relation: Relation, fields: Sequence[str] | None) -> tuple[str, ...]:
    names = relation.readable if fields is None else tuple(dict.fromkeys(fields))
    relation.require_columns(names)
    unreadable = [name for name in names if name not in relation.readable]
    if unreadable or not names:
        raise InvalidQueryError(
            "these fields cannot be shown",
            where=relation.contract.qualified_name,
            expected=f"some of {', '.join(relation.readable)}",
            found=", ".join(unreadable) or "none",
            next_step="correct `fields`",
        )
    return names
