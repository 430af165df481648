"""When breakers open and for how long, from `governance/policies/breakers.yaml`, and how long a task waits for one.

Without the file the defaults of `BreakerRule` hold for every target.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from groundwork.orbt.policy_document import PolicyPart, read_policy_or
from groundwork.orbt.policy_in_force import policy_in_force
from groundwork.orbt.tries.target_name import CONNECTION, SOURCE
from groundwork.store.admission import Blocked
from groundwork.store.breaker import BreakerRule

POLICY_FILE = "breakers.yaml"
# A task that looks again sooner keeps the scheduler busy, which may even take it for lost: it is queued anew before the
# end of its process was noticed.
_SHORTEST_WAIT_SECONDS = 15.0
_LONGEST_WAIT_SECONDS = 300.0  # a breaker may be closed by hand meanwhile


class _Rule(PolicyPart):
    threshold: int | None = Field(default=None, ge=1, le=10_000)
    window_seconds: float | None = Field(default=None, gt=0)
    cool_down_seconds: float | None = Field(default=None, gt=0)
    factor: float | None = Field(default=None, ge=1, le=100)
    max_cool_down_seconds: float | None = Field(default=None, gt=0)
    probe_seconds: float | None = Field(default=None, gt=0)
    ask_after_openings: int | None = Field(default=None, ge=1)


class BreakerPolicy(PolicyPart):
    """The rule for all targets, and what differs for targets that a pattern (`connection:api_*`) matches."""

    kind: Literal["breakers"] = "breakers"
    version: str = "1.0.0"
    default: _Rule = _Rule()
    targets: Mapping[str, _Rule] = Field(default_factory=dict)

    @field_validator("targets")
    @classmethod
    def _is_target(cls, targets: Mapping[str, _Rule]) -> Mapping[str, _Rule]:
        for name in targets:
            require_target(name)
        return targets

    @model_validator(mode="after")
    def _is_ordered(self) -> BreakerPolicy:
        for rule in (self.rule(""), *map(self.rule, self.targets)):
            if rule.max_cool_down_seconds < rule.cool_down_seconds:
                raise ValueError("max_cool_down_seconds is less than cool_down_seconds")
        return self

    def rule(self, target: str) -> BreakerRule:
        """The rule for a target: defaults, then the policy's default, then the first pattern that matches."""
        own = next((rule for name, rule in self.targets.items() if fnmatchcase(target, name)), _Rule())
        told = {**self.default.model_dump(exclude_none=True), **own.model_dump(exclude_none=True)}
        return BreakerRule(**told)


@cache
def read_breaker_policy(folder: Path) -> BreakerPolicy:
    """The policy in a folder of policies, read once per process; the defaults when there is no file.

    Raises: ConfigError when the file is not right.
    """
    return read_policy_or(BreakerPolicy(), folder / POLICY_FILE)


def breaker_policy_in_force(folder: Path) -> BreakerPolicy:
    """The policy that holds for a failure now: while the file cannot be read, the defaults. Never raises."""
    return policy_in_force(folder / POLICY_FILE, lambda: read_breaker_policy(folder), BreakerPolicy)


def require_target(name: str) -> str:
    """The name of a target as it is.

    Raises: ValueError when it is neither `connection:<id>` nor `source:<scheme>://<host>`.
    """
    is_connection = name.startswith(CONNECTION) and len(name) > len(CONNECTION)
    if not is_connection and not (name.startswith(SOURCE) and "://" in name):
        raise ValueError(
            f"`{name}` is no target; expected connection:<Airflow connection id> or source:<scheme>://<host>"
        )
    return name


def wait_seconds(blocked: tuple[Blocked, ...]) -> float:
    """How long a task waits before it looks again: for the breaker that opens last, within bounds.

    >>> wait_seconds((Blocked(target="connection:shop", seconds=42.0, is_held=False, reason="gone"),))
    42.0
    """
    longest = max((_LONGEST_WAIT_SECONDS if each.is_held else each.seconds for each in blocked), default=0.0)
    return min(max(longest, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
