"""One load of one table: from its declared source through the checks into the table, with its books.

Everything happens in one transaction on one connection: rows, quarantine, watermark and books become visible together
or not at all, so a load that dies leaves nothing and is simply run again. A second load of the same table waits for the
first. The first load of a clean CSV into an empty table goes straight in (`groundwork.flow.direct`); every other one
goes through a staging table, batch by batch, so that memory stays bounded by the size of a batch.

Limits: a record rejected while publishing (see `groundwork.flow.publish`) keeps its typed values as raw; a number with
more decimals than its column keeps is rounded by PostgreSQL, as in any COPY.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, Table, func, select, text

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.flow import direct, ledger
from groundwork.flow.books import LoadResult, close_books, open_books
from groundwork.flow.faults import database_faults
from groundwork.flow.publish import Published, Publisher
from groundwork.flow.quarantine import Quarantine
from groundwork.flow.record import Batch, Reason, Record, Source
from groundwork.flow.row_checks import RowChecks
from groundwork.flow.source import BATCH_ROWS, open_source, write_mode
from groundwork.flow.staging import Staging
from groundwork.flow.watermark import Watermark
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

__all__ = ["LoadResult", "load_table"]

_LOCK_SPACE = 5_201_822  # first key of the advisory locks of loads; the second is a hash of the table's name
_SETTINGS = (  # one meaning of a text, whatever the server's or the role's defaults are
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL work_mem = '64MB'",  # keys are compared by hash tables
    "SET LOCAL lock_timeout = '15min'",  # longest wait for another load of the same table
)


def load_table(  # noqa: PLR0913  what is loaded, from where, into where; all but three have a default
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    run_id: str,
    target_schema: str | None = None,
    source_override: Source | None = None,
    is_trial: bool = False,
    batch_rows: int = BATCH_ROWS,
) -> LoadResult:
    """Load `table` from its declared source (or `source_override`) and return the books.

    Idempotent: the same source again loads nothing. `target_schema` is where the table stands when that is not the
    contract's schema; `is_trial` marks books and quarantine of a drill.

    Raises: ConfigError when the declaration, the source or the table in the database is not as it must be;
    RetriableError when connection, source or lock was lost, in which case nothing was changed.
    """
    started = time.monotonic()
    schema = target_schema or table.schema
    source = source_override or open_source(
        engine, domain, table, project=project, schema=schema, batch_rows=batch_rows
    )
    _require_columns(table, source)
    mode = write_mode(table)
    with database_faults(f"{schema}.{table.name}"):
        with engine.begin() as connection:
            ledger.ensure(connection)
        with engine.begin() as connection:
            _prepare(connection, schema, table)
            load = _begin(connection, domain, table, schema, mode, source, run_id=run_id, is_trial=is_trial)
            return load.run(started)


def _require_columns(table: TableContract, source: Source) -> None:
    filled = set(source.columns)
    missing = [
        column.name
        for column in table.columns
        if column.is_required
        and column.name not in filled
        and column.default is None
        and column.generated is None
        and column.identity is None
    ]
    if missing:
        raise ConfigError(
            "the source leaves out columns that the table requires",
            where=f"{table.qualified_name} from {source.description}",
            expected=", ".join(missing),
            found=", ".join(source.columns),
            next_step="map the columns in `source.columns`, or give them a default in the contract",
        )


def _prepare(connection: Connection, schema: str, table: TableContract) -> None:
    """Settings of the transaction, and the lock that makes a second load of the table wait."""
    for statement in _SETTINGS:
        connection.execute(text(statement))
    name = func.hashtext(f"{schema}.{table.name}")
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK_SPACE, name)))


def _begin(
    connection: Connection,
    domain: Domain,
    contract: TableContract,
    schema: str,
    mode: WriteMode,
    source: Source,
    *,
    run_id: str,
    is_trial: bool,
) -> _Load:
    watermark = Watermark.declared(connection, contract, schema)
    load_id = open_books(
        connection,
        run_id=run_id,
        schema_name=schema,
        table_name=contract.name,
        source=source.description,
        mode=mode,
        is_trial=is_trial,
        watermark=watermark.values() if watermark else {},
    )
    quarantine = Quarantine(
        connection=connection,
        load_id=load_id,
        schema=schema,
        table=contract.name,
        source=source.description,
        is_trial=is_trial,
    )
    return _Load(
        connection=connection,
        contract=contract,
        target=metadata(domain).tables[contract.qualified_name].to_metadata(MetaData(), schema=schema),
        mode=mode,
        source=source,
        checks=RowChecks(connection, domain, contract, schema),
        watermark=watermark,
        quarantine=quarantine,
        run_id=run_id,
    )


@dataclass(frozen=True, kw_only=True)
class _Load:
    """The steps of one load inside its transaction."""

    connection: Connection
    contract: TableContract
    target: Table
    mode: WriteMode
    source: Source
    checks: RowChecks
    watermark: Watermark | None
    quarantine: Quarantine
    run_id: str

    def run(self, started: float) -> LoadResult:
        before = self.watermark.values() if self.watermark else {}
        straight = direct.load_directly(self.connection, self.contract, self.target, self.source, self.checks)
        if straight is not None:
            read, late, published = straight, 0, Published(loaded=straight)
            if self.watermark:
                self.watermark.advance(self.target, self.quarantine.load_id)
        else:
            read, late, published = self._through_staging()
        result = LoadResult(
            load_id=self.quarantine.load_id,
            run_id=self.run_id,
            table=f"{self.quarantine.schema}.{self.contract.name}",
            source=self.source.description,
            mode=self.mode,
            read=read,
            **asdict(published),
            late=late,
            reasons=dict(sorted(self.quarantine.counts.items())),
            watermark_before=before,
            watermark_after=self.watermark.values() if self.watermark else {},
            checksum=self.source.checksum(),
            seconds=time.monotonic() - started,
            is_direct=straight is not None,
            is_trial=self.quarantine.is_trial,
        )
        close_books(self.connection, result)
        return result

    def _through_staging(self) -> tuple[int, int, Published]:
        """Records read, rows that came late, and what became of all."""
        staging = Staging(
            connection=self.connection,
            contract=self.contract,
            columns=self.source.columns,
            fields=self.source.fields,
        )
        read = rejected = 0
        for batch in self.source.batches():
            taken, refused = self._stage(staging, batch, read + 1)
            read, rejected = read + taken, rejected + refused
        staging.analyze()
        publisher = Publisher(
            connection=self.connection,
            contract=self.contract,
            staging=staging.table,
            target=self.target,
            columns=self.source.columns,
            mode=self.mode,
            quarantine=self.quarantine,
        )
        settled = publisher.settle_keys()
        late = self._advance(publisher, staging.table)
        written = publisher.write()
        total = Published(
            loaded=written.loaded,
            updated=written.updated,
            unchanged=written.unchanged,
            duplicates=settled.duplicates + written.duplicates,
            quarantined=rejected + settled.quarantined,
        )
        return read, late, total

    def _advance(self, publisher: Publisher, staging: Table) -> int:
        """Move the watermark over the staged rows; returns how many new rows were not above it."""
        if self.watermark is None:
            return 0
        late = self.watermark.late(staging, publisher.is_new()) if self.watermark.values() else 0
        self.watermark.advance(staging, self.quarantine.load_id)
        return late

    def _stage(self, staging: Staging, batch: Batch, first: int) -> tuple[int, int]:
        """Bring one batch into staging; returns how many records it had and how many went to quarantine."""
        records: list[Record] | None = None
        reasons: dict[int, list[Reason]] = {}
        count = staging.copy_block(batch, first)
        if count is None:
            records = list(batch.records(first))
            count = len(records)
            reasons = {record.position: list(record.reasons) for record in records if record.reasons}
            reasons.update(staging.copy_records([record for record in records if not record.reasons]))
        for position, broken in self.checks.broken(staging.table, first, first + count - 1).items():
            reasons[position] = _together(reasons.get(position, []), broken)
        if not reasons:
            return count, 0
        staging.forget(reasons)
        found = records if records is not None else batch.records(first)
        rejected = [(each.position, each.raw, reasons[each.position]) for each in found if each.position in reasons]
        return count, self.quarantine.reject(rejected)


def _together(misfits: list[Reason], broken: list[Reason]) -> list[Reason]:
    """All reasons of one record; a value that fits no type is not also called missing."""
    unfit = {reason.column for reason in misfits}
    return misfits + [reason for reason in broken if reason.column is None or reason.column not in unfit]
