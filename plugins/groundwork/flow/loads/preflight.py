"""What a load needs to find before it begins, and what it would do: looked at without changing a row of the table."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, cast, delete, func, inspect, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import NoSuchTableError

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow import ledger
from groundwork.flow.ledger import WATERMARK
from groundwork.flow.loads.parallel import PartedLoad
from groundwork.flow.loads.progress import Progress
from groundwork.flow.loads.staging import StagingArea
from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a load would read: records, how many of them go to quarantine and why, how many lie outside of the range.

    Keys are not compared, because that is done while publishing: `fitting` records are new, changed, unchanged or
    repeated.
    """

    table: str
    source: str
    read: int
    fitting: int
    quarantined: int
    outside: int
    reasons: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without any value of a row."""
        return {**asdict(self), "is_dry_run": True}

    def __str__(self) -> str:
        told = ", ".join(f"{label} ({count})" for label, count in self.reasons.items())
        return (
            f"{self.table}, dry run: {self.read} read from {self.source} = {self.fitting} fitting, "
            f"{self.quarantined} for quarantine{f': {told}' if told else ''}; nothing was written"
        )


def require_table(connection: Connection, table: TableContract) -> None:
    """Return when the table stands with every column that its contract declares.

    Raises: ConfigError when it does not.
    """
    try:
        there = {column["name"] for column in inspect(connection).get_columns(table.name, schema=table.schema)}
    except NoSuchTableError:
        there = set()
    missing = [column.name for column in table.columns if column.name not in there]
    if missing:
        raise ConfigError(
            "the table is not in the database as its contract declares it",
            where=table.qualified_name,
            expected=f"a table with {', '.join(missing)}",
            found="a table without them" if there else "no such table",
            next_step="groundwork generate-migration, and apply it",
        )


def forget_watermark(connection: Connection, schema: str, table: str) -> None:
    """Let the next load read its source from the beginning; rows that are there already are known by their keys."""
    ledger.ensure(connection)
    mine = (WATERMARK.c.schema_name == schema, WATERMARK.c.table_name == table)
    connection.execute(delete(WATERMARK).where(*mine))


def dry_run(
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    window: Window | None = None,
    resources: Resources | None = None,
    source_override: Source | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> DryRun:
    """Read and check the whole source as a load does, and throw everything away.

    A load of the table that was interrupted starts anew afterwards. Raises: as `load_table`.
    """
    load = PartedLoad(
        engine=engine, domain=domain, table=table, project=project, run_id=f"dry run {uuid.uuid4()}", wanted=1,
        window=window, resources=resources, source_override=source_override, progress=progress,
    )  # fmt: skip
    area = StagingArea(contract=table, schema=load.schema)
    (part, *_) = load.plan()
    try:
        state = load.stage(part)
        with engine.begin() as connection:
            reasons = _reasons(connection, area)
    finally:
        with engine.begin() as connection:
            area.drop(connection)
    return DryRun(
        table=load.name,
        source=part,
        read=state.read,
        fitting=state.read - state.rejected,
        quarantined=state.rejected,
        outside=state.outside,
        reasons=reasons,
    )


def _reasons(connection: Connection, area: StagingArea) -> dict[str, int]:
    reason = func.jsonb_array_elements(area.rejected.c.reasons).table_valued("value", joins_implicitly=True)
    told = cast(reason.c.value, JSONB)
    label = func.concat_ws(":", told["rule"].astext, told["column"].astext).label("label")
    one = select(area.rejected.c.position, label).distinct().subquery()
    counted = select(one.c.label, func.count().label("records")).group_by(one.c.label).order_by(one.c.label)
    return {row.label: row.records for row in connection.execute(counted)}
