"""Names and bounds of the partitions that a contract's partitioning declares.

`stock_prices_y2012` holds [2012-01-01, 2013-01-01), `…_y2012m03` one month, `…_default` what fits nowhere else.
Making partitions for the time ahead is not done here: a contract states its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from groundwork.contracts.contract import PartitioningContract, TableContract
from groundwork.model.errors import ConfigError

INTERVALS = ("year", "month")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition; `start` and `end` are ISO dates of [start, end), both null for the default partition."""

    name: str
    start: str | None = None
    end: str | None = None


def partitions(table: TableContract) -> tuple[Partition, ...]:
    """The partitions of `table` in order of time, the default one last; empty for a table that is not partitioned.

    Raises: ConfigError for an unknown interval, a date that is none, or bounds that do not fall on the interval.
    """
    declared = table.partitioning
    if declared is None:
        return ()
    found = [
        Partition(name=f"{table.name}_{_label(start, declared.interval)}", start=str(start), end=str(end))
        for start, end in _ranges(declared, table.qualified_name)
    ]
    if declared.has_default:
        found.append(Partition(name=f"{table.name}_default"))
    return tuple(found)


def _ranges(declared: PartitioningContract, where: str) -> list[tuple[date, date]]:
    if declared.interval not in INTERVALS:
        raise ConfigError(
            "this partitioning interval is not known", where=where, expected="year or month", found=declared.interval
        )
    try:
        start, end = date.fromisoformat(declared.start), date.fromisoformat(declared.end)
    except ValueError as error:
        raise ConfigError(
            "a partitioning bound is not a date", where=where, expected="2012-01-01", found=error
        ) from error
    if start >= end or any(_floor(bound, declared.interval) != bound for bound in (start, end)):
        raise ConfigError(
            "the partitioning bounds do not hold whole intervals",
            where=where,
            expected=f"start before end, both the first day of a {declared.interval}",
            found=f"{declared.start} to {declared.end}",
        )
    ranges = []
    while start < end:
        following = _next(start, declared.interval)
        ranges.append((start, following))
        start = following
    return ranges


def _floor(day: date, interval: str) -> date:
    return day.replace(month=1, day=1) if interval == "year" else day.replace(day=1)


def _next(day: date, interval: str) -> date:
    if interval == "year" or day.month == 12:
        return date(day.year + 1, 1, 1)
    return date(day.year, day.month + 1, 1)


def _label(day: date, interval: str) -> str:
    return f"y{day.year:04d}" if interval == "year" else f"y{day.year:04d}m{day.month:02d}"
