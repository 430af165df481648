"""The custom properties of a part of a contract: what the standard has no word for, by name, with places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROPOSED = "proposed"  # what was guessed at a part and why, a list of mappings: for people, and without effect


def custom_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the part's custom properties by name; of a repeated name the last counts."""
    return {entry["property"]: entry.get("value") for entry in data.get("customProperties") or ()}


def custom_pointers(data: Mapping[str, Any], pointer: str) -> dict[str, str]:
    """The place of each value, for a part that stands at `pointer`."""
    entries = enumerate(data.get("customProperties") or ())
    return {entry["property"]: f"{pointer}/customProperties/{index}/value" for index, entry in entries}


def text_or_none(value: object) -> str | None:
    """`value` as text; null stays null."""
    return None if value is None else str(value)


def deferral(value: object) -> str | None:
    """`initially deferred`, `initially immediate` (also for a bare `true`), or null; other words are refused.

    Raises: ValueError for any other word.
    """
    if value is None or value is False:
        return None
    word = "initially immediate" if value is True else " ".join(str(value).lower().split())
    if word not in ("initially deferred", "initially immediate"):
        raise ValueError(f"`deferrable` is `initially deferred` or `initially immediate`, found `{value}`")
    return word
