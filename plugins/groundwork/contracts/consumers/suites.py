"""Uses that hand-written suites of expectations make of tables and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundwork.contracts.consumers.consumer import Consumer, Use, shown
from groundwork.contracts.consumers.declared import sql_uses
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.document import Document, read_document
from groundwork.model.errors import ConfigError

_ONE = ("column", "column_A", "column_B")
_MANY = ("column_list", "column_set")


def suite_uses(domain: Domain, project: Path) -> Iterator[Use]:
    """Every use of a table of `domain` in the suites `project/expectations/*.json`."""
    tables = {table.name: table for table in domain.tables}
    for path in sorted((project / "expectations").rglob("*.json")):
        try:
            document = read_document(path)  # JSON is YAML, and this way every entry has its line
        except ConfigError:
            continue  # the check of the suite tells
        meta = document.data.get("meta") or {}
        table = tables.get(str(meta.get("table", "")).rpartition(".")[2]) if isinstance(meta, Mapping) else None
        if table is None or meta.get("domain", domain.name) != domain.name:
            continue
        for index, entry in enumerate(document.data.get("expectations") or ()):
            yield from _entry(entry, index, document, table, domain, project)


def _entry(
    entry: Any, index: int, document: Document, table: TableContract, domain: Domain, project: Path
) -> Iterator[Use]:
    kwargs = entry.get("kwargs") if isinstance(entry, Mapping) else None
    if not isinstance(kwargs, Mapping):
        return
    meta = entry.get("meta") or {}
    suite = str(document.data.get("name") or document.path.stem)
    consumer = Consumer(
        kind="suite",
        name=f"{suite}: {meta.get('name') or entry.get('type')}",
        where=shown(document.path, project, document.position(f"/expectations/{index}/type").line),
        how="expects something of its values",
        owner=meta.get("owner"),
    )
    yield Use(consumer=consumer, table=table.name, is_whole="row_condition" in kwargs)
    columns = [kwargs[name] for name in _ONE if name in kwargs]
    columns += [name for key in _MANY for name in kwargs.get(key) or ()]
    yield from (Use(consumer=consumer, table=table.name, column=str(column)) for column in columns)
    if "unexpected_rows_query" in kwargs:
        known = {(each.schema, each.name): [column.name for column in each.columns] for each in domain.tables}
        query = str(kwargs["unexpected_rows_query"]).replace("{batch}", f'"{table.schema}"."{table.name}"')
        yield from sql_uses(query, consumer, known)
