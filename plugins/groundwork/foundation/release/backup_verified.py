"""Gate: a backup of the domain was taken, restored elsewhere, and holds what the live tables hold."""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from groundwork.foundation.release.copied import content, copy_schemas, frozen, size_bytes
from groundwork.foundation.release.scratch_database import scratch_database
from groundwork.foundation.release.subject import ReleaseSubject
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation

_HOW = "pg_dump of the domain's schemas, restored by pg_restore into a fresh database; rows of every table counted and "
_HOW += "hashed on both sides, on the live one as the backup saw it; the database is dropped again"


def backup_verified(subject: ReleaseSubject) -> CriterionResult:
    """Back up, restore and compare. Raises: ConfigError, RetriableError of the programs and of the scratch database."""
    schemas, budgets = subject.domain.schemas, subject.budgets
    with frozen(subject.warehouse) as (connection, snapshot):
        size = size_bytes(connection, schemas)
        if size > budgets.largest_backup_bytes:
            return _too_large(subject, size)
        live = content(connection, schemas)
        with scratch_database(subject.scratch) as copy:
            file_bytes = copy_schemas(
                subject.warehouse, snapshot, schemas, copy, timeout_seconds=budgets.longest_backup_seconds
            )
            with copy.connect() as restored:
                held = content(restored, schemas)
    declared = {table.qualified_name for table in subject.domain.tables}
    apart = sorted(name for name in {*live, *held, *declared} if live.get(name) != held.get(name) or name not in live)
    rows = sum(count for count, _ in held.values())
    is_passed = bool(live) and not apart
    return CriterionResult(
        criterion="backup_verified",
        passed=is_passed,
        expected="every declared table is in the backup, with the same rows after it was restored",
        found=f"{len(held)} tables with {rows:,} rows restored from {file_bytes:,} bytes"
        + (f"; not the same or missing: {', '.join(apart)}" if apart else "; all agree"),
        how_measured=_HOW,
        operation=Operation(project=subject.domain.name, name="backup verified", step=0),
        likely_cause=None if is_passed else "a table is missing, or the restored server reads rows another way",
        next_step=None if is_passed else f"groundwork compare-to-db {subject.domain.name}; then measure the gate again",
        details={"tables": {name: count for name, (count, _) in held.items()}, "file_bytes": file_bytes},
    )


def _too_large(subject: ReleaseSubject, size: int) -> CriterionResult:
    return CriterionResult(
        criterion="backup_verified",
        passed=False,
        expected=f"at most {subject.budgets.largest_backup_bytes:,} bytes, so that the gate may try it",
        found=f"{size:,} bytes of tables and indexes",
        how_measured=_HOW,
        operation=Operation(project=subject.domain.name, name="backup verified", step=0),
        likely_cause="the domain outgrew what a gate copies",
        next_step="raise the budget, or restore your backup of the server and override the gate with what you found",
    )
