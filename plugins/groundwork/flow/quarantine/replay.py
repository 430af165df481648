"""Quarantined rows once more through the load, after data or contract were corrected.

Corrections come as values for all rows, or as a file with a value per row; what is not corrected stays as it was kept.
A row that gets into the table is settled by the load that brought it; one that fails again stays, with its new reasons.
Two replays of one table follow one another, and the second finds only what the first left.

A replay adds and updates by key, whatever the mode of the source is: it never replaces what it does not bring. It
moves no watermark, because corrected values say nothing of how far the source was read.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.books import LoadResult
from groundwork.flow.faults import database_faults
from groundwork.flow.loads.load import load_table
from groundwork.flow.quarantine.read import HELD, Selection, rows
from groundwork.flow.quarantine.replay_ledger import intend
from groundwork.flow.quarantine.replay_source import Corrections, ReplaySource, corrected
from groundwork.flow.quarantine.turn import recover, turn
from groundwork.flow.source import BATCH_ROWS
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

_REPLACING = (WriteMode.REPLACE, WriteMode.SNAPSHOT)


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """What a replay did, in rows of the quarantine: selected = replayed + failed + unfit.

    `unfit` rows could not even be read as columns (a line that was never divided, a value that was lost) and had no
    correction; they stay as they were. `recovered` are rows of an earlier replay that died before it settled them.
    """

    table: str
    run_id: str
    selected: int
    replayed: int
    failed: int
    unfit: int
    recovered: int = 0
    loads: tuple[LoadResult, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without any value of a row."""
        return {**asdict(self), "loads": [load.to_json() for load in self.loads]}

    def __str__(self) -> str:
        late = f", {self.recovered} of an earlier replay settled" if self.recovered else ""
        return (
            f"{self.table}: {self.selected} rows of the quarantine = {self.replayed} replayed, {self.failed} failed "
            f"again, {self.unfit} not readable without a correction{late}"
        )


def replay_quarantine(
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    run_id: str | None = None,
    selection: Selection | None = None,
    corrections: Corrections | None = None,
    target_schema: str | None = None,
) -> ReplayResult:
    """Load the held rows of `table` that `selection` means (all by default) again, with `corrections`.

    Idempotent: a row that was replayed is not held any more.
    Raises: ConfigError when a correction names a column or a row that is not there; else as `load_table`.
    """
    corrections = corrections or Corrections()
    corrections.require(table)
    schema = target_schema or table.schema
    wanted = replace(selection or Selection(), schema=schema, table=table.name, state=HELD)
    if corrections.by_row:
        wanted = replace(wanted, ids=tuple(sorted(corrections.by_row)))
    run = run_id or f"replay/{uuid.uuid4()}"
    with database_faults(f"{schema}.{table.name}"), turn(engine, f"{schema}.{table.name}") as connection:
        recovered = recover(connection, schema, table.name)
        with connection.begin():
            groups, unfit, selected = _groups(connection, table, wanted, corrections)
        _require_found(corrections, groups, unfit)
        replayed, loads = 0, []
        for number, (columns, ids) in enumerate(groups.items(), 1):
            own_run = f"{run}/{uuid.uuid4().hex[:8]}/{number}"
            with connection.begin():
                intend(connection, schema, table.name, own_run, ids)
            source = ReplaySource(
                engine=engine, contract=table, columns=columns, ids=tuple(ids), corrections=corrections,
                batch_rows=BATCH_ROWS,
            )  # fmt: skip
            loads.append(
                load_table(
                    engine, domain, adding(table), project=project, run_id=own_run, target_schema=target_schema,
                    source_override=source,
                )
            )  # fmt: skip
            replayed += recover(connection, schema, table.name)
    return ReplayResult(
        table=f"{schema}.{table.name}",
        run_id=run,
        selected=selected,
        replayed=replayed,
        failed=selected - replayed - len(unfit),
        unfit=len(unfit),
        recovered=recovered,
        loads=tuple(loads),
    )


def adding(table: TableContract) -> TableContract:
    """`table` as a replay loads it: by key, without threshold and watermark, and closing nothing that it lacks."""
    source = {name: value for name, value in (table.source or {}).items() if name not in ("quarantine", "watermark")}
    if source.get("mode") in _REPLACING:
        source["mode"] = str(WriteMode.MERGE)
    if "history" in source:
        source["history"] = {**source["history"], "on_missing": "keep"}
    return replace(table, source=source)


def _groups(
    connection: Connection, table: TableContract, selection: Selection, corrections: Corrections
) -> tuple[dict[tuple[str, ...], list[int]], list[int], int]:
    """Ids by the columns their rows fill, the ids of rows that cannot be read, and how many all are."""
    groups: dict[tuple[str, ...], list[int]] = {}
    unfit: list[int] = []
    selected = 0
    for each in rows(connection, selection):
        selected += 1
        values = corrected(table, each, corrections)
        if values is None:
            unfit.append(each["quarantine_id"])
        else:
            groups.setdefault(tuple(values), []).append(each["quarantine_id"])
    return groups, unfit, selected


def _require_found(
    corrections: Corrections, groups: Mapping[tuple[str, ...], Sequence[int]], unfit: Sequence[int]
) -> None:
    there = {each for ids in groups.values() for each in ids} | set(unfit)
    missing = sorted(set(corrections.by_row) - there)
    if missing:
        raise ConfigError(
            "the file corrects rows that are not held in quarantine for this table",
            expected="ids of rows whose state is `held`",
            found=", ".join(map(str, missing[:10])) + (" …" if len(missing) > 10 else ""),
            next_step="groundwork quarantine list --rows; leave out what was replayed meanwhile",
        )
