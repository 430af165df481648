"""Strikes that are in the store before a fault is made: what happened on other days."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from groundwork.model.fault import Fault, Impact, Strike, StrikeAction, TaskTry
from groundwork.store.strike import Strikes

from .task import DAG_ID, WRITING

if TYPE_CHECKING:
    from .site import Site


def struck_before(site: Site, fault_class: str, run_id: str, *, at: datetime) -> None:
    """One strike of the same task in another run, which healed."""
    this = TaskTry(dag_id=DAG_ID, run_id=run_id, task_id=WRITING, try_number=1)
    with site.store() as store:
        strikes = Strikes(store)
        strikes.record(
            Strike(
                task_try=this,
                fault=Fault(fault_class=fault_class, exception="none", message="on another day"),
                impact=Impact(domain="shop"),
                number=1,
                action=StrikeAction.RETRY,
                reason="strike 1 of 3",
                at=at,
                delay_seconds=10.0,
            )
        )
        strikes.healed(this)
