"""Uses that a dbt project makes: models, directly and through other models, their tests, exposures and semantic models.

A column is followed through the models: one that reads `stg_orders.total` uses the column of the table that `total` was
made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundwork.contracts.consumers.consumer import Consumer, Use, shown
from groundwork.contracts.consumers.dbt_files import MODELS, DbtFiles, Query, Reference, read_dbt, references
from groundwork.contracts.consumers.sql_reading import Column, Reading, Table, read_sql
from groundwork.contracts.contract import Domain
from groundwork.contracts.document import Document

_FOLDER = "dbt_project"


@dataclass(kw_only=True)
class _Known:
    """What is known so far: columns of tables and models, and what a model and its columns are made from."""

    columns: dict[Table, Sequence[str]]
    sources: Mapping[tuple[str, str], Table]
    tables: dict[str, frozenset[Table]] = field(default_factory=dict)  # model → the tables below it
    origins: dict[tuple[str, str], frozenset[Column]] = field(default_factory=dict)  # model, column → table's columns
    unclear: dict[str, frozenset[Table]] = field(default_factory=dict)  # model → tables that it may use any column of

    def target(self, reference: Reference) -> Table:
        """What a reference points at."""
        if reference.function == "ref":
            return MODELS, reference.names[-1]
        name = (reference.names[0], reference.names[-1])
        return self.sources.get(name, name)

    def below(self, table: Table) -> frozenset[Table]:
        """The tables that `table` is, or is made from."""
        return self.tables.get(table[1], frozenset()) if table[0] == MODELS else frozenset([table])

    def columns_below(self, column: Column) -> frozenset[Column]:
        """The columns of tables that `column` is, or is made from."""
        schema, table, name = column
        return self.origins.get((table, name), frozenset()) if schema == MODELS else frozenset([column])


def dbt_uses(domain: Domain, project: Path) -> Iterator[Use]:
    """Every use of a table of `domain` that the dbt project below `project` makes; nothing of dbt is run."""
    files = read_dbt(project / _FOLDER)
    declared = {(table.schema, table.name): [column.name for column in table.columns] for table in domain.tables}
    known = _Known(columns=dict(declared), sources=files.sources())
    owners = dict(_owners(files))
    found: list[Use] = []
    for query in _in_order(files.queries):
        found.extend(_query_uses(query, known, project, owners))
    found.extend(_column_test_uses(files, known, project, owners))
    found.extend(_document_uses(files, known, project))
    names = {name for _, name in declared}
    yield from (use for use in found if use.table in names)


def _query_uses(query: Query, known: _Known, project: Path, owners: Mapping[str, str]) -> Iterator[Use]:
    reading = read_sql(query.sql, known.columns) if query.sql else None
    targets = {known.target(reference): reference for reference in query.references}
    if reading is None:
        reading = Reading(tables=frozenset(targets), whole=frozenset(targets))
    if query.kind in ("dbt model", "dbt snapshot"):
        _learn(query, reading, known)
    for target, reference in targets.items():
        how = "selects from it" if target[0] != MODELS else f"reads it through {target[1]}"
        where = shown(query.path, project, reference.line)
        consumer = Consumer(kind=query.kind, name=query.name, where=where, how=how, owner=owners.get(query.name))
        is_unclear = target in reading.whole or target not in reading.tables
        unclear = known.unclear.get(target[1], frozenset()) if target[0] == MODELS else frozenset()
        for schema, table in known.below(target):
            is_whole = (is_unclear and target[0] != MODELS) or (schema, table) in unclear
            yield Use(consumer=consumer, table=table, is_whole=is_whole)
        read = {column for column in reading.columns if column[:2] == target}
        if is_unclear:
            read |= {(MODELS, model, name) for model, name in known.origins if model == target[1]}
        for column in read:
            for _, table, name in known.columns_below(column):
                yield Use(consumer=consumer, table=table, column=name)


def _learn(query: Query, reading: Reading, known: _Known) -> None:
    """Remember what a model and its columns are made from, for the models that read it."""
    name = query.name
    known.tables[name] = frozenset(base for table in reading.tables for base in known.below(table))
    unclear = {base for table in reading.whole for base in known.below(table)}
    unclear |= {base for table in reading.tables for base in known.unclear.get(table[1], ()) if table[0] == MODELS}
    known.unclear[name] = frozenset(unclear)
    for column, made_from in reading.results.items():
        known.origins[name, column] = frozenset(base for origin in made_from for base in known.columns_below(origin))
    if reading.results:
        known.columns[MODELS, name] = list(reading.results)


def _in_order(queries: Sequence[Query]) -> Iterator[Query]:
    """Models in an order in which those that others read come first, then all other queries."""
    models = {query.name: query for query in queries if query.kind in ("dbt model", "dbt snapshot")}
    done: set[str] = set()
    for name in models:
        waiting = [name]
        while waiting:
            current = waiting[-1]
            done_before = current in done
            needed = [r.names[-1] for r in models[current].references if r.function == "ref" and r.names[-1] in models]
            missing = [model for model in needed if model not in done and model not in waiting]  # a circle ends here
            if missing and not done_before:
                waiting.append(missing[0])
                continue
            waiting.pop()
            if not done_before:
                done.add(current)
                yield models[current]
    yield from (query for query in queries if query.kind not in ("dbt model", "dbt snapshot"))


def _column_test_uses(files: DbtFiles, known: _Known, project: Path, owners: Mapping[str, str]) -> Iterator[Use]:
    """Tests that stand at a column of a model or a source."""
    for document, model, pointer in files.entries("models"):
        name = str(model["name"])
        for test, line, column in _tests(document, model, pointer):
            where = shown(document.path, project, line)
            label, owner = f"{test} of {name}.{column}", owners.get(name)
            consumer = Consumer(kind="dbt test", name=label, where=where, how="checks its values", owner=owner)
            yield from _column_uses(consumer, (MODELS, name, column), known)
    for document, source, pointer in files.entries("sources"):
        for index, table in enumerate(source.get("tables") or ()):
            schema, name = known.sources[str(source["name"]), str(table["name"])]
            for test, line, column in _tests(document, table, f"{pointer}/tables/{index}"):
                where = shown(document.path, project, line)
                label = f"{test} of {table['name']}.{column}"
                consumer = Consumer(kind="dbt test", name=label, where=where, how="checks its values")
                yield from _column_uses(consumer, (schema, name, column), known)


def _column_uses(consumer: Consumer, column: Column, known: _Known) -> Iterator[Use]:
    for _, table, name in known.columns_below(column):
        yield Use(consumer=consumer, table=table, column=name)


def _tests(document: Document, entry: Mapping[str, Any], pointer: str) -> Iterator[tuple[str, int, str]]:
    """Each test at a column: its name, the line of the column, and the column."""
    for number, column in enumerate(entry.get("columns") or ()):
        line = document.position(f"{pointer}/columns/{number}").line
        for test in column.get("data_tests") or column.get("tests") or ():
            name = test if isinstance(test, str) else str(next(iter(test), "test"))
            yield name, line, str(column.get("name"))


def _document_uses(files: DbtFiles, known: _Known, project: Path) -> Iterator[Use]:
    """Exposures and semantic models: whatever they depend on, with every column of it."""
    for key, kind in (("exposures", "dbt exposure"), ("semantic_models", "dbt semantic model")):
        for document, entry, pointer in files.entries(key):
            where = shown(document.path, project, document.position(pointer).line)
            owner = entry.get("owner") or {}
            named = str(owner.get("email") or owner.get("name") or "") if isinstance(owner, Mapping) else str(owner)
            for text in [*(entry.get("depends_on") or ()), *([entry["model"]] if "model" in entry else [])]:
                for reference in references("{{ " + str(text) + " }}"):
                    target = known.target(reference)
                    how = "depends on it" if target[0] != MODELS else f"depends on it through {target[1]}"
                    consumer = Consumer(kind=kind, name=str(entry["name"]), where=where, how=how, owner=named or None)
                    yield from _everything(consumer, target, known)


def _everything(consumer: Consumer, target: Table, known: _Known) -> Iterator[Use]:
    unclear = known.unclear.get(target[1], frozenset()) if target[0] == MODELS else frozenset([target])
    for table in known.below(target):
        yield Use(consumer=consumer, table=table[1], is_whole=table in unclear)
    for (model, _), origins in known.origins.items():
        if target == (MODELS, model):
            yield from (Use(consumer=consumer, table=table, column=name) for _, table, name in origins)


def _owners(files: DbtFiles) -> Iterator[tuple[str, str]]:
    """Model → owner, where its YAML says so (`config.meta.owner`, `meta.owner` or `group`)."""
    for _, model, _ in files.entries("models"):
        config = model.get("config") or {}
        meta = {**(config.get("meta") or {}), **(model.get("meta") or {})}
        owner = meta.get("owner") or config.get("group") or model.get("group")
        if owner:
            yield str(model["name"]), str(owner)
