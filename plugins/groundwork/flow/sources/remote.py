"""Sources behind a named connection, opened as a contract declares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.source_keys import ignored_fields
from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.sources.filling import Filling, SchemaPolicy
from groundwork.flow.sources.kept_answers import AnswerWriter, KeptAnswer, Question
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError, RetriableError
from groundwork.model.vocabulary import WriteMode


def open_http(
    table: TableContract,
    columns: Sequence[ColumnContract],
    resources: Resources,
    *,
    batch_rows: int,
    since: str | None,
    window: Window | None,
) -> Source:
    """The reader of an API; raises ConfigError when the declaration or the connection cannot be used."""
    from groundwork.flow.sources.http import HttpSource
    from groundwork.flow.sources.http_client import base_url, declared_client
    from groundwork.flow.sources.objects import ObjectReader
    from groundwork.flow.sources.pagination import declared_pagination

    declared, where = table.source or {}, table.qualified_name
    facts = resources.connection(str(declared["connection"]))
    base_url(facts)
    mapping = _mapping(table)
    records = str(declared.get("records", ""))
    if records and not records.startswith("/"):
        raise _wrong(where, "records", "a JSON pointer such as /data/items", records)
    params = declared.get("params") or {}
    if not isinstance(params, Mapping) or any(isinstance(each, Mapping | list) for each in params.values()):
        raise _wrong(where, "params", "a mapping of names to plain values", params)
    known = [column.name for column in columns]
    plain = {str(name): _word(value) for name, value in params.items()}
    question = Question.of(facts.name, table.qualified_name, str(declared["path"]), plain)
    return HttpSource(
        client=declared_client(declared, facts, where),
        path=str(declared["path"]),
        params={**plain, **_pushed(declared, since, window)},
        records=records,
        pagination=declared_pagination(declared.get("pagination"), where),
        reader=ObjectReader(
            mapping=mapping or {name: name for name in known},
            types={column.name: column.type for column in table.columns},
            refuses_unknown=mapping is None or declared.get("on_schema_change") == SchemaPolicy.EVOLVE,
            ignored=ignored_fields(declared),
        ),
        batch_rows=batch_rows,
        writer=_writer(resources, question, declared, window),
        served=_served(resources, question, window),
    )


def _writer(
    resources: Resources, question: Question, declared: Mapping[str, Any], window: Window | None
) -> Callable[[], AnswerWriter] | None:
    """What keeps the answer; rows that are only ever added must not come twice, and a range is no whole answer."""
    answers = resources.answers
    if answers is None or window is not None or declared.get("mode") == WriteMode.APPEND:
        return None
    return partial(answers.writer, question)


def _served(resources: Resources, question: Question, window: Window | None) -> KeptAnswer | None:
    """The kept answer that is read because the API is away; raises RetriableError when this was never answered."""
    if question.connection not in resources.served:
        return None
    kept = resources.answers.answer_to(question) if resources.answers is not None and window is None else None
    if kept is None:
        raise RetriableError(
            "the API is away, and no answer to this question was kept",
            where=f"{question.table} from {question.connection}",
            expected="an answer of an earlier load",
            found="a range of rows is asked for" if window is not None else "none",
            next_step="wait for the API, or load without a range",
        )
    return kept


def open_table(
    table: TableContract,
    columns: Sequence[ColumnContract],
    resources: Resources,
    *,
    batch_rows: int,
    since: str | None,
    window: Window | None,
    is_incremental: bool,
) -> Source:
    """The reader of another database's table or query; raises ConfigError as `open_http` does.

    `is_incremental`: what a load leaves out is read by the next one, and stays in the table until then.
    """
    from groundwork.flow.sources.databases import only_select, open_database
    from groundwork.flow.sources.relation import Relation
    from groundwork.flow.sources.table import TableSource
    from groundwork.flow.sources.table_part import TablePart

    declared, where = table.source or {}, table.qualified_name
    facts = resources.connection(str(declared["connection"]))
    engine = open_database(facts)
    mapping = _mapping(table)
    query = declared.get("query")
    schema, _, name = str(declared.get("table", "")).rpartition(".")
    key = declared.get("key")
    relation = Relation(
        table=name or None,
        schema=schema or None,
        query=only_select(str(query), facts.kind, where) if query else None,
        key=None if key is None and not query else tuple([key] if isinstance(key, str) else key or ()),
    )
    watermark = (declared.get("watermark") or {}).get("column")
    return TableSource(
        name=f"{facts.name}:{declared.get('table') or 'query'}",
        engine=engine,
        relation=relation,
        filling=Filling(
            mapping=mapping,
            known=tuple(column.name for column in columns),
            policy=SchemaPolicy(declared.get("on_schema_change", SchemaPolicy.FREEZE)),
        ),
        types={column.name: column.type for column in table.columns},
        batch_rows=batch_rows,
        watermark=None if watermark is None else (mapping or {}).get(watermark, watermark),
        window=window,
        part=TablePart(since=since),
        is_incremental=is_incremental,
    )


def _mapping(table: TableContract) -> Mapping[str, str] | None:
    mapping: Mapping[str, str] | None = (table.source or {}).get("columns")
    for column in mapping or ():
        table.column(column)
    return mapping


def _pushed(declared: Mapping[str, Any], since: str | None, window: Window | None) -> dict[str, str]:
    """The parameters that ask for what came since the watermark, or for the window."""
    start = window.start if window is not None else since
    end = window.end if window is not None else None
    asked = {declared.get("since_param"): start, declared.get("until_param"): end}
    return {str(name): _moment(value) for name, value in asked.items() if name is not None and value is not None}


def _moment(text: str) -> str:
    """A time as ISO 8601 in UTC, as APIs read it; any other text as it is.

    >>> _moment("2024-01-02 03:00:00+01")
    '2024-01-02T02:00:00Z'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    if len(text) <= len("2024-01-02"):
        return text
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return found.isoformat().replace("+00:00", "Z")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrong(where: str, key: str, expected: str, found: object) -> ConfigError:
    return ConfigError(
        f"`{key}` of the source cannot be used",
        where=f"{where}, source.{key}",
        expected=expected,
        found=found,
        next_step="correct it in the contract",
    )
