"""Which columns identify a row: keys proposed from what was counted, best first.

A key must hold on every row: no two share it and none is without it. That many columns do by chance (amounts to the
cent, times to the microsecond), so name, type and place decide which of them is meant. Combinations are searched only
where no single column is plausible, at most three columns wide, smallest first, and with a bound on the number of
countings; a combination whose columns have fewer values together than there are rows is never counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

from groundwork.governance.classification.names import words
from groundwork.infer.profile import ColumnProfile, TableProfile
from groundwork.infer.quality import succession
from groundwork.infer.quality_words import says_clock, says_free_text, says_identifier, says_money, says_shared_code
from groundwork.infer.relationships_names import KEY_WORDS, stem, table_words
from groundwork.infer.types import Family, digits_of, family_of

SURE_OF_KEY = 0.3  # what is less sure is no key
CountDistinct = Callable[[Sequence[str]], int]
_WIDEST = 3  # columns of a composite key
_MOST_COUNTINGS = 40  # of combinations, each a pass over the table
_MOST_PARTS = 10  # columns that combinations are made of
_PLAUSIBLE = 0.5  # from which a single column is taken without looking at combinations
_ENOUGH_COMPOSITE = 2  # combinations that are told
_LONGEST_KEY = 100  # letters of a text that may be a key


@dataclass(frozen=True, kw_only=True)
class KeyProposal:
    """Columns that no two rows share and that are never null.

    `is_natural` tells a key that means something in the world (a ticker and a day) from a mere number of the row.
    """

    columns: tuple[str, ...]
    is_natural: bool
    confidence: float
    evidence: str


def propose_keys(profile: TableProfile, count: CountDistinct | None = None) -> tuple[KeyProposal, ...]:
    """Keys of the table, the best candidate for the primary key first; empty when nothing identifies a row.

    `count` says how many distinct combinations the named columns have, or any smaller number once two rows are found
    that share one; without it only single columns are considered.
    """
    single = sorted(_single(profile), key=lambda key: -key.confidence)
    if count is None or profile.rows < 2 or (single and single[0].confidence >= _PLAUSIBLE):
        return tuple(single)
    composite = _composite(profile, count, {key.columns[0] for key in single})
    return tuple(sorted([*single, *composite], key=lambda key: -key.confidence))


def _single(profile: TableProfile) -> Iterator[KeyProposal]:
    for position, column in enumerate(profile.columns):
        if column.nulls or not column.is_unique or not _can_be_key(column):
            continue
        likeness = _likeness(profile, column, position)
        yield KeyProposal(
            columns=(column.name,),
            is_natural=not _is_surrogate(column),
            confidence=round(likeness * succession(profile.rows), 2),
            evidence=f"`{column.name}` has {column.distinct:,} values in {profile.rows:,} rows and is never null",
        )


def _can_be_key(column: ColumnProfile) -> bool:
    family = family_of(column.type)
    if family is Family.TEXT:
        return (column.longest or 0) <= _LONGEST_KEY
    return family in (Family.INTEGER, Family.UUID, Family.DATE, Family.TIMESTAMP, Family.OTHER) or _is_whole(column)


def _is_whole(column: ColumnProfile) -> bool:
    digits = digits_of(column.type)
    return digits is not None and digits[1] == 0


def _likeness(profile: TableProfile, column: ColumnProfile, position: int) -> float:
    """How much the column looks like the key: by its name, then its place and type."""
    found, table = stem(column.name), table_words(profile.name)
    last = words(column.name)[-1:]
    is_key_word = bool(last) and last[0] in KEY_WORDS
    if is_key_word and (not found or found == table or found == table[-1:]):
        score = 0.95
    elif found == table:
        score = 0.85
    elif says_shared_code(column.name):
        score = 0.25
    elif is_key_word:
        score = 0.75 if position == 0 else 0.6
    elif says_free_text(column.name) or says_money(column.name):
        score = 0.25
    elif says_clock(column.name) or family_of(column.type) in (Family.DATE, Family.TIMESTAMP):
        score = 0.45 if position == 0 else 0.3
    else:
        score = 0.65 if position == 0 else 0.4
    return score + (0.03 if position == 0 else 0.0)


def _is_surrogate(column: ColumnProfile) -> bool:
    """Whether values are mere numbers of rows: UUIDs, or integers that leave no or few gaps."""
    if family_of(column.type) is Family.UUID:
        return True
    if family_of(column.type) is not Family.INTEGER and not _is_whole(column):
        return False
    if column.minimum is None or column.maximum is None:
        return False
    return int(column.maximum) - int(column.minimum) < 2 * column.distinct


def _composite(profile: TableProfile, count: CountDistinct, single: set[str]) -> Iterator[KeyProposal]:
    parts = _parts(profile, single)
    found: list[frozenset[str]] = []
    countings = 0
    for width in range(2, _WIDEST + 1):
        for columns in sorted(combinations(parts, width), key=lambda group: -sum(map(_part_likeness, group))):
            names = tuple(column.name for column in columns)
            if prod(column.distinct for column in columns) < profile.rows or any(key <= set(names) for key in found):
                continue
            if countings == _MOST_COUNTINGS or len(found) == _ENOUGH_COMPOSITE:
                return
            countings += 1
            if count(names) == profile.rows:
                found.append(frozenset(names))
                yield _composite_key(profile, columns)


def _parts(profile: TableProfile, single: set[str]) -> list[ColumnProfile]:
    """The likeliest parts of a combination in the table's order: never null, not unique by themselves."""
    able = [
        column
        for column in profile.columns
        if not column.nulls
        and column.distinct > 1
        and column.name not in single
        and not (family_of(column.type) is Family.TEXT and (column.longest or 0) > _LONGEST_KEY)
        and family_of(column.type) not in (Family.JSON, Family.ARRAY, Family.BOOLEAN)
        and (family_of(column.type) is not Family.NUMBER or _is_whole(column))
    ]
    likeliest = sorted(able, key=_part_likeness, reverse=True)[:_MOST_PARTS]
    return [column for column in able if column in likeliest]


def _part_likeness(column: ColumnProfile) -> float:
    family = family_of(column.type)
    if says_identifier(column.name):
        return 3.0
    if family is Family.DATE or says_clock(column.name):
        return 2.5
    if family is Family.UUID or words(column.name)[-1:] in (("line",), ("position",), ("sequence",), ("version",)):
        return 2.5
    if says_money(column.name) or says_free_text(column.name):
        return 0.2
    return 2.0 if family is Family.TEXT else 1.0


def _composite_key(profile: TableProfile, columns: Sequence[ColumnProfile]) -> KeyProposal:
    names = tuple(column.name for column in columns)
    likeness = 0.9 * min(1.0, sum(map(_part_likeness, columns)) / (2.5 * len(columns)))
    width = 1.0 if len(columns) == 2 else 0.85
    return KeyProposal(
        columns=names,
        is_natural=True,
        confidence=round(likeness * width * succession(profile.rows), 2),
        evidence=f"no two of {profile.rows:,} rows share {', '.join(names)}, and none of them is ever null",
    )
