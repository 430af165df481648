"""The success criteria of the phase `data_access_layer`, measured over HTTP on the running data API.

They hold on empty tables too: each makes the rows it needs from the contracts and removes them.
"""

from __future__ import annotations

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.foundation.api_authentication import authentication_working
from groundwork.foundation.api_functional import apis_functional
from groundwork.foundation.api_performance import performance_acceptable
from groundwork.foundation.api_probe import probe_keys
from groundwork.foundation.gate import Criterion
from groundwork.model.evidence import CriterionResult
from groundwork.store.api_key import ApiKeys

__all__ = ["apis_functional", "authentication_working", "check", "criteria", "performance_acceptable"]


def criteria(base_url: str, domain: Domain, warehouse: Engine, store: Engine) -> list[Criterion]:
    """Name and measurement of each criterion, in order; keys are issued for each and revoked after."""

    def functional() -> CriterionResult:
        with probe_keys(store) as key_for_role:
            return apis_functional(base_url, domain, warehouse, key_for_role)

    def authentication() -> CriterionResult:
        with probe_keys(store) as key_for_role:
            return authentication_working(base_url, domain, warehouse, key_for_role, ApiKeys(store))

    def performance() -> CriterionResult:
        with probe_keys(store) as key_for_role:
            return performance_acceptable(base_url, domain, warehouse, key_for_role)

    return [
        ("APIs_functional", functional),
        ("authentication_working", authentication),
        ("performance_acceptable", performance),
    ]


def check(base_url: str, domain: Domain, warehouse: Engine, store: Engine) -> tuple[CriterionResult, ...]:
    """All criteria of the phase, one after the other."""
    return tuple(measure() for _, measure in criteria(base_url, domain, warehouse, store))
