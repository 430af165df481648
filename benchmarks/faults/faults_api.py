"""APIs that are away, too busy, or answer something else."""

from __future__ import annotations

from typing import Any

from .api import Answer
from .fault import Fault, Outcome
from .site import Site
from .work import given_quotes, load_of, rows_right

CLASS = "external_api_failure"


def _answers(answer: Answer, well_at: float | None = None, retry_after: int = 30) -> Any:
    def make(site: Site) -> None:
        given_quotes(site)
        api = site.world.api
        api.answer, api.retry_after_seconds = answer, retry_after
        if well_at is not None:
            site.at(well_at, lambda: setattr(api, "answer", Answer.WELL))

    return make


def _gone_after_it_was_good(site: Site) -> None:
    """It answered well once; since then it is away for good, and the table was emptied."""
    given_quotes(site)
    load_of("quotes")(site)
    site.admin("TRUNCATE shop.quotes")
    site.world.api.answer = Answer.UNAVAILABLE


def _api(name: str, make: Any, outcome: Outcome = Outcome.HEALED, fault_class: str = CLASS) -> Fault:
    is_right = rows_right("quotes", escalated=outcome is Outcome.ESCALATED)
    return Fault(
        name=name,
        kind="api",
        fault_class=fault_class,
        outcome=outcome,
        make=make,
        work=load_of("quotes"),
        is_right=is_right,
        table="shop.quotes",
    )


FAULTS = (
    _api("API answers 429 and asks for ten minutes", _answers(Answer.TOO_MANY, well_at=15, retry_after=600)),
    _api("API answers 503 for 30 s", _answers(Answer.UNAVAILABLE, well_at=30)),
    _api("API answers 503 for good, an old answer is kept", _gone_after_it_was_good, Outcome.ON_ALTERNATIVE),
    _api("API answers 503 for good", _answers(Answer.UNAVAILABLE), Outcome.ESCALATED),
    _api("API answers with a page for people", _answers(Answer.NONSENSE, well_at=15)),
    _api("API answers with half of a document", _answers(Answer.TRUNCATED, well_at=15)),
    _api("API resets in the middle of its answer", _answers(Answer.RESET, well_at=15)),
    _api("API answers too slowly", _answers(Answer.SLOW, well_at=10)),
    _api("API refuses the key", _answers(Answer.FORBIDDEN), Outcome.ESCALATED, "programming_error"),
    _api("API answers in another form", _answers(Answer.OTHER_FORM), Outcome.ESCALATED, "data_integrity_issues"),
)
