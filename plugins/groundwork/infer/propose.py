"""From a column's profile to what its contract could say: each statement a guess with evidence and confidence.

Classification is judged by the rules of `groundwork.governance.classification`; where they find no reason to guard a
column it is proposed as `internal`, because only its owner can say that it may be published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundwork.infer.keys import CountDistinct, KeyProposal, propose_keys
from groundwork.infer.profile import ColumnProfile, Guess
from groundwork.infer.propose_masks import proposed_mask
from groundwork.infer.quality import (
    OptionRule,
    allowed_values,
    length_rules,
    option_rule,
    pattern_rules,
    required_guess,
    unique_guess,
)
from groundwork.infer.quality_ranges import freshness_of, range_rules
from groundwork.infer.relationships import Included, Inclusion, RelationshipProposal, propose_relationships
from groundwork.infer.types import Family, family_of, logical_type_of
from groundwork.model.detection import Detection
from groundwork.model.vocabulary import Classification, PersonalData

__all__ = [
    "ColumnProposal",
    "CountDistinct",
    "Included",
    "Inclusion",
    "KeyProposal",
    "RelationshipProposal",
    "propose_column",
    "propose_keys",
    "propose_relationships",
]


@dataclass(frozen=True, kw_only=True)
class ColumnProposal:
    """What a column's contract could say beside its name and physical type.

    `options` are `logicalTypeOptions`; `allowed_values` belong into `enum` (which the table itself enforces by a CHECK)
    or, where that would differ from a live table, into `quality` (`groundwork.infer.quality.allowed_values_rule`).
    `is_required` and `is_unique` say what held on all rows that were seen; a live table's own constraints count before
    them. `freshness` is (value, unit) where the column is an event time, else null. Pointers of `guesses` are relative
    to the column's own place (`/classification`, `/logicalTypeOptions/minimum`); the guess at `/freshness` belongs
    into the contract's `slaProperties`.
    """

    name: str
    logical_type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    classification: Classification
    personal_data: PersonalData | None = None
    masking: str | None = None
    is_required: bool = False
    is_unique: bool = False
    allowed_values: tuple[str, ...] = ()
    freshness: tuple[float, str] | None = None
    description: str
    guesses: tuple[Guess, ...] = ()


def propose_column(
    profile: ColumnProfile, *, neighbours: Sequence[ColumnProfile] = (), table: str = "", is_key: bool = False
) -> ColumnProposal:
    """What the profile says of the column; `neighbours` are the table's columns, `table` its name.

    A column of the primary key (`is_key`) gets no list of allowed values: new ones are what the table is for.
    No value of personal data, and none of a column that asks for protection, gets into the proposal.
    """
    family = family_of(profile.type)
    detection = _judged(profile, neighbours, table)
    classification = max(detection.classification, Classification.INTERNAL, key=lambda word: word.rank)
    is_guarded = classification.rank > Classification.INTERNAL.rank
    mask = proposed_mask(detection.personal_data, family) if detection.personal_data else None
    may_list = family is Family.TEXT and not is_guarded and not is_key
    values, values_guess = allowed_values(profile) if may_list else ((), None)
    rules = [] if values else list(_option_rules(profile, family, detection.personal_data, is_guarded=is_guarded))
    fresh = None if is_guarded else freshness_of(profile, family)
    required, unique = required_guess(profile), unique_guess(profile, table)
    guesses = [
        _type_guess(profile),
        _classification_guess(detection, classification),
        _mask_guess(mask, detection),
        required,
        unique,
        values_guess,
        *(rule.guess for rule in rules),
        _freshness_guess(fresh),
    ]
    return ColumnProposal(
        name=profile.name,
        logical_type=logical_type_of(profile.type),
        options={rule.option: rule.value for rule in rules},
        classification=classification,
        personal_data=detection.personal_data,
        masking=str(mask) if mask else None,
        is_required=required is not None,
        is_unique=unique is not None,
        allowed_values=values,
        freshness=fresh[0] if fresh else None,
        description=described(profile.name),
        guesses=tuple(guess for guess in guesses if guess is not None),
    )


def described(name: str) -> str:
    """A name as the start of a description, for a person to complete.

    >>> described("order_date")
    'Order date.'
    """
    spoken = " ".join(part for part in name.replace("_", " ").split())
    return f"{spoken[:1].upper()}{spoken[1:]}."


def _judged(profile: ColumnProfile, neighbours: Sequence[ColumnProfile], table: str) -> Detection:
    from groundwork.governance.classification.judge import ColumnSample, judge

    values = profile.samples or tuple(value for value, _ in profile.top_values)
    sample = ColumnSample(
        schema="",
        table=table,
        column=profile.name,
        type=profile.type,
        values=values,
        neighbours=tuple(neighbour.name for neighbour in neighbours),
    )
    return judge(sample)


def _option_rules(
    profile: ColumnProfile, family: Family, personal_data: PersonalData | None, *, is_guarded: bool
) -> Iterator[OptionRule]:
    if family is Family.TEXT:
        yield from length_rules(profile)
    elif family is Family.UUID:
        yield option_rule("format", "uuid", "the type", 1.0)
    if personal_data is PersonalData.EMAIL and family is Family.TEXT:
        yield from (rule for rule in pattern_rules(profile) if rule.option == "format")
    if is_guarded:
        return  # a range or a pattern would tell values that only some may see
    if family is Family.TEXT:
        yield from pattern_rules(profile)
    yield from range_rules(profile, family)


def _type_guess(profile: ColumnProfile) -> Guess | None:
    if not profile.notes:
        return None
    confidence = 0.5 if any("ambiguous" in note for note in profile.notes) else 0.8
    return Guess(pointer="/physicalType", what=profile.type, evidence="; ".join(profile.notes), confidence=confidence)


def _classification_guess(detection: Detection, classification: Classification) -> Guess:
    what = f"{classification}, personal data: {detection.personal_data}" if detection.personal_data else classification
    evidence = "; ".join(str(signal) for signal in detection.evidence)
    is_default = classification is not detection.classification
    evidence = f"{evidence}; internal until its owner publishes it" if is_default else evidence
    return Guess(pointer="/classification", what=str(what), evidence=evidence, confidence=detection.confidence)


def _mask_guess(mask: str | None, detection: Detection) -> Guess | None:
    if mask is None:
        return None
    evidence = f"the usual mask for personal data of the kind {detection.personal_data}"
    return Guess(pointer="/masking", what=f"masking {mask}", evidence=evidence, confidence=detection.confidence)


def _freshness_guess(fresh: tuple[tuple[float, str], str] | None) -> Guess | None:
    if fresh is None:
        return None
    (value, unit), evidence = fresh
    return Guess(pointer="/freshness", what=f"at most {value:g} {unit} old", evidence=evidence, confidence=0.5)
