"""Faults that were met on both sides: the lines of the table, the totals, and whether the targets are reached."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .fault import Expected, Found, Outcome

_WIDTH = 52
TARGETS = {"class right": 0.95, "healed without a person": 0.90, "time to heal": 0.20}


@dataclass(frozen=True, kw_only=True)
class Met:
    """One fault on both sides; `plain` is null when it was left out."""

    fault: Expected
    orbt: Found
    plain: Found | None


def head() -> str:
    """The names of the table's columns."""
    return f"{'fault':{_WIDTH}} {'class':22} {'outcome':21} {'tries':>5} {'seconds':>8} {'plain':>9} {'seconds':>8}"


def line(met: Met) -> str:
    """One line of the table, with a mark when something is not as expected."""
    orbt, fault = met.orbt, met.fault
    mark = " " if not orbt.shortcomings(fault) else "!"
    name = fault.name if len(fault.name) <= _WIDTH else fault.name[: _WIDTH - 1] + "…"
    other = f"{_plain_word(met.plain):>9} {met.plain.seconds:8.1f}" if met.plain is not None else ""
    ours = f"{orbt.fault_class or '-':22} {orbt.outcome or '-':21} {orbt.tries:5} {orbt.seconds:8.1f}"
    return f"{name:{_WIDTH}} {ours} {other} {mark}".rstrip()


def _plain_word(plain: Found) -> str:
    if plain.outcome is not Outcome.HEALED:
        return "gave up"
    return "healed" if plain.data is None else "data bad"


def figures(met: Sequence[Met]) -> dict[str, Any]:
    """The totals; shares are null where there is nothing to count."""
    healable = [each for each in met if each.fault.outcome is not Outcome.ESCALATED]
    healed = [each for each in healable if _is_healed(each.orbt)]
    both = [each for each in healed if each.plain is not None and _is_healed(each.plain)]
    known = [each for each in healed if each.plain is not None]
    classes = _share(sum(each.orbt.fault_class == each.fault.fault_class for each in met), len(met))
    ratio_both, ratio_all = _ratio(both), _ratio(known)
    wrong = sum(len(each.orbt.wrong_actions) for each in met)
    lossless = sum(each.orbt.data is None and each.orbt.broke is None for each in met)
    told: dict[str, Any] = {
        "faults": len(met),
        "kinds": len({each.fault.kind for each in met}),
        "classes": len({each.fault.fault_class for each in met}),
        "class_right": classes,
        "healable": len(healable),
        "healed_without_a_person": _share(len(healed), len(healable)),
        "healed_by_plain_retries": _share(
            sum(_is_healed(each.plain) for each in healable if each.plain is not None), len(known) and len(healable)
        ),
        "outcome_as_expected": _share(sum(each.orbt.outcome == each.fault.outcome for each in met), len(met)),
        "wrong_actions": wrong,
        "data_right": _share(lossless, len(met)),
        "reports_complete": _share(sum(each.orbt.report is None for each in met), len(met)),
        "median_seconds": _median([each.orbt.seconds for each in healed]),
        "median_seconds_plain": _median([each.plain.seconds for each in known if each.plain is not None]),
        "ratio_where_both_healed": ratio_both,
        "ratio_where_orbt_healed": ratio_all,
        "person_asked_after_median_seconds": _median(
            [each.orbt.seconds for each in met if each.orbt.outcome is Outcome.ESCALATED]
        ),
    }
    told["is_met"] = (
        (classes or 0) >= TARGETS["class right"]
        and (
            told["healed_without_a_person"] is None
            or told["healed_without_a_person"] >= TARGETS["healed without a person"]
        )
        and wrong == 0
        and (ratio_both is None or ratio_both <= TARGETS["time to heal"])
    )
    return told


def _is_healed(found: Found | None) -> bool:
    return found is not None and found.outcome in {Outcome.HEALED, Outcome.ON_ALTERNATIVE} and found.data is None


def _ratio(met: Sequence[Met]) -> float | None:
    """Median of the seconds with ORBT to the median of those with plain retries."""
    plain = _median([each.plain.seconds for each in met if each.plain is not None])
    orbt = _median([each.orbt.seconds for each in met])
    return round(orbt / plain, 3) if plain and orbt is not None else None


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


def _share(count: int, total: int) -> float | None:
    return round(count / total, 4) if total else None


def plain_data(met: Met) -> dict[str, Any]:
    """One fault as JSON has it."""
    return {
        "fault": met.fault.name,
        "kind": met.fault.kind,
        "expected_class": met.fault.fault_class,
        "expected_outcome": met.fault.outcome,
        "orbt": asdict(met.orbt),
        "plain": asdict(met.plain) if met.plain is not None else None,
        "shortcomings": met.orbt.shortcomings(met.fault),
    }
