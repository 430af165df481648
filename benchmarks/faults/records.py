"""What is on record when all is over: strikes, incident and report, and what our own code complained about."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from groundwork.store.incident import Incidents
from groundwork.store.strike import Strikes

from .fault import Found, Outcome
from .site import Site, forget
from .task import RUN_ID

_REPORT_FIELDS = (
    "domain",
    "issue_type",
    "business_impact",
    "attempted_solutions",
    "specialist_recommendations",
    "cross_domain_impact",
    "recommended_action",
    "urgency_level",
)


def settle(site: Site, found: Found) -> None:
    """What the store knows when all is mended and what waited has been taken in."""
    from groundwork.operators.retry_policy import StrikePolicy

    forget()
    responder = StrikePolicy().responder()
    responder.take_in()
    with site.store() as store:
        strikes = sorted(Strikes(store).latest(), key=lambda row: row["try_number"])
        incidents = Incidents(store).latest()
    take_in_records(found, [row for row in strikes if row["run_id"] == RUN_ID], incidents)


def take_in_records(found: Found, strikes: list[Any], incidents: list[Any]) -> None:
    """What strikes of a run, in order of its tries, and incidents tell of it."""
    if strikes:
        found.fault_class = strikes[0]["fault_class"]
    results = [result for row in strikes for result in row["remedies"]]
    found.remedies = [
        f"{each['remedy']}{'' if each['is_done'] else ' (not done)'}: {each['report']}" for each in results
    ]
    used = [each for each in results if each["is_done"] and each.get("alternative")]
    if found.outcome is Outcome.HEALED and used:
        found.outcome = Outcome.ON_ALTERNATIVE
    found.report = _report_trouble(found, strikes, incidents)


def _report_trouble(found: Found, strikes: list[Any], incidents: list[Any]) -> str | None:
    """What is missing in the records; null when all is there."""
    expected = found.tries if found.outcome is Outcome.ESCALATED else found.tries - 1
    if len(strikes) != expected:
        return f"{len(strikes)} strikes for {expected} failed tries"
    open_ones = [row for row in incidents if row["state"] == "open"]
    if found.outcome is not Outcome.ESCALATED:
        unhealed = [row["outcome"] for row in strikes if row["outcome"] == "pending"]
        return f"{len(open_ones)} incidents are open" if open_ones else f"strikes stay {unhealed}" if unhealed else None
    if len(open_ones) != 1:
        return f"{len(open_ones)} open incidents, expected one"
    report = open_ones[0]["report"]
    missing = [name for name in _REPORT_FIELDS if not report.get(name)]
    return f"the report leaves out {', '.join(missing)}" if missing else None


@contextmanager
def complaints_kept(found: Found) -> Iterator[None]:
    """Failures are what this is about: their tracebacks would hide the table. Our own complaints are kept."""
    ours, before = logging.getLogger("groundwork"), logging.root.manager.disable
    keeper = _Keeper(found)
    propagated, ours.propagate = ours.propagate, False
    ours.addHandler(keeper)
    quiet = [logging.getLogger(name) for name in ("airflow", "sqlalchemy", "httpx", "psycopg")]
    levels = [each.level for each in quiet]
    for each in quiet:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for each, level in zip(quiet, levels, strict=True):
            each.setLevel(level)
        ours.removeHandler(keeper)
        ours.propagate = propagated
        logging.disable(before)


class _Keeper(logging.Handler):
    """Keeps what our own code complains about with an exception."""

    def __init__(self, found: Found) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        """One line of it."""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
            told = " ".join(str(error).split())[:200]
            self._found.complaints.append(f"{record.getMessage()[:120]} ({type(error).__name__} at {where}: {told})")
