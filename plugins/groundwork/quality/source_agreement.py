"""Accuracy as it can be measured: does a table hold what its source says?

Owns the translation of a reconciliation (`groundwork.flow.reconciliation.reconcile`: the source read again without the
loader, row by row) into a check's result. What no source tells is left to expectations written by hand.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.faults import database_faults
from groundwork.flow.reconciliation.last_load import last_load
from groundwork.flow.reconciliation.reconcile import Reconciliation, reconcile
from groundwork.flow.reconciliation.reread import Reread
from groundwork.flow.resources import Resources
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind, Dimension, WriteMode
from groundwork.quality.verdict import not_run

ENGINE = "reconciliation"
_TABLE = "table"  # kind of a source in another database


def source_agreement(
    engine: Engine,
    domain: Domain,
    table: TableContract,
    project: Path,
    *,
    resources: Resources | None = None,
    most_records: int | None = None,
) -> CheckResult | None:
    """How many rows of the table's source the table lacks or holds otherwise; null where that cannot be compared.

    Compared is what the last load was asked for, its range and what came since its watermark: of computed tables and of
    single files of CSV or JSON lines; with `resources`, by which they are reached, also of files in object storage and
    of tables in other databases. Not compared are tables that keep history (their rows outlive the source), HTTP APIs
    (which count calls), loads of more than `most_records`, of another source than the declared one or of a part of it,
    loads cut into parts of which some records were rejected (their place in the source is not known), and a table that
    changed since it was loaded: what is other there may be newer. A source that cannot be read counts as a check that
    could not be run.
    Raises: RetriableError when a connection is lost.
    """
    if not _is_comparable(table, resources):
        return None
    check = Check(
        id=f"{table.qualified_name}.{CheckKind.RECONCILIATION}",
        schema=table.schema,
        table=table.name,
        kind=CheckKind.RECONCILIATION,
        dimension=Dimension.ACCURACY,
        description="the table holds every row of its source, as the source has it",
    )
    try:
        source = Reread(engine=engine, domain=domain, table=table, project=project, resources=resources)
        if not _is_traceable(engine, table, source.description, most_records):
            return None
        found = reconcile(engine, domain, table, project=project, resources=resources, only_last_load=True)
    except ConfigError as error:
        return not_run(check, ENGINE, f"{error.what}")
    if found.kind == _TABLE and not found.is_source_unchanged:
        return None
    return CheckResult(
        check=check,
        passed=found.agrees,
        engine=ENGINE,
        expected=check.description,
        observed=_observed(found),
        failing_count=found.missing + found.differing,
        row_count=found.source_rows,
    )


def _is_traceable(engine: Engine, table: TableContract, source: str, most_records: int | None) -> bool:
    """Whether the last load says which records of the declared source should be in the table."""
    with database_faults(table.qualified_name), engine.connect() as connection:
        last = last_load(connection, table.schema, table.name)
    if last is None:
        return True
    is_whole = last.source == source and last.rejected is not None
    return is_whole and (most_records is None or last.read <= most_records)


def _is_comparable(table: TableContract, resources: Resources | None) -> bool:
    declared = table.source
    if declared is None or not table.primary_key or declared.get("mode") in (WriteMode.SNAPSHOT, WriteMode.SCD2):
        return False
    if declared.get("kind") == "computed":
        return True
    if declared.get("kind") == _TABLE:
        return resources is not None
    is_one_file = not any(sign in str(declared.get("path", "")) for sign in "*?[")
    is_known = str(declared.get("format", "csv")) in ("csv", "jsonl")
    is_reached = resources is not None or "connection" not in declared
    return declared.get("kind") == "file" and is_one_file and is_known and is_reached


def _observed(found: Reconciliation) -> str:
    if found.load_id is None:
        return "it was never loaded"
    told = f"{found.missing:,} missing and {found.differing:,} differing of {found.source_rows:,} rows of the source"
    return told if found.books_agree else f"{told}; the books name another number of records than the source has"
