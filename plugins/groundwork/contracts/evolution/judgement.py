"""What a difference means: the principle, the sentences that say it, and the answer for what nobody has a rule for.

A contract promises readers something and asks something of writers. What is asked anew breaks writers; a promise that
is withdrawn breaks readers when their results go wrong or their names vanish, and is compatible when they may only meet
values they have not met before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from groundwork.contracts.contract import RoleContract
from groundwork.contracts.evolution.change import Audience, Impact
from groundwork.contracts.evolution.difference import Difference
from groundwork.model.vocabulary import Classification

WORDS = frozenset(  # what explains and is explained to nobody's code
    [
        "description",
        "businessName",
        "tags",
        "examples",
        "authoritativeDefinitions",
        "reason",
        "enumDescriptions",
        "contractCreatedTs",
        "name",
        "id",
        "comments",
        "apiVersion",
        "kind",
        "transformDescription",
    ]
)


@dataclass(frozen=True, kw_only=True)
class World:
    """What judging needs to know beside the difference: the roles of both sides and the day it is."""

    old_roles: Sequence[RoleContract]
    new_roles: Sequence[RoleContract]
    today: date


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a difference means; `old` and `new` narrow the values shown when one difference has several meanings."""

    impact: Impact
    audience: Audience
    why: str
    old: Any = None
    new: Any = None


Verdicts = Iterator[Verdict]


def breaks(audience: Audience, why: str, **shown: Any) -> Verdict:
    """A verdict that somebody's code or results stop being right."""
    return Verdict(impact=Impact.BREAKING, audience=audience, why=why, **shown)


def compatible(audience: Audience, why: str, **shown: Any) -> Verdict:
    """A verdict that everything that works goes on working."""
    return Verdict(impact=Impact.COMPATIBLE, audience=audience, why=why, **shown)


def wording(why: str = "explains; no code depends on it") -> Verdict:
    """A verdict that only words changed."""
    return Verdict(impact=Impact.DOCUMENTATION, audience=Audience.NOBODY, why=why)


def asked(what: str, **shown: Any) -> Verdict:
    """Something is asked of writers that was not."""
    return breaks(Audience.WRITERS, f"{what}: what was accepted before is refused now", **shown)


def allowed(what: str, **shown: Any) -> Verdict:
    """Writers may do more than before; readers may meet it."""
    return compatible(Audience.READERS, f"{what}: readers may meet values they have not met before", **shown)


def unknown(difference: Difference) -> Verdict:
    """The answer for what Groundwork has no rule for: told, and due a minor step."""
    name = (difference.attribute or "").rpartition(".")[2]
    if name in WORDS or difference.attribute in WORDS:
        return wording()
    return compatible(Audience.BOTH, "Groundwork does not know what reads this; look whether another tool does")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The custom property `deprecated` of a table or column; `remove_after` is the last day it is there for sure."""

    since: str | None
    remove_after: date | None
    replacement: str | None


def notice(value: Any) -> Notice | None:
    """What a `deprecated` property says, null when there is none; a date nobody can read is no date."""
    if not isinstance(value, dict):
        return None
    return Notice(
        since=_text(value.get("since")),
        remove_after=_day(value.get("removeAfter")),
        replacement=_text(value.get("replacement")),
    )


def removal(difference: Difference, world: World) -> Verdict:
    """What it means that a table or column is gone: breaking, unless its notice has run out."""
    said = notice(difference.old.get("deprecated")) if difference.old else None
    instead = f"; use {said.replacement} instead" if said and said.replacement else ""
    if said and said.remove_after and world.today > said.remove_after:
        since = f"since {said.since} " if said.since else ""
        return compatible(
            Audience.BOTH, f"announced: deprecated {since}and to be removed after {said.remove_after}{instead}"
        )
    if said and said.remove_after:
        return breaks(Audience.BOTH, f"it was promised until {said.remove_after}, which has not passed{instead}")
    if said:
        return breaks(
            Audience.BOTH, f"deprecated without a day in `removeAfter`, so nobody knew when it would go{instead}"
        )
    return breaks(Audience.BOTH, "whoever reads or writes it fails")


def notice_change(difference: Difference) -> Verdict:
    """What it means that a `deprecated` property changed."""
    old, new = notice(difference.old_value), notice(difference.new_value)
    if old and old.remove_after and new and (new.remove_after is None or new.remove_after < old.remove_after):
        return breaks(Audience.BOTH, "its users have less time than they were told")
    if new is None:
        return compatible(Audience.BOTH, "it stays after all")
    until = f"until {new.remove_after}" if new.remove_after else "without a day, so a removal will still break"
    return compatible(Audience.BOTH, f"its users are told that it goes, {until}")


def blinded(world: World, old: Classification, new: Classification) -> tuple[str, ...]:
    """The roles that saw a value clear at its old classification and see it masked at its new one."""
    after = {role.name: role for role in world.new_roles}
    return tuple(
        role.name
        for role in world.old_roles
        if role.clearance.rank >= old.rank and role.name in after and after[role.name].clearance.rank < new.rank
    )


def masked(world: World, classification: Classification) -> tuple[str, ...]:
    """The roles that see values of this classification masked, before and after."""
    after = {role.name for role in world.new_roles if role.clearance.rank < classification.rank}
    return tuple(
        role.name for role in world.old_roles if role.clearance.rank < classification.rank and role.name in after
    )


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
