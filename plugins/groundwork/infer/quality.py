"""Quality rules that held on all rows seen, each with its evidence, its margin and a confidence.

Conservative on purpose: a rule that is too narrow turns tomorrow's good rows away, one that is missing can be added.
Ranges and lengths keep a margin, lists of allowed values need many rows per value, and nothing is said of columns with
personal data but presence and length. Confidence by kind of rule:

- presence and uniqueness: rule of succession, (n + 1) / (n + 2) over n rows;
- allowed values: 1 - (values seen once + 1) / (n + 2), the Good-Turing estimate that the next value is a new one;
- known quantities (percent, latitude): 0.8; no negative values: 0.8; other ranges and lengths: 0.5 to 0.7;
- patterns: 0.7, since all values have them but nobody said they must.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundwork.governance.classification.names import words
from groundwork.infer.profile import ColumnProfile, Guess
from groundwork.infer.quality_patterns import EMAIL, URI, pattern_of_values
from groundwork.infer.quality_words import says_choice, says_free_text, says_one_of_a_kind, says_shared_code
from groundwork.infer.relationships_names import key_word, stem, table_words
from groundwork.infer.types import length_of

_MOST_ALLOWED = 20  # values; a longer list belongs into a table of its own
_LONGEST_ALLOWED = 40  # letters of one allowed value
_ROWS_PER_VALUE = 20  # rows that must stand behind each allowed value on average
_ROWS_PER_CHOICE = 5  # the same where the name says that values come from a list
_FEWEST_FOR_ALLOWED = 50  # rows
_FEWEST_FOR_LENGTH = 10  # rows


@dataclass(frozen=True, kw_only=True)
class OptionRule:
    """One entry of `logicalTypeOptions` and why it is proposed."""

    option: str
    value: Any
    guess: Guess


def option_rule(option: str, value: Any, evidence: str, confidence: float) -> OptionRule:
    """The rule with its guess at `/logicalTypeOptions/<option>`."""
    guess = Guess(
        pointer=f"/logicalTypeOptions/{option}",
        what=f"{option} {value}",
        evidence=evidence,
        confidence=round(confidence, 2),
    )
    return OptionRule(option=option, value=value, guess=guess)


def succession(rows: int) -> float:
    """How sure it is that what held on `rows` rows holds on the next one."""
    return min(0.99, round((rows + 1) / (rows + 2), 2))


def required_guess(profile: ColumnProfile) -> Guess | None:
    """That the column is never null, where no row was without a value."""
    if profile.nulls or not profile.rows:
        return None
    evidence = f"no row of {profile.rows:,} is without a value"
    return Guess(pointer="/required", what="never null", evidence=evidence, confidence=succession(profile.rows))


def unique_guess(profile: ColumnProfile, table: str = "") -> Guess | None:
    """That no value comes twice, where none did in at least two rows.

    Sure only where the name says so: the key of `table` itself, or what is one of a kind everywhere (an e-mail).
    """
    filled = profile.rows - profile.nulls
    if not profile.is_unique or filled < 2:
        return None
    evidence = f"{profile.distinct:,} values in {filled:,} rows, none twice"
    said, meant = stem(profile.name), table_words(table)
    is_own = key_word(profile.name) is not None and said in ((), meant, meant[-1:])
    is_named = (is_own or says_one_of_a_kind(profile.name)) and not says_shared_code(profile.name)
    confidence = succession(filled) * (1.0 if is_named else 0.6)
    return Guess(pointer="/unique", what="unique", evidence=evidence, confidence=round(confidence, 2))


def length_rules(profile: ColumnProfile) -> list[OptionRule]:
    """Bounds on the number of characters: not empty where none was, at most twice the longest."""
    filled = profile.rows - profile.nulls
    if profile.longest is None or profile.shortest is None or filled < _FEWEST_FOR_LENGTH or profile.longest < 1:
        return []
    evidence = f"{profile.shortest:,} to {profile.longest:,} characters in {filled:,} values"
    found = [option_rule("minLength", 1, evidence, 0.7)] if profile.shortest >= 1 else []
    limit = length_of(profile.type)
    most = rounded_up(2 * profile.longest)
    if limit is None or most < limit:
        found.append(option_rule("maxLength", most, f"{evidence}, doubled for room", 0.6))
    return found


def pattern_rules(profile: ColumnProfile) -> list[OptionRule]:
    """A pattern that all values have: the measured one, or one from the values where all of them are known."""
    pattern = profile.pattern
    if pattern is None and values_are_known(profile):
        pattern = pattern_of_values(value for value, _ in profile.top_values)
    if pattern is None:
        return []
    evidence = f"all {profile.distinct:,} distinct values have this form"
    found = [option_rule("pattern", pattern, evidence, 0.7)]
    for known, name in ((EMAIL, "email"), (URI, "uri")):
        if pattern == known:
            found = [option_rule("format", name, evidence, 0.9)]
    return found


def allowed_values(profile: ColumnProfile) -> tuple[tuple[str, ...], Guess | None]:
    """The values of a short list, in order, or nothing where chance or free text explain that they are few."""
    filled = profile.rows - profile.nulls
    if not _may_be_list(profile, filled):
        return (), None
    values = tuple(sorted(value for value, _ in profile.top_values))
    once = sum(count == 1 for _, count in profile.top_values)
    confidence = 1 - (once + 1) / (filled + 2)
    if once and not (says_choice(profile.name) and once == 1):
        return (), None
    if not says_choice(profile.name):
        confidence *= 0.8
    evidence = (
        f"{len(values)} values in {filled:,} rows, the rarest {min(count for _, count in profile.top_values):,} times"
    )
    guess = Guess(pointer="/enum", what="allowed values", evidence=evidence, confidence=round(min(0.95, confidence), 2))
    return values, guess


def allowed_values_rule(values: Sequence[str]) -> Mapping[str, Any]:
    """Allowed values as an entry of `quality`: measured, and unlike `enum` not enforced by the table itself."""
    return {
        "metric": "invalidValues",
        "arguments": {"validValues": list(values)},
        "mustBe": 0,
        "dimension": "validity",
        "description": "Every value is one of the values seen when the contract was proposed.",
    }


def values_are_known(profile: ColumnProfile) -> bool:
    """Whether `top_values` holds every value of the column."""
    return bool(profile.top_values) and sum(count for _, count in profile.top_values) == profile.rows - profile.nulls


def rounded_up(value: int) -> int:
    """The next of 10, 20, 50, 100, 200, 500, … that is not smaller.

    >>> rounded_up(11), rounded_up(300)
    (20, 500)
    """
    step = 10
    while True:
        for factor in (1, 2, 5):
            if value <= step * factor:
                return step * factor
        step *= 10


def _may_be_list(profile: ColumnProfile, filled: int) -> bool:
    per_value = _ROWS_PER_CHOICE if says_choice(profile.name) else _ROWS_PER_VALUE
    return (
        2 <= profile.distinct <= _MOST_ALLOWED
        and filled >= max(_FEWEST_FOR_ALLOWED, per_value * profile.distinct)
        and values_are_known(profile)
        and not says_free_text(profile.name)
        and not ({"id", "uuid", "guid"} & set(words(profile.name)))
        and all(0 < len(value) <= _LONGEST_ALLOWED and value.isprintable() for value, _ in profile.top_values)
    )
