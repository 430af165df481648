"""A table's repository tried on the live table: a row is added, read, changed, listed and removed, then undone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from groundwork.access.repository import Repositories
from groundwork.contracts.contract import Domain, TableContract
from groundwork.foundation.probe_rows import another_value, probe_rows
from groundwork.foundation.table_workflow.workflow import StepResult, TableWorkflow
from groundwork.model.errors import FatalError


class _Undo(Exception):  # noqa: N818  ends the transaction of the trial, whatever it found
    pass


def repository(flow: TableWorkflow) -> StepResult:
    """The trial as a step. Raises: FatalError when a call does not do what it says; InvalidRowsError and the like."""
    found = try_repository(flow.warehouse, flow.domain, flow.table)
    return flow.keep(f"the repository {', '.join(found['calls'])}; the trial was rolled back", found=found)


def try_repository(engine: Engine, domain: Domain, table: TableContract) -> dict[str, Any]:
    """Call every way of the table's repository in one transaction that is rolled back; what was called, in order.

    Rows of the tables that the table refers to are added before, as far as it refers to any.
    """
    needed = _with_targets(domain, table)
    part = replace(
        domain,
        contracts=tuple(
            replace(each, tables=tuple(one for one in each.tables if one.name in needed)) for each in domain.contracts
        ),
    )
    calls: list[str] = []
    with suppress(_Undo), Repositories(engine, part).transaction() as transaction:
        rows = probe_rows(part)
        for name, row in rows.items():
            if name != table.name:
                transaction[name].upsert([row])
        _try(transaction[table.name], table, rows[table.name], calls)
        raise _Undo
    return {"calls": calls, "rows_of": sorted(needed)}


def _try(repository: Any, table: TableContract, row: Mapping[str, object], calls: list[str]) -> None:
    (added,) = repository.insert([row])
    calls.append("inserts")
    key = {column: added[column] for column in repository.relation.key}
    _require(repository.get(key) == added, table, "get", "the row that was inserted")
    calls.append("gets")
    changed = _change(table, added)
    if changed:
        updated = repository.update(key, changed, expected_version=added.version)
        _require(all(updated[name] == value for name, value in changed.items()), table, "update", f"{changed}")
        calls.append("updates")
    _require(bool(repository.list(limit=1).rows), table, "list", "at least one row")
    calls.append("lists")
    repository.delete(key)
    _require(repository.get(key) is None, table, "delete", "no row with this key")
    calls.append("deletes")


def _change(table: TableContract, row: Mapping[str, object]) -> dict[str, object]:
    """One column with another valid value; empty when the contract leaves no other."""
    fixed = {*table.primary_key, *(name for each in table.relationships for name in each.columns), "updated_at"}
    for column in table.columns:
        if column.name in fixed or column.generated or column.identity:
            continue
        value = another_value(table, column, row[column.name])
        if value is not None:
            return {column.name: value}
    return {}


def _with_targets(domain: Domain, table: TableContract) -> set[str]:
    """The table's name and those of all tables it refers to, directly or not."""
    found = {table.name}
    waiting = [table]
    while waiting:
        for relationship in waiting.pop().relationships:
            target = domain.table(relationship.target_table)
            if target.name not in found:
                found.add(target.name)
                waiting.append(target)
    return found


def _require(holds: bool, table: TableContract, call: str, expected: str) -> None:
    if not holds:
        raise FatalError(
            "the repository does not do what it says",
            where=f"{table.qualified_name}.{call}",
            expected=expected,
            found="something else",
            next_step="compare the table with its contract: groundwork compare-to-db",
        )
