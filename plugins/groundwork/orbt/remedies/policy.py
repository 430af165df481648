"""Which remedy may run where, when and how far: the policy `governance/policies/remedies.yaml`.

What the file does not say stays as each remedy declares it. The policy restrains, so that losing it permits nothing
more: a folder of policies without this file lets no remedy by itself change a database, and neither does a file that
cannot be read. Of that, where the mistakes stand in the rules of single remedies, the other rules still hold for
remedies that change nothing; else it forbids every remedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator

from groundwork.contracts.document import read_document
from groundwork.model.errors import ConfigError
from groundwork.orbt.policy_document import PolicyPart, read_policy_or
from groundwork.orbt.remedies.catalogue import REMEDIES, of_remedies
from groundwork.orbt.remedies.remedy import Limits, Mode, Remedy
from groundwork.settings import STORE_CONNECTION

FILE = Path("governance") / "policies" / "remedies.yaml"


class Hours(PolicyPart):
    """A span of the day in a time zone, its end excluded; an end before the start lies on the next day."""

    start: time
    end: time
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"`{zone}` is no time zone; an example is Europe/Berlin")
        return zone

    def has(self, now: datetime) -> bool:
        """Whether the moment lies in the span."""
        at = now.astimezone(ZoneInfo(self.zone)).time()
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


class Rule(PolicyPart):
    """What the policy says of one remedy; null is what the remedy itself declares."""

    mode: Mode | None = None
    targets: tuple[str, ...] | None = None
    seconds: float | None = Field(default=None, gt=0, le=86_400)
    rows: int | None = Field(default=None, ge=0)
    hours: Hours | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class RemedyPolicy(PolicyPart):
    """The policy of all remedies."""

    kind: Literal["remedies"]
    version: str
    remedies: dict[str, Rule] = Field(default_factory=dict)

    @field_validator("remedies")
    @classmethod
    def _known(cls, remedies: dict[str, Rule]) -> dict[str, Rule]:
        unknown = sorted(remedies.keys() - REMEDIES.keys())
        if unknown:
            raise ValueError(f"no remedy is called {', '.join(unknown)}; {of_remedies(*unknown)}")
        return remedies


_NOTHING = RemedyPolicy(kind="remedies", version="0")


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What one remedy may do; null `targets` are all, null `hours` always."""

    mode: Mode
    limits: Limits
    targets: tuple[str, ...] | None = None
    hours: Hours | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def obstacle(self, remedy: Remedy, target: str, now: datetime) -> str | None:
        """Why the remedy may not act on the connection `target` now, null when it may, whatever its mode."""
        if self.mode == "never":
            return "policy forbids it"
        if self.targets is not None and target not in self.targets:
            return f"policy allows it on {', '.join(self.targets) or 'no connection'}, not on `{target}`"
        if self.targets is None and remedy.is_writing and target == STORE_CONNECTION:
            return "it changes a database, and this one is Groundwork's own: policy has to name it"
        if self.hours is not None and not self.hours.has(now):
            return f"policy allows it from {self.hours.start:%H:%M} to {self.hours.end:%H:%M} {self.hours.zone}"
        return None


def read_remedy_policy(project: Path) -> RemedyPolicy:
    """The policy of a project; without a file it says nothing. Raises: ConfigError when it cannot be read."""
    return read_policy_or(_NOTHING, project / FILE)


def read_permission(remedy: Remedy, project: Path) -> Permission:
    """What the policy of a project says of a remedy.

    Raises: ConfigError when there is a policy that cannot be read, and the remedy is forbidden for that.
    """
    path = project / FILE
    try:
        rule = read_remedy_policy(project).remedies.get(remedy.name, Rule())
    except ConfigError:
        own = _own_rule(remedy, path)
        if own is None:
            raise
        rule = own
    mode = rule.mode or remedy.default_mode
    is_lost = path.parent.exists() and not path.exists()
    return Permission(
        mode="propose" if is_lost and remedy.is_writing and mode == "run" else mode,
        limits=replace(
            remedy.limits,
            seconds=remedy.limits.seconds if rule.seconds is None else rule.seconds,
            rows=remedy.limits.rows if rule.rows is None else rule.rows,
        ),
        targets=rule.targets,
        hours=rule.hours,
        settings=rule.settings,
    )


def permission_to_undo(remedy: Remedy, project: Path) -> Permission:
    """As `read_permission`, with the remedy's own limits while the policy cannot be read: that keeps nobody from taking
    back what a dead process left.
    """
    try:
        return read_permission(remedy, project)
    except ConfigError:
        return Permission(mode="never", limits=remedy.limits)


def _own_rule(remedy: Remedy, path: Path) -> Rule | None:
    """What a file with mistakes says of a remedy, as far as it is sure that they are not about it; else null."""
    try:
        told = read_document(path).data
        rules = told.get("remedies", {})
        is_sure = told.keys() <= RemedyPolicy.model_fields.keys() and rules.keys() <= REMEDIES.keys()
        own = Rule.model_validate(rules.get(remedy.name, {}))
    except (ConfigError, ValidationError, AttributeError):
        return None
    return own if is_sure and not remedy.is_writing else None
