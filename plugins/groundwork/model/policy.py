"""Policy words and verdicts: what a rule asked of something, what was found, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Effect(StrEnum):
    """What a failed rule does to the pipeline."""

    BLOCK = "block"
    WARN = "warn"


class Mask(StrEnum):
    """How a value is hidden from roles without the clearance for it; every mask keeps the column's type.

    `partial` leaves enough to recognise (text only, else null); `hash` is keyed and the same for the same value
    everywhere in the domain (text and uuid, else null); `redact` is a fixed word (text only, else null).
    """

    PARTIAL = "partial"
    HASH = "hash"
    NULL = "null"
    REDACT = "redact"


@dataclass(frozen=True, kw_only=True)
class PolicyVerdict:
    """One rule of one policy applied to one subject; `details` is JSON-ready and holds no personal data value."""

    policy: str
    policy_version: str
    rule: str
    subject: str
    passed: bool
    effect: Effect
    expected: str
    found: str
    next_step: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Whether the pipeline has to stop because of it."""
        return not self.passed and self.effect is Effect.BLOCK


@dataclass(frozen=True, kw_only=True)
class AccessFinding:
    """One thing tried or compared about access; `role` is empty where it concerns no single role.

    `check` is `read_view`, `insert_view`, `update_view`, `read_table`, `read_hidden`, `insert_table`, `update_table`,
    `delete_table`, `switch_role`, `role_exists`, `mask`, `clear_value`, `view_drift`, `grant_drift` or `role_drift`.
    """

    role: str
    check: str
    subject: str
    passed: bool
    expected: str
    found: str
    next_step: str | None = None
