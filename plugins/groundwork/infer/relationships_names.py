"""Words of names, singular and plural, so that `customer_id` is understood to mean a row of `customers`."""

from __future__ import annotations

from functools import lru_cache

from groundwork.governance.classification.names import words

KEY_WORDS = frozenset({"id", "key", "code", "no", "nr", "num", "number", "uuid", "guid", "ref", "fk", "sk", "pk"})
_IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "data": "datum",
    "indices": "index",
    "analyses": "analysis",
    "statuses": "status",
    "addresses": "address",
    "branches": "branch",
    "movies": "movie",
    "series": "series",
    "news": "news",
}
_TABLE_DECORATION = frozenset({"dim", "fact", "tbl", "table", "stg", "staging", "raw", "ref", "master"})


def singular(word: str) -> str:
    """An English noun in the singular; a word that is singular already stays.

    >>> [singular(word) for word in ("companies", "boxes", "orders", "status", "bus")]
    ['company', 'box', 'order', 'status', 'bus']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


@lru_cache(maxsize=4096)
def table_words(table: str) -> tuple[str, ...]:
    """The words of a table's name, the last one singular, without `dim_` and the like.

    >>> table_words("dim_order_items")
    ('order', 'item')
    """
    found = [word for word in words(table) if word not in _TABLE_DECORATION] or list(words(table))
    return (*found[:-1], singular(found[-1])) if found else ()


@lru_cache(maxsize=65536)
def stem(column: str) -> tuple[str, ...]:
    """What a column's name says without the words for keys, the last one singular.

    >>> stem("billing_customer_id"), stem("id")
    (('billing', 'customer'), ())
    """
    found = list(words(column))
    while found and found[-1] in KEY_WORDS:
        found.pop()
    while found and found[0] in ("fk", "pk", "sk"):
        found.pop(0)
    return (*found[:-1], singular(found[-1])) if found else ()


def key_word(column: str) -> str | None:
    """The last word of the name where it is a word for keys."""
    found = words(column)
    return found[-1] if found and found[-1] in KEY_WORDS else None
