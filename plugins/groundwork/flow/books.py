"""The books of one load: opened when it begins, closed with the counts that must balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, func, insert, update

from groundwork.flow.ledger import LOAD

_COUNTS = ("loaded", "updated", "unchanged", "quarantined", "duplicates")


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """The books of one load, in records of the source.

    `removed` are rows that left the table because the source has them no more; they are none of its records.
    `late` is the part of `loaded` that was not above the watermark. `reasons` counts quarantined records by
    `rule:column`; one with several reasons counts under each. `is_direct` tells that no staging table was needed.
    """

    load_id: int
    run_id: str
    table: str
    source: str
    mode: str
    read: int
    loaded: int
    updated: int
    unchanged: int
    quarantined: int
    duplicates: int
    removed: int = 0
    late: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    watermark_before: Mapping[str, str] = field(default_factory=dict)
    watermark_after: Mapping[str, str] = field(default_factory=dict)
    checksum: str | None = None
    seconds: float = 0.0
    is_direct: bool = False
    is_trial: bool = False

    @property
    def is_balanced(self) -> bool:
        """Whether every record read is accounted for exactly once."""
        parts = (self.loaded, self.updated, self.unchanged, self.quarantined, self.duplicates)
        return self.read == sum(parts)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without any value of a row but watermarks."""
        return asdict(self)

    def __str__(self) -> str:
        told = ", ".join(f"{getattr(self, name)} {name}" for name in _COUNTS if getattr(self, name))
        gone = f"; {self.removed} removed" if self.removed else ""
        return f"{self.table}: {self.read} read = {told or 'nothing'}{gone} ({self.seconds:.2f} s, load {self.load_id})"


def summed(parts: Sequence[LoadResult], run_id: str) -> LoadResult:
    """The books of loads of one table as those of one load; at least one is needed."""
    counts = {name: sum(getattr(each, name) for each in parts) for name in ("read", *_COUNTS, "removed", "late")}
    reasons = Counter[str]()
    for each in parts:
        reasons.update(each.reasons)
    last = max(parts, key=lambda each: each.load_id)
    return replace(
        last,
        **counts,
        run_id=run_id,
        source=f"{len(parts)} parts, the last one {last.source}",
        reasons=dict(sorted(reasons.items())),
        checksum=None,
        seconds=max(each.seconds for each in parts),
    )


def open_books(connection: Connection, *, watermark: Mapping[str, str], **facts: Any) -> int:
    """Begin the books of a load and return its id; `facts` are columns of `load`."""
    statement = insert(LOAD).values(**facts, state="running", watermark_before=dict(watermark))
    return int(connection.scalar(statement.returning(LOAD.c.load_id)) or 0)


def close_books(connection: Connection, result: LoadResult) -> None:
    """Write the counts; the database refuses them when they do not balance."""
    values = {name: getattr(result, name) for name in ("read", *_COUNTS, "removed", "late", "checksum")}
    values["watermark_after"] = dict(result.watermark_after)
    closed = update(LOAD).where(LOAD.c.load_id == result.load_id)
    connection.execute(closed.values(**values, state="finished", finished_at=func.clock_timestamp()))


def stop_books(connection: Connection, load_id: int, found: LoadResult) -> None:
    """End the books of a load that was stopped: what it found is told, and nothing was loaded."""
    stopped = update(LOAD).where(LOAD.c.load_id == load_id)
    connection.execute(
        stopped.values(
            state="stopped",
            read=found.read,
            quarantined=found.quarantined,
            watermark_after=dict(found.watermark_before),
            finished_at=func.clock_timestamp(),
        )
    )
