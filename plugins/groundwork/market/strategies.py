"""Trading strategies: what the registry says of each, and the decision that its parameters are.

`config` of the registry holds `kind` (which rule gives the signals), the rule's own parameters, and for every kind
`lock_days` (how long ownership is safe from lower priority), `order_value_usd` and `limit_tolerance_pct` (how far from
the day's close an order may be filled).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from groundwork.contracts.contract import Domain
from groundwork.market.warehouse import table_in
from groundwork.model.errors import ConfigError

NAMESPACE = uuid.UUID("3f9a1f0e-6f0b-5a53-9d52-0f6b8f1f7c11")  # of every id this domain derives


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """One row of the registry; the higher `priority` wins a conflict."""

    strategy_id: uuid.UUID
    name: str
    priority: int
    config: Mapping[str, Any]
    is_active: bool
    description: str | None = None

    @property
    def kind(self) -> str | None:
        """The rule that gives its signals."""
        found = self.config.get("kind")
        return str(found) if found else None

    @property
    def decision_id(self) -> uuid.UUID:
        """Id of the decision to use this strategy with these parameters: other parameters are another decision."""
        parameters = json.dumps(dict(self.config), sort_keys=True, separators=(",", ":"))
        return uuid.uuid5(NAMESPACE, f"decision/{self.strategy_id}/{parameters}")

    def number(self, name: str, *, at_least: float = 0) -> float:
        """The parameter `name`.

        Raises: ConfigError when it is missing, not a number, or below `at_least`.
        """
        found = self.config.get(name)
        if isinstance(found, bool) or not isinstance(found, int | float) or found < at_least:
            raise ConfigError(
                "a parameter of the strategy is missing or makes no sense",
                where=f"strategies.config of `{self.name}`: {name}",
                expected=f"a number of at least {at_least}",
                found=found,
                next_step="correct the strategy's config in the registry",
            )
        return float(found)

    def days(self, name: str) -> int:
        """The parameter `name` as a number of days, at least 1; raises as `number` does."""
        return int(self.number(name, at_least=1))


def read_strategies(connection: Connection, domain: Domain, schema: str) -> tuple[Strategy, ...]:
    """The registry, highest priority first, then by name."""
    table = table_in(domain, "strategies", schema)
    query = select(table).order_by(table.c.priority.desc(), table.c.name)
    return tuple(
        Strategy(
            strategy_id=row.strategy_id,
            name=row.name,
            priority=row.priority,
            config=row.config,
            is_active=row.is_active,
            description=row.description,
        )
        for row in connection.execute(query)
    )
