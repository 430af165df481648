"""Names and bounds of the partitions that a contract's partitioning declares.

`stock_prices_y2012` holds [2012-01-01, 2013-01-01), `…_y2012m03` one month, `…_default` what fits nowhere else; or
the contract names its partitions one by one. Making partitions for the time ahead is not done here: a contract states
its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import sql

from groundwork.contracts.contract import PartitionContract, PartitioningContract, TableContract
from groundwork.contracts.derive.types import parsed_type
from groundwork.model.errors import ConfigError

INTERVALS = ("year", "month")
STRATEGIES = ("range", "list", "hash")
_OPEN_ENDS = ("MINVALUE", "MAXVALUE")
_MIDNIGHT = "T00:00:00+00:00"


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition.

    By time, `start` and `end` are ISO dates of [start, end), of a column with time zone midnights of UTC; `explicit`
    are bounds that the contract spells out. Without either it is the default partition.
    """

    name: str
    start: str | None = None
    end: str | None = None
    explicit: PartitionContract | None = None

    @property
    def is_default(self) -> bool:
        """Whether it takes what fits nowhere else."""
        return self.start is None and (self.explicit is None or self.explicit.is_default)


def partitions(table: TableContract) -> tuple[Partition, ...]:
    """The partitions of `table` in order of time or declaration, the default one last where it is not named.

    Empty for a table that is not partitioned.
    Raises: ConfigError for an unknown strategy or interval, a date that is none, bounds that do not fall on the
    interval, or that do not fit the strategy.
    """
    declared = table.partitioning
    if declared is None:
        return ()
    where = table.qualified_name
    if declared.strategy not in STRATEGIES:
        raise ConfigError(
            "this partitioning strategy is not known",
            where=where,
            expected=", ".join(STRATEGIES),
            found=declared.strategy,
        )
    if not declared.interval:
        return tuple(_explicit(declared, part, where) for part in declared.partitions)
    if declared.strategy != "range":
        raise ConfigError(
            "only partitioning by range has intervals",
            where=where,
            expected=f"`partitions` with the bounds of each, for the strategy {declared.strategy}",
            found=f"`interval: {declared.interval}`",
        )
    zone = _MIDNIGHT if _has_zone(table, declared) else ""
    found = [
        Partition(name=f"{table.name}_{_label(start, declared.interval)}", start=f"{start}{zone}", end=f"{end}{zone}")
        for start, end in _ranges(declared, where)
    ]
    if declared.has_default:
        found.append(Partition(name=f"{table.name}_default"))
    return tuple(found)


def _has_zone(table: TableContract, declared: PartitioningContract) -> bool:
    """Whether a bound means another moment in every time zone unless it names its own."""
    for column in table.columns:
        if column.name in declared.columns:
            kind = parsed_type(column.type)
            return kind is not None and kind.name == "timestamptz"
    return False


def bounds(partition: Partition) -> sql.Composable:
    """The partition's bounds as SQL, every value a literal."""
    if partition.is_default:
        return sql.SQL("DEFAULT")
    part = partition.explicit
    if part is None:
        return _range((partition.start,), (partition.end,))
    if part.values is not None:
        return sql.SQL("FOR VALUES IN ({})").format(sql.SQL(", ").join(map(_literal, part.values)))
    if part.modulus is not None:
        numbers = (sql.Literal(part.modulus), sql.Literal(part.remainder))
        return sql.SQL("FOR VALUES WITH (MODULUS {}, REMAINDER {})").format(*numbers)
    return _range(part.lower or (), part.upper or ())


def _range(lower: tuple[Any, ...], upper: tuple[Any, ...]) -> sql.Composable:
    ends = [sql.SQL(", ").join(map(_bound, values)) for values in (lower, upper)]
    return sql.SQL("FOR VALUES FROM ({}) TO ({})").format(*ends)


def _bound(value: Any) -> sql.Composable:
    word = value.upper() if isinstance(value, str) else ""
    return sql.SQL("MINVALUE" if word == "MINVALUE" else "MAXVALUE") if word in _OPEN_ENDS else _literal(value)


def _literal(value: Any) -> sql.Composable:
    """A value of a contract; numbers are quoted too, so that the server reads them as the key's type."""
    return sql.Literal(value) if value is None or isinstance(value, bool) else sql.Literal(str(value))


def _explicit(declared: PartitioningContract, part: PartitionContract, where: str) -> Partition:
    width = len(declared.columns)
    needed = {
        "range": part.lower is not None and part.upper is not None and len(part.lower) == len(part.upper) == width,
        "list": bool(part.values),
        "hash": isinstance(part.modulus, int) and isinstance(part.remainder, int),
    }
    given = [part.lower is not None or part.upper is not None, part.values is not None, part.modulus is not None]
    is_right = sum(given) == (0 if part.is_default else 1) and (part.is_default or needed[declared.strategy])
    if not is_right or (part.is_default and declared.strategy == "hash"):
        raise ConfigError(
            f"the bounds of the partition `{part.name}` do not fit partitioning by {declared.strategy}",
            where=where,
            expected=_EXPECTED[declared.strategy].format(width=width),
            found=", ".join(_given(part)) or "nothing",
        )
    return Partition(name=part.name, explicit=part)


_EXPECTED = {
    "range": "`from` and `to` with {width} value(s) each, or `default: true`",
    "list": "`values` with at least one value, or `default: true`",
    "hash": "`modulus` and `remainder`",
}


def _given(part: PartitionContract) -> list[str]:
    values = {
        "from": part.lower,
        "to": part.upper,
        "values": part.values,
        "modulus": part.modulus,
        "remainder": part.remainder,
        "default": part.is_default or None,
    }
    return [
        f"{name}: {list(value) if isinstance(value, tuple) else value}"
        for name, value in values.items()
        if value is not None
    ]


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
