"""What it means that a column changed: its type, what may be in it, what fills it, and who may see it."""

from __future__ import annotations

from collections.abc import Callable

from groundwork.contracts.evolution.change import Audience
from groundwork.contracts.evolution.difference import Difference
from groundwork.contracts.evolution.judge_options import judge_enum, judge_options
from groundwork.contracts.evolution.judgement import (
    Verdict,
    Verdicts,
    World,
    asked,
    blinded,
    breaks,
    compatible,
    masked,
    notice_change,
    removal,
    unknown,
    wording,
)
from groundwork.contracts.evolution.subject import Subject
from groundwork.contracts.evolution.types import TypeStep, type_step
from groundwork.model.vocabulary import Classification

_FILLS_ITSELF = ("default", "identity", "generated")
_GENERATED = ("generated", "generatedKind", "collation")


def judge_column(difference: Difference, world: World) -> Verdicts:
    """The verdicts on one difference of a column."""
    if difference.what == "added" and difference.new:
        yield _added(difference.new)
    elif difference.what == "removed":
        yield removal(difference, world)
    elif difference.what == "renamed":
        yield breaks(Audience.BOTH, "whoever names it by its old name fails")
    elif (difference.attribute or "").startswith("logicalTypeOptions."):
        yield from judge_options(difference)
    elif difference.attribute == "enum":
        yield from judge_enum(difference)
    else:
        judge = _ATTRIBUTES.get(difference.attribute or "")
        yield judge(difference, world) if judge else unknown(difference)


def _added(column: Subject) -> Verdict:
    is_filled = any(column.get(attribute) is not None for attribute in _FILLS_ITSELF)
    if column.get("required") and not is_filled:
        return breaks(Audience.WRITERS, "a new row needs a value here, and nothing fills it in")
    return compatible(Audience.BOTH, "nobody reads it yet, and writers may leave it out")


def _type(difference: Difference, _: World) -> Verdict:
    old, new = str(difference.old_value), str(difference.new_value)
    step = type_step(old, new)
    if step is TypeStep.SAME:
        return wording("another name of the same type")
    if step is TypeStep.WIDENED:
        why = "every value still fits; readers that keep it in the narrower type may not hold the new ones"
        return compatible(Audience.READERS, why)
    if step is TypeStep.NARROWED:
        return breaks(Audience.WRITERS, "values that fitted before are refused or cut now")
    return breaks(Audience.BOTH, "it is another kind of value, for whoever writes it and whoever reads it")


def _logical_type(difference: Difference, _: World) -> Verdict:
    if (difference.old_value, difference.new_value) == ("integer", "number"):
        return compatible(Audience.READERS, "whole numbers are numbers; readers may meet fractions")
    if difference.old_value is None or difference.new_value is None:
        return compatible(Audience.READERS, "the type is said, or no longer said, in words of its own")
    return breaks(Audience.BOTH, "it is another kind of value, for whoever writes it and whoever reads it")


def _required(difference: Difference, _: World) -> Verdict:
    if difference.new_value:
        return breaks(Audience.WRITERS, "rows without a value here are refused now")
    return breaks(Audience.READERS, "it may be null now, which readers did not have to expect")


def _unique(difference: Difference, _: World) -> Verdict:
    if difference.new_value:
        return asked("no two rows may have the same value")
    return breaks(Audience.BOTH, "values may repeat: joins can double rows, and an upsert on it fails")


def _default(difference: Difference, _: World) -> Verdict:
    if difference.new_value is None:
        needs = difference.new is not None and difference.new.get("required")
        if needs and not any(difference.new and difference.new.get(name) for name in _FILLS_ITSELF):
            return breaks(Audience.WRITERS, "writers that leave it out are refused now")
        return compatible(Audience.WRITERS, "writers that leave it out store null now")
    if difference.old_value is None:
        return compatible(Audience.WRITERS, "writers may leave it out now")
    return compatible(Audience.WRITERS, "writers that leave it out store another value now")


def _identity(difference: Difference, _: World) -> Verdict:
    if difference.new_value == "always":
        return breaks(Audience.WRITERS, "the database gives the value; writers that set it are refused")
    if difference.new_value is None:
        return breaks(Audience.WRITERS, "the database no longer gives a value; writers have to")
    return compatible(Audience.WRITERS, "writers may leave it out or set it")


def _generated(difference: Difference, _: World) -> Verdict:
    if difference.attribute == "generatedKind":
        return compatible(Audience.READERS, "the same value, computed at another time")
    if difference.attribute == "collation":
        return breaks(Audience.BOTH, "text sorts and compares in another way")
    if difference.old_value is None:
        return breaks(Audience.WRITERS, "the database computes it; writers that set it are refused")
    if difference.new_value is None:
        return breaks(Audience.BOTH, "nothing computes it any more; writers have to set it")
    return breaks(Audience.READERS, "it is computed in another way, so its values mean something else")


def _classification(difference: Difference, world: World) -> Verdict:
    try:
        old, new = (Classification(value) for value in (difference.old_value, difference.new_value))
    except ValueError:
        if difference.old_value is None:
            return compatible(Audience.READERS, "how guarded it is was not said before")
        return compatible(Audience.READERS, "how guarded it is is no longer said, so policy decides")
    if new.rank < old.rank:
        return compatible(Audience.READERS, f"less guarded: roles with clearance {new} see it clear; have it reviewed")
    hidden = blinded(world, old, new)
    if hidden:
        return breaks(Audience.READERS, f"these roles see it masked now: {', '.join(hidden)}")
    return compatible(Audience.READERS, "more guarded, but no role of the contract loses sight of it")


def _masking(difference: Difference, world: World) -> Verdict:
    classification = difference.old.get("classification") if difference.old else None
    try:
        hidden = masked(world, Classification(str(classification)))
    except ValueError:
        hidden = tuple(role.name for role in world.old_roles)
    if hidden:
        return breaks(Audience.READERS, f"what these roles see in its place is different: {', '.join(hidden)}")
    return compatible(Audience.READERS, "no role of the contract sees it masked")


_ATTRIBUTES: dict[str, Callable[[Difference, World], Verdict]] = {
    "physicalType": _type,
    "logicalType": _logical_type,
    "required": _required,
    "unique": _unique,
    "default": _default,
    "identity": _identity,
    **dict.fromkeys(_GENERATED, _generated),
    "classification": _classification,
    "masking": _masking,
    "personalData": _masking,
    "deprecated": lambda difference, _: notice_change(difference),
    "encryptedName": lambda *_: breaks(Audience.READERS, "the encrypted value is under another name"),
    "transformLogic": lambda *_: wording("tells how it is made"),
    "transformSourceObjects": lambda *_: wording("tells what it is made from"),
    "criticalDataElement": lambda *_: wording("tells how much it matters"),
}
