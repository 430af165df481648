"""Names for columns and tables that PostgreSQL takes without quotes, from whatever a file calls them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from groundwork.infer.files_bytes import compression_of

_MOST_BYTES = 63
_ROOM = 8  # bytes kept free in a long name for a number behind it
_LONGEST_TABLE = 40  # so that names made from it (keys, checks, indexes) fit as well
_UMLAUTS = {letter: f"{vowel}e" for letter, vowel in zip("äöüÄÖÜ", "aouAOU", strict=True)}
_LETTERS = str.maketrans(
    {
        **_UMLAUTS,
        "ß": "ss",
        "æ": "ae",
        "ø": "o",
        "å": "a",
        "ł": "l",
        "đ": "d",
        "Ø": "O",
        "Å": "A",
        "Æ": "Ae",
        "%": " pct ",
    }
)


def column_names(fields: Iterable[str]) -> tuple[str, ...]:
    """One name per field, all different; a field without letters that can be written is called by its place.

    >>> column_names(["Order ID", "orderId", "Größe", "", "order"])
    ('order_id', 'order_id_2', 'groesse', 'column_4', 'order_value')
    """
    found: list[str] = []
    seen: set[str] = set()
    for place, field in enumerate(fields, 1):
        name = _plain(field) or f"column_{place}"
        name = _unreserved(name, "value")[: _MOST_BYTES - _ROOM].rstrip("_")
        number, unique = 2, name
        while unique in seen:
            unique, number = f"{name}_{number}", number + 1
        seen.add(unique)
        found.append(unique)
    return tuple(found)


def table_name(path: Path, *, is_pattern: bool = False) -> str:
    """A table's name from its file; of a pattern what stands between the wildcards.

    >>> table_name(Path("exports/Daily-Prices.csv.gz")), table_name(Path("orders_20*.csv"), is_pattern=True)
    ('daily_prices', 'orders')
    """
    stem = (path.with_suffix("") if compression_of(path) else path).stem
    if is_pattern:
        stem = re.sub(r"\d*[*?]+\d*|\[[^\]]*\]", " ", stem)
        if not _plain(stem):
            stem = path.parent.name
    return _unreserved((_plain(stem) or "rows")[:_LONGEST_TABLE].rstrip("_"), "rows")


def _plain(text: str) -> str:
    """Small letters, digits and underscores, starting with a letter; empty where nothing can be written so."""
    letters = unicodedata.normalize("NFKD", text.strip().translate(_LETTERS)).encode("ascii", "ignore").decode()
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", letters).lower()
    name = re.sub(r"[^a-z0-9]+", "_", split).strip("_")
    return name if not name or name[0].isalpha() else f"c_{name}"


def _unreserved(name: str, ending: str) -> str:
    from pglast.keywords import RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

    return f"{name}_{ending}" if name in RESERVED_KEYWORDS or name in TYPE_FUNC_NAME_KEYWORDS else name
