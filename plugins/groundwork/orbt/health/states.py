"""The state of each dataset and pipeline: repair, build, training or operating, by the rule in `judgement`.

`states_of` reads the facts of a whole domain with a fixed number of queries, `state_of`
gives one of them or that of the domain, which is the most pressing of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from groundwork.model.errors import ConfigError
from groundwork.model.health import Situation, State
from groundwork.orbt.health.facts import facts_of
from groundwork.orbt.health.judgement import TRAINING_RUNS, Facts, judge

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.contracts.contract import Domain

__all__ = ["TRAINING_RUNS", "Facts", "judge", "most_pressing", "state_of", "states_of"]
_PRESSING = tuple(State)


def most_pressing(situations: Iterable[Situation], subject: str) -> Situation:
    """The state of a whole: that of its most pressing part, repair before build before training before operating."""
    parts = sorted(situations, key=lambda each: _PRESSING.index(each.state))
    if not parts:
        return Situation(subject=subject, state=State.BUILD, reason="nothing is declared yet")
    first = parts[0]
    if first.state is State.OPERATING:
        return Situation(subject=subject, state=first.state, reason=first.reason, since=first.since)
    alike = sum(each.state is first.state for each in parts) - 1
    more = f" (and {alike} more)" if alike else ""
    return Situation(
        subject=subject, state=first.state, reason=f"{first.subject}: {first.reason}{more}", since=first.since
    )


def states_of(store: Engine, warehouse: Engine | None, domain: Domain, now: datetime) -> Mapping[str, Situation]:
    """The state of every dataset (`schema.table`) and pipeline of a domain, by name.

    A warehouse that does not answer (null: it was asked before and did not) puts what lies in it in repair.
    Raises: what the driver raises without the store.
    """
    return {subject: judge(subject, facts) for subject, facts in facts_of(store, warehouse, domain, now).items()}


def state_of(
    store: Engine, warehouse: Engine | None, domain: Domain, subject: str | None = None, *, now: datetime
) -> Situation:
    """The state of one dataset or pipeline of a domain; without `subject` that of the domain itself.

    Raises: ConfigError when the domain has no such subject; as `states_of`.
    """
    found = states_of(store, warehouse, domain, now)
    if subject is None:
        return most_pressing(found.values(), domain.name)
    if subject not in found:
        raise ConfigError(
            "there is no such dataset or pipeline",
            where=f"domain {domain.name}",
            expected=", ".join(sorted(found)),
            found=subject,
            next_step="groundwork health",
        )
    return found[subject]
