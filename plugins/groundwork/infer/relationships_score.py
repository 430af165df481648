"""How plainly a column's name and type point at another table's key."""

from __future__ import annotations

from groundwork.governance.classification.names import words
from groundwork.infer.profile import ColumnProfile, TableProfile
from groundwork.infer.quality_words import says_choice, says_clock, says_free_text, says_money
from groundwork.infer.relationships_names import key_word, stem, table_words
from groundwork.infer.types import Family, digits_of, family_of

_NAMELESS_VALUES = 20  # distinct values of a column and of a key that may agree without a name
_NAMELESS_UUIDS = 3  # the same for UUIDs, of which no two agree by chance
_NAMELESS_LETTERS = 3  # texts of fewer letters agree by chance
_NUMBER_WORDS = frozenset({"id", "key", "no", "nr", "num", "number", "ref", "fk", "sk", "pk"})
_ROLES = frozenset({"parent", "manager", "supervisor", "boss", "lead", "mentor", "referrer", "predecessor", "successor",
                    "previous", "next", "original", "root", "reports", "replaces", "reply", "ancestor"})  # fmt: skip
_COMMON_NAMES = frozenset({"id", "key", "code", "name", "number", "no", "type", "status", "value", "date", "uuid"})


def are_comparable(column: ColumnProfile, key: ColumnProfile) -> bool:
    """Whether both hold values of one kind that keys are made of."""
    kinds = {kind_of(column), kind_of(key)}
    return len(kinds) == 1 and not kinds & {None}


def kind_of(column: ColumnProfile) -> Family | None:
    """The family of the column's values, whole decimals with the integers; null for what no key is made of."""
    family = family_of(column.type)
    digits = digits_of(column.type)
    if digits is not None and digits[1] == 0:
        return Family.INTEGER
    is_able = family in (Family.INTEGER, Family.TEXT, Family.UUID, Family.DATE, Family.OTHER)
    return family if is_able else None


def name_score(table: TableProfile, column: ColumnProfile, target: TableProfile, key: ColumnProfile) -> float:
    """How plainly the column's name points at the target's key, as `relationships` tells; 0 where it does not."""
    if says_money(column.name) and not key_word(column.name):
        return 0.0
    said, meant = stem(column.name), table_words(target.name)
    if table is target:
        return _role_score(column, key, meant)
    is_its_key = _is_identity(key, meant) and _says_key(column, key)
    if said and says(said, meant) and is_its_key:
        return 1.0 if said == meant else 0.9
    if said and said == meant[-1:] and key_word(column.name) and is_its_key:
        return 0.9  # order_id -> sales_orders.id
    if column.name == key.name and key.name not in _COMMON_NAMES and not _is_vague(column.name):
        is_owner = says(stem(key.name), meant) or not stem(key.name)
        return 0.8 if is_owner or kind_of(column) is not Family.INTEGER else 0.6
    return _nameless_score(column, key)


def _role_score(column: ColumnProfile, key: ColumnProfile, meant: tuple[str, ...]) -> float:
    """`parent_id` or `parent_category_id` within `categories`."""
    said = stem(column.name)
    is_role = (bool(said) and said[0] in _ROLES) or words(column.name)[-1:] in (("to",), ("of",))
    if is_role and (said[1:] in ((), meant, meant[-1:]) or said[:1] == ("reports",)):
        return 0.8
    is_prefixed = len(said) > 1 and says(said, meant) and key_word(column.name) == key_word(key.name)
    return 0.7 if is_prefixed and key_word(column.name) else 0.0


def says(said: tuple[str, ...], meant: tuple[str, ...]) -> bool:
    """Whether a name ends in the target's name, with or without a role before it."""
    return bool(meant) and said[-len(meant) :] == meant


def _is_identity(key: ColumnProfile, meant: tuple[str, ...]) -> bool:
    """Whether a key says nothing but which row of its table is meant, unlike `film_id` in `film_categories`."""
    said = stem(key.name)
    return not said or says(said, meant) or says(meant, said)


def _says_key(column: ColumnProfile, key: ColumnProfile) -> bool:
    """Whether the column means this key and not another one: `country_code` is not `countries.id`."""
    mine, its = key_word(column.name), key_word(key.name)
    if mine is None:
        return kind_of(column) is not Family.INTEGER or its is not None
    return its is None or mine == its or {mine, its} <= _NUMBER_WORDS


def _is_vague(name: str) -> bool:
    return says_clock(name) or says_choice(name) or says_free_text(name)


def _nameless_score(column: ColumnProfile, key: ColumnProfile) -> float:
    """Values that cannot agree by chance need no name."""
    if min(column.distinct, key.distinct) < (_NAMELESS_UUIDS if kind_of(key) is Family.UUID else _NAMELESS_VALUES):
        return 0.0
    if kind_of(key) is Family.UUID:
        return 0.7
    is_text = kind_of(key) is Family.TEXT and (column.shortest or 0) >= _NAMELESS_LETTERS
    return 0.7 if is_text and not _is_vague(column.name) and not _is_vague(key.name) else 0.0
