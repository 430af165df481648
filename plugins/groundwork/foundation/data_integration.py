"""Criteria of the phase `data_integration`: sources and tables agree, changes are told at once, broken rows are caught.

Each criterion is measured on the live system. `error_handling` has a module of its own and is offered here as well.
"""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, and_, func, literal_column, select, update

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.flow import ledger
from groundwork.flow.capture.declaration import is_stream
from groundwork.flow.capture.outbox import CHANGE, install, is_installed, latest_change, uninstall
from groundwork.flow.capture.subscription import ChangeEvent, Subscription
from groundwork.flow.faults import database_faults
from groundwork.flow.ledger import LOAD
from groundwork.flow.loads.order import load_levels
from groundwork.flow.reconciliation.reconcile import Reconciliation, reconcile
from groundwork.flow.resources import Resources
from groundwork.foundation.error_handling import error_handling
from groundwork.foundation.gate import Criterion
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation

__all__ = ["criteria", "data_sync_working", "error_handling", "real_time_updates"]

_SAMPLES = 5
_LONGEST_LAG_SECONDS = 1.0  # what the criterion allows
_PATIENCE_SECONDS = 5.0  # longest wait for one notification


def criteria(engine: Engine, domain: Domain, project: Path, resources: Resources | None = None) -> list[Criterion]:
    """Name and measurement of each criterion of the phase, in order; `resources` reach sources outside."""
    return [
        ("data_sync_working", lambda: data_sync_working(engine, domain, project, resources)),
        ("real_time_updates", lambda: real_time_updates(engine, domain)),
        ("error_handling", lambda: error_handling(engine, domain, project)),
    ]


def data_sync_working(
    engine: Engine, domain: Domain, project: Path, resources: Resources | None = None
) -> CriterionResult:
    """Every table with a source holds exactly what the source says, and all books balance.

    Files are read again by parsers that are not the loader's, computed tables are computed again; counts and checksums
    are compared row by row. Raises: ConfigError, RetriableError as `reconcile`.
    """
    tables = [table for level in load_levels(domain) for table in level if not is_stream(table)]
    found = [reconcile(engine, domain, table, project=project, resources=resources) for table in tables]
    with database_faults(domain.name), engine.begin() as connection:
        ledger.ensure(connection)
        unbalanced = _unbalanced(connection, {table.schema for table in tables})
    apart = [each for each in found if not each.agrees]
    rows = sum(each.source_rows for each in found)
    is_passed = bool(found) and not apart and unbalanced == 0
    return CriterionResult(
        criterion="data_sync_working",
        passed=is_passed,
        expected=f"counts and checksums of {len(tables)} sources and their tables agree; all books balance",
        found=f"{len(found) - len(apart)} of {len(tables)} agree over {rows} rows"
        + (f"; apart: {', '.join(_difference(each) for each in apart)}" if apart else "")
        + f"; {unbalanced} books do not balance",
        how_measured="sources read again without the loader; per row a hash of the key and one of the values, made by "
        "client and server alike, joined on the server",
        operation=Operation(project=domain.name, name="data sync working", step=300, kind="general"),
        likely_cause=None if is_passed else _cause(apart),
        next_step=None if is_passed else "load the named tables again, then compare once more",
        details={"tables": [each.to_json() for each in found], "unbalanced_books": unbalanced},
    )


def _difference(each: Reconciliation) -> str:
    if each.load_id is None:
        return f"{each.table} (never loaded)"
    if not each.books_agree:
        return f"{each.table} (books name another number than the {each.source_records} records read)"
    return f"{each.table} ({each.missing} missing, {each.differing} differing)"


def _cause(apart: Sequence[Reconciliation]) -> str:
    if any(each.load_id is None for each in apart):
        return "a table was never loaded"
    if any(each.is_source_unchanged is False for each in apart):
        return "a source changed after its last load"
    if any(each.kind == "computed" for each in apart):
        return "rows were changed by hand, or an input changed after the computed table was loaded"
    return "rows were changed or removed in the table after the load"


def _unbalanced(connection: Connection, schemas: set[str]) -> int:
    """Finished books that do not add up; the database refuses them, and this looks all the same."""
    parts = LOAD.c.loaded + LOAD.c.updated + LOAD.c.unchanged + LOAD.c.quarantined + LOAD.c.duplicates
    query = select(func.count()).where(LOAD.c.schema_name.in_(sorted(schemas)), LOAD.c.read != parts)
    return int(connection.scalar(query) or 0)


