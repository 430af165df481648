"""The ORBT part of the daily report: states, strikes, incidents, remedies, breakers and warnings of a domain, and what
happened elsewhere.

Each part is read by itself: one that cannot be read is left out and named, and the others are told.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Engine

from groundwork.model.health import Situation
from groundwork.model.incident import Severity
from groundwork.orbt.knowledge import interval
from groundwork.store.belonging import Belongings

_log = logging.getLogger(__name__)
_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)
_NOT_MENDED = {"ignore", "silence"}  # answers after which nothing was mended: they tell nothing of times
Read = TypeVar("Read")


@dataclass
class Parts:
    """Reads parts of a report and remembers which could not be read."""

    missing: list[str] = field(default_factory=list)

    def read(self, name: str, reader: Callable[[], Read], otherwise: Callable[[], Any]) -> Read:
        """What `reader` gives, or what stands for it when that fails: a report is told with what is there."""
        try:
            return reader()
        except Exception:  # whatever the reason: the rest of the report is worth telling
            _log.exception("the report is told without %s", name)
            self.missing.append(name)
            stands_for_it: Read = otherwise()
            return stands_for_it


def orbt_status(
    store: Engine,
    *,
    belongings: Belongings,
    strikes: Sequence[Mapping[str, Any]],
    incidents: Sequence[Mapping[str, Any]],
    situations: Mapping[str, Situation],
    now: datetime,
    parts: Parts,
) -> dict[str, Any]:
    """What ORBT did and sees; `strikes` and `incidents` are rows of those that belong to this domain, newest or most
    pressing first. Rates and means cover 30 days; `elsewhere` is what no domain owns, empty when it could not be read.
    """
    recent = [row for row in strikes if row["struck_at"] >= now - _MONTH]
    today = [row for row in strikes if row["struck_at"] >= now - _DAY]
    outcomes = Counter(row["outcome"] for row in today)
    opened = [row for row in incidents if row["state"] == "open"]
    return {
        "strikes": len(today),
        "healed": outcomes["healed"],
        "escalated": outcomes["escalated"],
        "by_class": dict(sorted(Counter(row["fault_class"] for row in today).items())),
        "open_incidents": len(opened),
        "open_by_severity": _by_severity(opened),
        "mean_seconds_to_resolve": mean_seconds_to_resolve(incidents, now - _MONTH),
        "remedies": remedies(recent),
        "states": {name: _situation(situations[name]) for name in sorted(situations)},
        "breakers": parts.read("breakers", lambda: _breakers(store), list),
        "warnings": parts.read("warnings", lambda: _warnings(store, situations), list),
        "elsewhere": parts.read("what happened elsewhere", lambda: _elsewhere(belongings, now - _DAY), dict),
    }


def mean_seconds_to_resolve(incidents: Sequence[Mapping[str, Any]], since: datetime) -> dict[str, float]:
    """Mean seconds from opening to resolution per fault class, of what was mended since then."""
    taken: dict[str, list[float]] = defaultdict(list)
    for row in incidents:
        if row["resolved_at"] is not None and row["resolved_at"] >= since and row["answer"] not in _NOT_MENDED:
            taken[row["fault_class"]].append((row["resolved_at"] - row["opened_at"]).total_seconds())
    return {name: round(sum(seconds) / len(seconds), 1) for name, seconds in sorted(taken.items())}


def remedies(strikes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Per remedy that did its work: `ran`, `healed`, and the bounds of its success rate in per cent.

    Each bound holds with 90 %; `healed` counts strikes after which the task succeeded.
    """
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for row in strikes:
        if row["outcome"] not in {"healed", "failed_again"}:
            continue
        for name in dict.fromkeys(str(each["remedy"]) for each in row["remedies"] if each["is_done"]):
            counted[name].update(["ran", row["outcome"]])
    found = {}
    for name, counts in sorted(counted.items()):
        low, high = interval(counts["healed"], counts["ran"])
        rates = {"at_least_pct": round(100 * low, 1), "at_most_pct": round(100 * high, 1)}
        found[name] = {"ran": counts["ran"], "healed": counts["healed"], **rates}
    return found


def healers(strikes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Remedies that did their work in strikes that healed, counted."""
    counted: Counter[str] = Counter()
    for strike in strikes:
        if strike["outcome"] == "healed":
            counted.update(str(entry["remedy"]) for entry in strike["remedies"] if entry["is_done"])
    return dict(sorted(counted.items()))


def _elsewhere(belongings: Belongings, since: datetime) -> dict[str, Any]:
    """Dags with strikes since then, and open incidents by severity, that no domain owns."""
    dags = [dict(row) for row in belongings.elsewhere_dags(since)]
    return {"dags": dags, "open_by_severity": belongings.elsewhere_open()}


def _by_severity(incidents: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts = Counter(str(row["severity"]) for row in incidents)
    return {str(name): counts[name] for name in reversed(Severity) if counts[name]}


def _situation(situation: Situation) -> dict[str, str]:
    return {"state": str(situation.state), "reason": situation.reason}


def _breakers(store: Engine) -> list[dict[str, Any]]:
    """Targets that nobody may use now, of all domains: they share them."""
    from groundwork.store.breaker import Breakers

    return [
        {name: row[name] for name in ("target", "state", "reason")} for row in Breakers(store).all(only_troubled=True)
    ]


def _warnings(store: Engine, situations: Mapping[str, Situation]) -> list[dict[str, Any]]:
    """Open early warnings of this domain's datasets and pipelines, and of what all domains share."""
    from groundwork.store.health import HealthRecords

    shared = ("database:", "disk:", "slot:")
    return [
        {"subject": row["subject"], "metric": row["metric"], "told": row["told"]}
        for row in HealthRecords(store).warnings()
        if row["subject"] in situations or row["subject"].startswith(shared)
    ]
