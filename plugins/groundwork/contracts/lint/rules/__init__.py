"""The rules by name: one module each, whose docstring is the rule's manual page.

A module has `SEVERITY` and `check(domain)`, which yields every problem of the whole domain. A rule keeps silent where
another one already speaks: what cannot be judged because of another mistake is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

from groundwork.contracts.lint.rules import (
    access_pattern,
    classification,
    column_suffix,
    custom_property,
    domain_name,
    duplicate_name,
    foreign_key_index,
    index_columns,
    index_redundancy,
    logical_type,
    name_form,
    owner,
    partitioning,
    personal_data,
    physical_type,
    primary_key,
    quality_rule,
    relationship,
    required_cycle,
    retention,
    role,
    size_limit,
    source,
    sql_fragment,
)
from groundwork.contracts.lint.subject import DomainPart, Problem
from groundwork.model.vocabulary import Severity

_MODULES: tuple[ModuleType, ...] = (
    name_form,
    column_suffix,
    duplicate_name,
    domain_name,
    owner,
    role,
    custom_property,
    physical_type,
    logical_type,
    primary_key,
    size_limit,
    relationship,
    required_cycle,
    index_columns,
    index_redundancy,
    foreign_key_index,
    partitioning,
    classification,
    personal_data,
    quality_rule,
    sql_fragment,
    access_pattern,
    retention,
    source,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: how much its findings matter, what it finds, and its manual page."""

    severity: Severity
    check: Callable[[DomainPart], Iterator[Problem]]
    manual: str


RULES: dict[str, Rule] = {
    module.__name__.rpartition(".")[2]: Rule(
        severity=module.SEVERITY, check=module.check, manual=(module.__doc__ or "").strip()
    )
    for module in _MODULES
}
