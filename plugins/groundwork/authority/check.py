"""Whether a team may write paths: the verdict on each, with the glob that decided.

Of all globs that match a path, the nearest decides (see `glob`): first the one that names the deepest part of the path,
then the one with more letters of its own, then what is forbidden before what is exclusive. A path that no glob claims
may be written by everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from groundwork.authority.glob import Nearness
from groundwork.authority.policy import AuthorityPolicy, Rule


class Decision(StrEnum):
    """What policy says of a path: `outside` is a symbolic link that leads out of the repository."""

    ALLOWED = "allowed"
    EXCLUSIVE = "exclusive"
    FORBIDDEN = "forbidden"
    OUTSIDE = "outside"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether `team` may write `path`; `team` is null for somebody of no team.

    `glob` and `where` (`file:line`) are those of the rule that decided, null when none claims the path; `owner` is the
    team that a path is exclusive to.
    """

    path: str
    team: str | None
    decision: Decision
    why: str
    glob: str | None = None
    where: str | None = None
    owner: str | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the path may be written."""
        return self.decision is Decision.ALLOWED

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def check_change(policy: AuthorityPolicy, team: str | None, paths: Iterable[str]) -> tuple[Verdict, ...]:
    """The verdict on each of `paths` (relative to the repository's root, with slashes), in their order.

    `team` is null for somebody of no team, who may write what nobody claims. Raises: ConfigError when the policy has no
    such team.
    """
    if team is not None:
        policy.team(team)
    return tuple(_verdict(policy, team, path) for path in paths)


def who_may_write(policy: AuthorityPolicy, path: str) -> tuple[Verdict, ...]:
    """The verdict on `path` for every team, then for somebody of no team."""
    names: list[str | None] = [team.name for team in policy.teams]
    return tuple(_verdict(policy, team, path) for team in [*names, None])


def _verdict(policy: AuthorityPolicy, team: str | None, path: str) -> Verdict:
    decisive = max(_matching(policy, team, path), key=_order, default=None)
    if decisive is None:
        return Verdict(path=path, team=team, decision=Decision.ALLOWED, why="no rule claims it")
    _, decision, rule = decisive
    whom = f"the team {team}" if team else "somebody of no team"
    if decision is Decision.FORBIDDEN:
        why = f"{whom} may not write {rule.what}"
    elif decision is Decision.EXCLUSIVE:
        why = f"only the team {rule.team} may write it, and not {whom}"
    else:
        why = f"it is exclusive to {whom}"
    owner = None if decision is Decision.FORBIDDEN else rule.team
    where = f"{policy.source}:{rule.line}"
    return Verdict(path=path, team=team, decision=decision, why=why, glob=rule.glob, where=where, owner=owner)


def _matching(policy: AuthorityPolicy, team: str | None, path: str) -> Iterator[tuple[Nearness, Decision, Rule]]:
    for each in policy.teams:
        is_own = each.name == team
        for rule in each.exclusive:
            near = rule.nearness(path)
            if near is not None:
                yield near, Decision.ALLOWED if is_own else Decision.EXCLUSIVE, rule
        for rule in each.forbidden if is_own else ():
            near = rule.nearness(path)
            if near is not None:
                yield near, Decision.FORBIDDEN, rule


def _order(found: tuple[Nearness, Decision, Rule]) -> tuple[int, int, int]:
    """Nearest last; among equals forbidden last, before it the team's own claim, before it another team's."""
    near, decision, _ = found
    weight = {Decision.EXCLUSIVE: 0, Decision.ALLOWED: 1}.get(decision, 2)
    return near.depth, near.letters, weight
