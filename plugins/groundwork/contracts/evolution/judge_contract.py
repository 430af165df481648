"""What it means that a contract changed beside its tables: where they are, who may use them, and what is promised."""

from __future__ import annotations

from typing import Any

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
    unknown,
    wording,
)
from groundwork.model.vocabulary import Classification

_DAYS = {  # how many days one of a unit has; `m` may be a month or a minute, so it is none of them
    **dict.fromkeys(["s", "sec", "second", "seconds"], 1 / 86_400),
    **dict.fromkeys(["min", "minute", "minutes"], 1 / 1_440),
    **dict.fromkeys(["h", "hr", "hour", "hours"], 1 / 24),
    **dict.fromkeys(["d", "day", "days"], 1.0),
    **dict.fromkeys(["w", "week", "weeks"], 7.0),
    **dict.fromkeys(["month", "months"], 365.25 / 12),
    **dict.fromkeys(["y", "yr", "year", "years"], 365.25),
}
_MORE_IS_BETTER = frozenset(["retention", "availability", "uptime", "throughput", "endofsupport", "endoflife"])
_LESS_IS_BETTER = frozenset(
    ["freshness", "latency", "errorrate", "timetodetect", "timetonotify", "timetorepair", "timetorecover"]
)
_PROSE = ("description.", "team", "price.", "authoritativeDefinitions", "tags", "tenant", "dataProduct")
_STATUSES = ("proposed", "draft", "active", "deprecated", "retired")


def judge_contract(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of the contract itself."""
    attribute = difference.attribute or ""
    if attribute == "status":
        yield _status(str(difference.old_value), str(difference.new_value))
    elif attribute in ("databaseSchema", "domain"):
        yield breaks(Audience.BOTH, "every table is under another name")
    elif attribute == "id":
        yield breaks(Audience.BOTH, "whoever refers to the contract names it by its id")
    elif attribute == "residency":
        yield _residency(difference)
    elif attribute.startswith(_PROSE):
        yield wording("tells whom to ask, or explains; no code depends on it")
    else:
        yield unknown(difference)


def judge_role(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a role."""
    if difference.what == "added":
        yield compatible(Audience.BOTH, "nobody is refused anything by it")
    elif difference.what == "removed":
        yield breaks(Audience.BOTH, "whoever acts under the role has no access any more")
    elif difference.attribute == "access":
        is_less = "write" in str(difference.old_value) and "write" not in str(difference.new_value)
        yield (
            breaks(Audience.WRITERS, "the role may only read now")
            if is_less
            else compatible(Audience.WRITERS, "the role may do more than before; have it reviewed")
        )
    elif difference.attribute == "clearance":
        yield _clearance(difference.old_value, difference.new_value)
    else:
        yield unknown(difference)


def judge_service_level(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a promise of `slaProperties`."""
    some = difference.old or difference.new
    name = (some.name if some else "").partition(" of ")[0].lower().replace("_", "")
    is_retention = name == "retention"
    if difference.what == "added":
        yield (
            breaks(Audience.READERS, "rows past their time are removed, which they were not")
            if is_retention
            else compatible(Audience.READERS, "one more promise")
        )
    elif difference.what == "removed":
        yield (
            compatible(Audience.READERS, "rows are kept without end")
            if is_retention
            else breaks(Audience.READERS, "the promise is withdrawn")
        )
    elif difference.attribute == "value":
        yield _promise(name, difference.old_value, difference.new_value)
    else:
        yield unknown(difference)


def judge_server(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a server."""
    if difference.what == "added":
        yield compatible(Audience.BOTH, "the data is to be had in one more place")
    elif difference.what == "removed":
        yield breaks(Audience.BOTH, "the data is no longer there")
    elif difference.attribute == "description":
        yield wording()
    elif (difference.attribute or "").startswith("roles"):
        yield unknown(difference)
    else:
        yield breaks(Audience.BOTH, "connections to the old place fail")


def judge_enum_type(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of an enum type; the order of its values is how they sort."""
    old, new = difference.old_value or [], difference.new_value or []
    if difference.what == "added":
        yield compatible(Audience.BOTH, "no column used it before")
    elif difference.what in ("removed", "renamed"):
        yield breaks(Audience.BOTH, "casts and columns of other contracts that name the type fail")
    elif difference.attribute != "values":
        yield unknown(difference)
    else:
        gone, fresh = [value for value in old if value not in new], [value for value in new if value not in old]
        if gone:
            yield asked(f"{', '.join(map(str, gone))} may no longer be written", old=gone)
        if fresh:
            yield allowed(f"{', '.join(map(str, fresh))} may be written", new=fresh)
        if [value for value in old if value in new] != [value for value in new if value in old]:
            yield breaks(Audience.READERS, "its values sort and compare in another order")


def judge_person(difference: Difference, _: World) -> Verdicts:
    """The verdict on a member of the team or a channel of support."""
    yield wording(f"tells whom to ask ({difference.what})")


def _status(old: str, new: str) -> Verdict:
    if new == "retired":
        return breaks(Audience.BOTH, "nothing is promised any more")
    if new == "deprecated":
        return compatible(Audience.BOTH, "its users are told that it will go")
    if old in _STATUSES and new in _STATUSES and _STATUSES.index(new) < _STATUSES.index(old) and old == "active":
        return breaks(Audience.BOTH, "what was promised is a proposal again")
    return compatible(Audience.BOTH, "the contract is at another stage of its life")


def _residency(difference: Difference) -> Verdict:
    if difference.old_value is None:
        return compatible(Audience.BOTH, "where the data lives was not promised before")
    return breaks(Audience.BOTH, "the data may live where it was promised not to")


def _clearance(old: Any, new: Any) -> Verdict:
    try:
        ranks = Classification(old or "internal").rank, Classification(new or "internal").rank
    except ValueError:
        return breaks(Audience.READERS, "what the role sees cannot be told")
    if ranks[1] < ranks[0]:
        return breaks(Audience.READERS, "the role sees masked what it saw clear")
    return compatible(Audience.READERS, "the role sees clear what it saw masked; have it reviewed")


def _promise(name: str, old: list[Any], new: list[Any]) -> Verdict:
    before, after = _amount(*old), _amount(*new)
    if name not in _MORE_IS_BETTER | _LESS_IS_BETTER:
        return compatible(Audience.READERS, "another promise; whether it is a better one cannot be told from here")
    if before is None or after is None or before[1] != after[1]:
        return breaks(Audience.READERS, "the old promise and the new one cannot be compared, so it may be less")
    if before[0] == after[0]:
        return wording("the same promise in another unit")
    is_weaker = after[0] < before[0] if name in _MORE_IS_BETTER else after[0] > before[0]
    if not is_weaker:
        return compatible(Audience.READERS, "a better promise")
    why = "older rows are removed sooner" if name == "retention" else "less is promised than before"
    return breaks(Audience.READERS, why)


def _amount(value: Any, unit: Any) -> tuple[Any, str] | None:
    """A value and its unit, days where the unit can be told in days; dates stay text."""
    word = str(unit or "").lower()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value * _DAYS[word], "days") if word in _DAYS else (value, word)
    return (value, "date") if isinstance(value, str) and value[:4].isdigit() else None
