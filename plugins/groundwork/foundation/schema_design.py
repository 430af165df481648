"""The success criteria of the phase `schema_design`, measured on the contracts and the live database.

Owns the measurements and what they mean; the gate decides what follows from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from groundwork.catalog.postgres import observe
from groundwork.contracts.contract import Domain, RelationshipContract, TableContract
from groundwork.contracts.diff import Diff, compare_domain
from groundwork.contracts.lint import lint_domain
from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.redundancy import redundant_indexes
from groundwork.foundation.access_patterns import ENOUGH_ROWS, measure_patterns
from groundwork.foundation.sample_rows import ROWS
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.shape import TableShape
from groundwork.model.vocabulary import Severity

_MOST_SHOWN = 50  # differences or findings kept in the evidence


def criteria(engine: Engine, domain: Domain, contracts_folder: Path) -> list[tuple[str, Callable[[], CriterionResult]]]:
    """The phase's criteria in the order they are checked, each ready to be measured on a connection of its own."""

    def on_connection(measure: Callable[[Connection], CriterionResult]) -> Callable[[], CriterionResult]:
        def measured() -> CriterionResult:
            # groundwork: allow own_session gates measure the live database, beside what they judge
            with engine.connect() as connection:
                return measure(connection)

        return measured

    return [
        ("schema_validated", on_connection(lambda found: schema_validated(found, domain, contracts_folder))),
        ("relationships_defined", on_connection(lambda found: relationships_defined(found, domain))),
        ("indexes_optimized", on_connection(lambda found: indexes_optimized(found, domain))),
    ]


def schema_validated(
    connection: Connection, domain: Domain, contracts_folder: Path, step: int = 100
) -> CriterionResult:
    """Whether the contracts hold no mistake and the database is what they declare."""
    findings = lint_domain(domain.name, contracts_folder)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    diff = compare_domain(connection, domain)
    tables = len(domain.tables)
    return CriterionResult(
        criterion="schema_validated",
        passed=not errors and diff.is_empty,
        expected="no error in the contracts and no difference between contracts and database",
        found=f"{len(errors)} errors, {len(diff.changes)} differences in {tables} tables",
        how_measured="linted every contract; made the declared tables in a scratch schema, compared the system "
        "catalogs of both, rolled back",
        operation=Operation(project=domain.name, name="schema validated", step=step, kind="schema"),
        likely_cause=_cause(errors, diff),
        next_step=_next_step(errors, diff, domain.name),
        details={
            "tables": tables,
            "warnings": len(findings) - len(errors),
            "errors": [finding.to_json() for finding in errors[:_MOST_SHOWN]],
            "differences": diff.to_json()["changes"][:_MOST_SHOWN],
        },
    )


def _cause(errors: list[Finding], diff: Diff) -> str | None:
    if errors:
        return "a contract was changed without checking it"
    return None if diff.is_empty else "somebody changed the database by hand, or a change was refused"


def _next_step(errors: list[Finding], diff: Diff, domain: str) -> str | None:
    if errors:
        return f"groundwork validate-schema {domain}"
    return None if diff.is_empty else f"groundwork compare-to-db {domain}"


def relationships_defined(connection: Connection, domain: Domain, step: int = 101) -> CriterionResult:
    """Whether every declared key is there: primary, unique, and foreign ones that the server has validated."""
    shapes = {shape.qualified_name: shape for shape in _observed(connection, domain)}
    relationships = [
        _relationship(table, relationship, domain, shapes.get(table.qualified_name))
        for table in domain.tables
        for relationship in table.relationships
    ]
    keys = [verdict for table in domain.tables for verdict in _keys(table, shapes.get(table.qualified_name))]
    verdicts = [*relationships, *keys]
    missing = [verdict["key"] for verdict in verdicts if verdict["state"] != "validated"]
    return CriterionResult(
        criterion="relationships_defined",
        passed=not missing,
        expected=f"{len(relationships)} foreign keys and {len(keys)} primary and unique keys exist and are validated",
        found=f"{len(verdicts) - len(missing)} of {len(verdicts)} keys exist and are validated"
        + (f"; not: {', '.join(missing)}" if missing else ""),
        how_measured="read pg_constraint and compared columns, target and state with the contracts",
        operation=Operation(project=domain.name, name="relationships defined", step=step, kind="schema"),
        likely_cause="a key was dropped, or added as NOT VALID and never validated" if missing else None,
        next_step=f"groundwork compare-to-db {domain.name}, then run the phase again" if missing else None,
        details={"keys": verdicts},
    )


