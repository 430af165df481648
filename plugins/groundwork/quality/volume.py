"""How many rows a load should bring: bounds declared, or taken from the table's own last loads.

Owns the entries of a suite that are about the number of waiting rows, which SQL answers without Great Expectations. The
measure of a load is what it brought that was good: records read less those in quarantine. Left out are loads that read
nothing, replays of the quarantine, drills, and for a load without a range those that had one (and the other way round).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from sqlalchemy import Connection, select

from groundwork.flow.ledger import LOAD
from groundwork.flow.loads.waiting import Waiting
from groundwork.flow.quarantine.replay_ledger import REPLAY
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind

LIKE_LAST_LOADS = "expect_row_count_like_last_loads"
_BETWEEN = "expect_table_row_count_to_be_between"
_LOADS = 7  # loads that count when the entry does not say how many
_BOUNDS = {"min_value": "minimum", "max_value": "maximum"}


def as_row_count(check: Check) -> Check:
    """An entry about the number of rows as the check `row_count`; any other as it is.

    Raises: ValueError when its arguments are not right.
    """
    kind, kwargs = check.arguments["type"], check.arguments["kwargs"]
    given: Mapping[str, Any] = kwargs if isinstance(kwargs, Mapping) else {}
    if kind == LIKE_LAST_LOADS:
        told = "as many rows as the last loads brought" if check.description == kind else check.description
        return replace(check, kind=CheckKind.ROW_COUNT, arguments=_of_last_loads(given), description=told)
    if kind == _BETWEEN and given.keys() <= _BOUNDS.keys():
        bounds = {_BOUNDS[name]: value for name, value in given.items() if value is not None}
        if not bounds or not all(_is_number(value) for value in bounds.values()):
            raise ValueError(f"{_BETWEEN} takes numbers `min_value` and `max_value`; found {dict(given)}")
        told = _told(bounds) if check.description == kind else check.description
        return replace(check, kind=CheckKind.ROW_COUNT, arguments=bounds, description=told)
    return check


def with_bounds(check: Check, waiting: Waiting) -> Check:
    """`check` with the bounds that the last loads of the table give it; open ones before the first load."""
    if "loads" not in check.arguments:
        return check
    brought = _brought(waiting.connection, waiting, int(str(check.arguments["loads"])))
    if not brought:
        return replace(check, arguments={}, description=f"{check.description}; no load before this one to compare with")
    middle = median(brought)
    lowest, highest = check.arguments.get("min_pct"), check.arguments.get("max_pct")
    bounds: dict[str, object] = {"minimum": math.ceil(middle * float(str(lowest)) / 100)} if lowest is not None else {}
    bounds |= {"maximum": math.floor(middle * float(str(highest)) / 100)} if highest is not None else {}
    described = f"{check.description}: {_told(bounds)} ({middle:,.0f} is the median of {len(brought)} loads)"
    return replace(check, arguments=bounds, description=described)


def _of_last_loads(given: Mapping[str, Any]) -> dict[str, object]:
    known = {"loads", "min_pct", "max_pct"}
    loads = given.get("loads", _LOADS)
    is_right = all(_is_number(value) and value >= 0 for value in given.values()) and isinstance(loads, int) and loads
    if given.keys() - known or not is_right or not given.keys() & {"min_pct", "max_pct"}:
        told = f"`min_pct` or `max_pct` or both, and `loads`, all numbers; found {dict(given)}"
        raise ValueError(f"{LIKE_LAST_LOADS} takes {told}")
    return {"loads": loads, **{name: value for name, value in given.items() if name != "loads"}}


def _told(bounds: Mapping[str, Any]) -> str:
    words = {"minimum": "at least", "maximum": "at most"}
    return " and ".join(f"{words[name]} {value:,}" for name, value in bounds.items()) + " rows"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _brought(connection: Connection, waiting: Waiting, limit: int) -> list[int]:
    is_whole = LOAD.c.window_start.is_(None) & LOAD.c.window_end.is_(None)
    query = (
        select(LOAD.c.read - LOAD.c.quarantined)
        .where(LOAD.c.schema_name == waiting.schema, LOAD.c.table_name == waiting.contract.name)
        .where(LOAD.c.state == "finished", ~LOAD.c.is_trial, LOAD.c.read > 0)
        .where(is_whole if waiting.window is None else ~is_whole)
        .where(LOAD.c.run_id.not_in(select(REPLAY.c.run_id)))
        .order_by(LOAD.c.load_id.desc())
        .limit(limit)
    )
    brought: Sequence[int] = connection.scalars(query).all()
    return list(brought)
