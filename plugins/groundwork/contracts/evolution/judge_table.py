"""What it means that a table changed as a whole: its name, key, place in storage, origin and order of columns."""

from __future__ import annotations

from collections.abc import Callable

from groundwork.contracts.evolution.change import Audience
from groundwork.contracts.evolution.difference import Difference
from groundwork.contracts.evolution.judgement import (
    Verdict,
    Verdicts,
    World,
    allowed,
    asked,
    breaks,
    compatible,
    notice_change,
    removal,
    unknown,
    wording,
)


def judge_table(difference: Difference, world: World) -> Verdicts:
    """The verdicts on one difference of a table."""
    attribute = difference.attribute or ""
    if difference.what == "added":
        yield compatible(Audience.BOTH, "nobody uses it yet")
    elif difference.what == "removed":
        yield removal(difference, world)
    elif difference.what == "renamed":
        yield breaks(Audience.BOTH, "whoever names it by its old name fails")
    elif attribute == "columnOrder":
        yield from _order(difference)
    elif attribute.startswith("partitioning"):
        yield from _partitioning(difference, attribute.partition(".")[2])
    elif attribute.startswith("source"):
        yield compatible(Audience.READERS, "its rows come from elsewhere or in another way")
    else:
        yield _SAID.get(attribute, unknown)(difference)


def judge_partition(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a declared partition."""
    if difference.what == "added":
        yield compatible(Audience.WRITERS, "rows have one more place to go")
    elif difference.what == "removed":
        yield breaks(Audience.BOTH, "its rows have no place, unless another partition takes them")
    elif difference.what == "renamed":
        yield compatible(Audience.BOTH, "only whoever reads the partition itself names it")
    else:
        yield breaks(Audience.WRITERS, "rows it took before may have no place now")


def _primary_key(difference: Difference) -> Verdict:
    if difference.old_value is None:
        return asked("rows need a key of their own")
    if difference.new_value is None:
        return breaks(Audience.BOTH, "rows have no key: they may repeat, and an upsert on it fails")
    return breaks(Audience.BOTH, "rows are told apart by another key: joins and upserts on the old one go wrong")


def _order(difference: Difference) -> Verdicts:
    """Only told when columns that stay change places: that some come or go is told of them."""
    old, new = difference.old_value or [], difference.new_value or []
    kept = [name for name in old if name in new]
    if kept != [name for name in new if name in old]:
        yield compatible(Audience.BOTH, "only `SELECT *`, and COPY or INSERT without names of columns, depend on it")


def _kind(difference: Difference) -> Verdict:
    if difference.new_value in ("view", "materialized view", "materializedView"):
        return breaks(Audience.WRITERS, "nothing can be written to a view")
    if difference.old_value is None or difference.new_value is None:
        return wording("a table is what it is when nothing is said")
    return compatible(Audience.BOTH, "it is read as before and may be written")


def _partitioning(difference: Difference, name: str) -> Verdicts:
    old, new = difference.old_value, difference.new_value
    if name in ("start", "end") and old is not None and new is not None:
        is_narrower = str(new) > str(old) if name == "start" else str(new) < str(old)
        where = "before" if name == "start" else "from"
        if not is_narrower:
            yield allowed(f"the partitions reach to {new}")
        elif difference.new and difference.new.get("partitioning.default"):
            yield compatible(Audience.WRITERS, f"rows {where} {new} go to the default partition")
        else:
            yield asked(f"rows {where} {new} have no partition")
    elif name == "default":
        if new:
            yield allowed("rows outside of the partitions have a place")
        else:
            yield asked("rows outside of the partitions have no place")
    else:
        why = "queries give the same rows; which of them are fast may change, and the table is rebuilt"
        yield compatible(Audience.BOTH, why)


_SAID: dict[str, Callable[[Difference], Verdict]] = {
    "physicalType": _kind,
    "primaryKey": _primary_key,
    "deprecated": notice_change,
    "retentionColumn": lambda _: breaks(
        Audience.READERS, "the age of a row counts from another column, so other rows are removed"
    ),
    "primaryKeyInclude": lambda _: compatible(Audience.READERS, "which queries are fast may change"),
    "primaryKeyName": lambda _: compatible(Audience.WRITERS, "errors name the key by another name"),
    "dataGranularityDescription": lambda _: compatible(
        Audience.READERS, "what a row stands for is said in other words; if it is another thing, announce a major step"
    ),
}
