"""Which types hold every value of another in the same bytes, so that a column takes them over at once."""

from __future__ import annotations

import re

TEXTS = ("text", "character varying", "character")
_WIDTH = re.compile(r"^(?P<name>[a-z ]+?)\((?P<first>\d+)(?:,(?P<second>\d+))?\)(?P<rest>[a-z ]*)$")


def is_widening(old: str, new: str) -> bool:
    """Whether every value of type `old` is a value of type `new` in the same bytes (server's type texts).

    >>> is_widening("character varying(20)", "text"), is_widening("text", "character varying(20)")
    (True, False)
    >>> is_widening("numeric(10,2)", "numeric(14,2)"), is_widening("numeric(10,2)", "numeric(14,4)")
    (True, False)
    """
    if new in TEXTS[:2] and (old in TEXTS[:2] or old.startswith("character varying(")):
        return True
    before, after = _WIDTH.match(old), _WIDTH.match(new)
    if before is None:
        return False
    if after is None:
        return new == "numeric" and before["name"] == "numeric"
    if (before["name"], before["rest"], before["second"]) != (after["name"], after["rest"], after["second"]):
        return False
    widens = before["name"] in ("character varying", "numeric", "timestamp", "time", "bit varying")
    return widens and int(before["first"]) <= int(after["first"])