def real_time_updates(engine: Engine, domain: Domain, *, samples: int = _SAMPLES) -> CriterionResult:
    """A changed row reaches a subscriber by notification within a second.

    A row of the smallest filled table is updated to what it is already, several times; each lag runs from the
    statement to the moment the subscriber has the event, by the server's clock. The watch is taken away afterwards when
    it was not there before. Raises: RetriableError when the connection is lost.
    """
    with database_faults(domain.name):
        subject = _smallest_filled(engine, domain)
        if subject is None:
            return _real_time_result(domain, None, [], samples)
        with engine.begin() as connection:
            was_watched = is_installed(connection, subject)
            install(connection, subject)
            before = latest_change(connection)
        try:
            events = _sample(engine, domain, subject, samples)
        finally:
            with engine.begin() as connection:
                _tidy(connection, subject, before, keep_watch=was_watched)
    return _real_time_result(domain, subject, events, samples)


def _real_time_result(
    domain: Domain, subject: TableContract | None, events: Sequence[ChangeEvent], samples: int
) -> CriterionResult:
    lags = sorted(event.lag_seconds for event in events)
    is_passed = len(lags) == samples > 0 and lags[-1] < _LONGEST_LAG_SECONDS
    name = subject.qualified_name if subject else "no table with rows"
    cause = "no table has rows yet" if subject is None else "the server is overloaded, or triggers are disabled"
    step = "load the tables first" if subject is None else "measure again when it is calm"
    worst = f", longest lag {lags[-1] * 1000:.1f} ms" if lags else ""
    return CriterionResult(
        criterion="real_time_updates",
        passed=is_passed,
        expected=f"{samples} of {samples} changes reach a subscriber, each in less than {_LONGEST_LAG_SECONDS:g} s",
        found=f"{len(lags)} of {samples} changes of {name} arrived{worst}",
        how_measured="a row updated to what it is; trigger, outbox and NOTIFY to a listening connection; from the "
        "statement to the reception by the server's clock",
        operation=Operation(project=domain.name, name="real time updates", step=301, kind="monitoring"),
        likely_cause=None if is_passed else cause,
        next_step=None if is_passed else step,
        details={
            "table": name,
            "samples": samples,
            "lag_seconds": [round(lag, 6) for lag in lags],
            "longest_lag_seconds": round(lags[-1], 6) if lags else None,
        },
    )


def _smallest_filled(engine: Engine, domain: Domain) -> TableContract | None:
    sizes: list[tuple[int, str]] = []
    declared = metadata(domain)
    with engine.connect() as connection:
        for table in domain.tables:
            known = declared.tables[table.qualified_name]
            count = int(connection.scalar(select(func.count()).select_from(known)) or 0)
            if count and table.primary_key:
                sizes.append((count, table.name))
    return domain.table(min(sizes)[1]) if sizes else None


def _sample(engine: Engine, domain: Domain, subject: TableContract, samples: int) -> list[ChangeEvent]:
    known = metadata(domain).tables[subject.qualified_name].to_metadata(MetaData())
    with engine.connect() as connection:
        columns = [known.c[name] for name in subject.primary_key]
        row = connection.execute(select(*columns).order_by(*columns).limit(1)).one()
    same_row = and_(*(column == value for column, value in zip(columns, row, strict=True)))
    found: list[ChangeEvent] = []
    with Subscription(engine.url, [subject.qualified_name]) as subscription:
        for _ in range(samples):
            written = _touch(engine, known, subject, same_row)
            arrived = (event for event in subscription.events(_PATIENCE_SECONDS) if event.change_id >= written)
            event = next(arrived, None)
            if event is None:
                break
            found.append(event)
    return found


def _touch(engine: Engine, known: Table, subject: TableContract, same_row: Any) -> int:
    """Update a row to what it is, and return the id that the change at least has."""
    column = known.c[subject.primary_key[0]]
    with engine.begin() as connection:
        newest = latest_change(connection)
        connection.execute(update(known).values({column: literal_column(column.name)}).where(same_row))
    return newest + 1


def _tidy(connection: Connection, subject: TableContract, before: int, *, keep_watch: bool) -> None:
    if not keep_watch:
        uninstall(connection, subject)
        ours = and_(CHANGE.c.schema_name == subject.schema, CHANGE.c.table_name == subject.name)
        connection.execute(CHANGE.delete().where(ours, CHANGE.c.change_id > before))
