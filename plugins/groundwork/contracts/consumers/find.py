"""The uses of a domain's tables in one installation, gathered once and asked often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from groundwork.contracts.consumers.consumer import Consumer, Use
from groundwork.contracts.contract import Domain


def consumers_of(domain: Domain, table: str, column: str | None = None, *, project: Path) -> tuple[Consumer, ...]:
    """Who relies on `table` (or its `column`), each once, ordered by kind and name.

    `project` is the folder with `dags/`, `dbt_project/`, `expectations/` and `governance/`; what is missing has no
    consumers. Raises: ConfigError when the domain declares no such table or column.
    """
    declared = domain.table(table)
    if column is not None:
        declared.column(column)
    return users(all_uses(domain, project=project), declared.name, column)


def users(uses: Iterable[Use], table: str, column: str | None = None) -> tuple[Consumer, ...]:
    """Those of `uses` that concern the table or column; one consumer with several uses is told once for each."""
    return tuple(sorted({use.consumer for use in uses if use.concerns(table, column)}, key=_order))


def all_uses(domain: Domain, *, project: Path) -> Sequence[Use]:
    """Every use of every table of `domain` that contracts and files of the project make."""
    from groundwork.contracts.consumers.dags import dag_uses
    from groundwork.contracts.consumers.dbt import dbt_uses
    from groundwork.contracts.consumers.declared import declared_uses
    from groundwork.contracts.consumers.policies import policy_uses
    from groundwork.contracts.consumers.suites import suite_uses

    found = [
        *declared_uses(domain, project),
        *dbt_uses(domain, project),
        *dag_uses(domain, project),
        *suite_uses(domain, project),
        *policy_uses(domain, project),
    ]
    return list(dict.fromkeys(found))


def _order(consumer: Consumer) -> tuple[str, ...]:
    return (consumer.kind, consumer.name, consumer.where, consumer.how, consumer.owner or "")