def _relationship(
    table: TableContract, relationship: RelationshipContract, domain: Domain, shape: TableShape | None
) -> dict[str, str]:
    target = domain.table(relationship.target_table)
    wanted = (relationship.columns, target.schema, target.name, relationship.target_columns)
    found = next(
        (
            key
            for key in (shape.foreign_keys if shape else ())
            if (key.columns, key.target_schema, key.target_table, key.target_columns) == wanted
        ),
        None,
    )
    state = "missing"
    if found is not None:
        is_enforced = "NOT ENFORCED" not in found.options
        state = "validated" if found.is_validated and is_enforced else "not validated"
    columns, targets = ", ".join(relationship.columns), ", ".join(relationship.target_columns)
    return {"key": f"{table.name} ({columns}) → {target.name} ({targets})", "state": state}


def _keys(table: TableContract, shape: TableShape | None) -> Iterator[dict[str, str]]:
    """The primary key and the unique keys; PostgreSQL validates these when it makes them."""
    found = {key.columns for key in shape.unique_keys} if shape else set()
    if table.primary_key:
        is_there = bool(shape and shape.primary_key and shape.primary_key.columns == table.primary_key)
        yield _key(table, "primary", table.primary_key, is_there=is_there)
    for key in table.unique_keys:
        yield _key(table, "unique", key.columns, is_there=key.columns in found)


def _key(table: TableContract, kind: str, columns: tuple[str, ...], *, is_there: bool) -> dict[str, str]:
    return {"key": f"{table.name} {kind} ({', '.join(columns)})", "state": "validated" if is_there else "missing"}


def indexes_optimized(connection: Connection, domain: Domain, step: int = 102) -> CriterionResult:
    """Whether the planner serves every declared access pattern by an index, and no index is there for nothing."""
    evidence = measure_patterns(connection, domain)
    unserved = [f"{item.table}.{item.pattern}" for item in evidence if not item.is_served]
    redundant = [entry for shape in _observed(connection, domain) for entry in redundant_indexes(shape)]
    names = {(table.schema, table.name) for table in domain.tables}
    ours = [entry for entry in redundant if (entry.schema, entry.table) in names]
    live = sum(1 for item in evidence if item.measured_on == "live table")
    duplicates = [f"{entry.table}.{entry.name} (by {entry.covered_by})" for entry in ours]
    return CriterionResult(
        criterion="indexes_optimized",
        passed=not unserved and not ours,
        expected=f"an index in the plan of each of {len(evidence)} access patterns, and no duplicate index",
        found=_index_words(evidence=len(evidence), unserved=unserved, duplicates=duplicates),
        how_measured=f"EXPLAIN of each pattern: {live} on live tables with at least {ENOUGH_ROWS:,} rows, "
        f"{len(evidence) - live} on scratch copies with up to {ROWS:,} made-up rows, rolled back; "
        "indexes compared in pg_index",
        operation=Operation(project=domain.name, name="indexes optimized", step=step, kind="queries"),
        likely_cause=_index_cause(unserved, duplicates),
        next_step=_index_step(unserved, duplicates),
        details={"patterns": [item.to_json() for item in evidence], "duplicates": duplicates},
    )


def _index_words(*, evidence: int, unserved: list[str], duplicates: list[str]) -> str:
    parts: list[Any] = [f"{evidence - len(unserved)} patterns use an index"]
    parts += [f"without: {', '.join(unserved)}"] if unserved else []
    parts += [f"duplicates: {', '.join(duplicates)}"] if duplicates else ["no duplicate index"]
    return "; ".join(parts)


def _index_cause(unserved: list[str], duplicates: list[str]) -> str | None:
    if unserved:
        return "no declared index starts with the columns that the pattern filters or sorts by, or it was dropped"
    return "an index was added by hand that another one already serves" if duplicates else None


def _index_step(unserved: list[str], duplicates: list[str]) -> str | None:
    if unserved:
        return "declare an index for the pattern in its contract, then run the phase again"
    return "drop the index that is covered by another one" if duplicates else None


def _observed(connection: Connection, domain: Domain) -> tuple[TableShape, ...]:
    return observe(connection, sorted({table.schema for table in domain.tables}))
