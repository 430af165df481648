"""Repositories derived from contracts: the only way in for code of users.

`Repositories(engine, domain)["orders"]` reads and writes one table. Every row is validated against the contract
before it is written. A write that others could have overtaken names the version it saw: `updated_at` where the table
has one (the repository moves it on with every change), else the row's `xmin`.

    with repositories.transaction() as t:
        order = t["orders"].get(order_id)
        t["orders"].update(order_id, {"status": "filled"}, expected_version=order.version)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from sqlalchemy import Engine

from groundwork.access.relation import relation
from groundwork.access.rows import Page, Row, Upserted
from groundwork.access.session import Session, told_apart
from groundwork.access.table_access import Begin, Repository
from groundwork.access.validation import RowRules
from groundwork.contracts.contract import Domain, RoleContract
from groundwork.model.errors import ConfigError

__all__ = ["Page", "Repositories", "Repository", "Row", "Transaction", "Upserted", "role_of"]


class Repositories:
    """The repositories of one domain; with `role` they act as that contract role, behind its masks and grants.

    Raises: ConfigError when the domain has no such role.
    """

    def __init__(self, engine: Engine, domain: Domain, *, role: str | None = None, timeout_seconds: float = 0) -> None:
        self.domain = domain
        self._session = Session(engine=engine, role=role, timeout_seconds=timeout_seconds)
        self._role = role_of(domain, role) if role is not None else None
        self._relations = {table.name: relation(table) for table in domain.tables}
        self._rules = {name: RowRules(each) for name, each in self._relations.items()}

    def __getitem__(self, table: str) -> Repository:
        """The repository of one table, each call a transaction of its own; raises ConfigError for an unknown one."""
        return self._repository(table, lambda read_only: self._session.begin(read_only=read_only), self._session)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Several calls in one transaction, rolled back when the block raises."""
        with told_apart(), self._session.begin() as connection:
            yield Transaction(lambda table: self._repository(table, lambda _: nullcontext(connection)))

    def _repository(self, table: str, begin: Begin, session: Session | None = None) -> Repository:
        name = self.domain.table(table).name
        return Repository(self._relations[name], self._rules[name], self._role, begin, session)


@dataclass(frozen=True)
class Transaction:
    """The repositories of one open transaction."""

    _open: Callable[[str], Repository]

    def __getitem__(self, table: str) -> Repository:
        """The repository of one table inside this transaction."""
        return self._open(table)


def role_of(domain: Domain, name: str) -> RoleContract:
    """The role `name` of the domain; raises ConfigError when no contract declares it."""
    for role in domain.roles:
        if role.name == name:
            return role
    raise ConfigError(
        f"no role `{name}` is declared",
        where=f"domain {domain.name}",
        expected=f"one of {', '.join(role.name for role in domain.roles) or 'none'}",
        found=name,
    )
