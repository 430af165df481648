"""Accuracy as it can be measured: does a table hold what its source says?

Owns the translation of a reconciliation (`groundwork.flow.reconciliation.reconcile`: the source read again without the
loader, row by row) into a check's result. What no source tells is left to expectations written by hand.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.reconciliation.reconcile import Reconciliation, reconcile
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind, Dimension, WriteMode
from groundwork.quality.verdict import not_run

ENGINE = "reconciliation"


def source_agreement(engine: Engine, domain: Domain, table: TableContract, project: Path) -> CheckResult | None:
    """How many rows of the table's source the table lacks or holds otherwise; null where that cannot be compared.

    Compared are computed tables and single files of CSV or JSON lines, whose second reading needs nothing of the
    loader; not tables that keep history (their rows outlive the source) nor what comes from elsewhere. A source that
    cannot be read counts as a check that could not be run. Raises: RetriableError when the connection is
    lost.
    """
    if not _is_comparable(table):
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
        found = reconcile(engine, domain, table, project=project)
    except ConfigError as error:
        return not_run(check, ENGINE, f"{error.what}")
    return CheckResult(
        check=check,
        passed=found.agrees,
        engine=ENGINE,
        expected=check.description,
        observed=_observed(found),
        failing_count=found.missing + found.differing,
        row_count=found.source_rows,
    )


def _is_comparable(table: TableContract) -> bool:
    declared = table.source
    if declared is None or not table.primary_key or declared.get("mode") in (WriteMode.SNAPSHOT, WriteMode.SCD2):
        return False
    if declared.get("kind") == "computed":
        return True
    is_one_file = not any(sign in str(declared.get("path", "")) for sign in "*?[")
    is_known = str(declared.get("format", "csv")) in ("csv", "jsonl") and "connection" not in declared
    return declared.get("kind") == "file" and is_one_file and is_known


def _observed(found: Reconciliation) -> str:
    if found.load_id is None:
        return "it was never loaded"
    told = f"{found.missing:,} missing and {found.differing:,} differing of {found.source_rows:,} rows of the source"
    return told if found.books_agree else f"{told}; the books name another number of records than the source has"
