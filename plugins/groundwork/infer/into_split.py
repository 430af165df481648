"""A proposed contract as one contract per table, in one domain.

Roles and the owner are repeated, which means the same everywhere. References between tables hold, because a domain's
contracts are read together; so do enum types and sequences, each declared by the first table that names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from groundwork.infer.profile import Guess, Proposal

_SHARED = ("enumTypes", "sequences")  # custom properties that are declared once in a schema


def named(proposal: Proposal, name: str) -> Proposal:
    """The proposal as the contract `name` of its domain.

    >>> named(Proposal(document={"domain": "shop"}), "order_lines").document["id"]
    'shop-order-lines'
    """
    words = re.sub(r"[-_]+", " ", name).strip()
    identity = {"id": f"{proposal.document['domain']}-{words.replace(' ', '-')}", "name": words.capitalize()}
    return replace(proposal, document={**proposal.document, **identity})


def split_by_table(proposal: Proposal) -> tuple[Proposal, ...]:
    """A contract per table, in the order of the tables; what could not be expressed stays with the first."""
    tables = proposal.document.get("schema") or []
    found: list[Proposal] = []
    declared: set[tuple[str, str]] = set()
    for place, table in enumerate(tables):
        document = _of_table(proposal.document, table, declared, is_last=place == len(tables) - 1)
        guesses = tuple(_of_place(proposal, document, f"/schema/{place}", table["name"], is_first=place == 0))
        part = Proposal(document=document, guesses=guesses, left_out=() if found else proposal.left_out)
        found.append(named(part, str(table["name"])))
    return tuple(found)


def _of_table(
    document: Mapping[str, Any], table: Mapping[str, Any], declared: set[tuple[str, str]], *, is_last: bool
) -> dict[str, Any]:
    levels = [_narrowed(level, table["name"]) for level in document.get("slaProperties") or ()]
    custom = [
        _shared(entry, _texts(table), declared, is_last=is_last) if entry["property"] in _SHARED else entry
        for entry in document.get("customProperties") or ()
    ]
    changed: dict[str, Any] = {
        "slaProperties": [level for level in levels if level],
        "customProperties": [entry for entry in custom if entry],
        "schema": [table],
    }
    found = {key: changed.get(key, value) for key, value in document.items()}
    return {key: value for key, value in found.items() if key not in changed or value}


def _narrowed(level: Mapping[str, Any], table: str) -> dict[str, Any] | None:
    """The service level as it is for this table, null when it says nothing of it."""
    elements = [each.strip() for each in str(level.get("element") or "").split(",") if each.strip()]
    own = [each for each in elements if each.partition(".")[0] == table]
    if elements and not own:
        return None
    return {**level, "element": ", ".join(own)} if own else dict(level)


def _shared(
    entry: Mapping[str, Any], texts: Collection[str], declared: set[tuple[str, str]], *, is_last: bool
) -> dict[str, Any] | None:
    """The entry with what is to be declared here: what the table names first; with the last table what is left."""
    kind = str(entry["property"])
    here = [
        each
        for each in entry.get("value") or ()
        if (kind, each["name"]) not in declared and (is_last or _is_named(str(each["name"]), texts))
    ]
    declared.update((kind, each["name"]) for each in here)
    return {**entry, "value": here} if here else None


def _is_named(name: str, texts: Collection[str]) -> bool:
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    return any(word.search(text) for text in texts)


def _texts(data: Any) -> list[str]:
    """Every text in the data."""
    if isinstance(data, str):
        return [data]
    parts = list(data.values()) if isinstance(data, Mapping) else data if isinstance(data, list) else []
    return [text for part in parts for text in _texts(part)]


def _of_place(
    proposal: Proposal, document: Mapping[str, Any], place: str, table: str, *, is_first: bool
) -> Iterator[Guess]:
    """The guesses about the table and its service levels; with the first table those about the whole."""
    levels = proposal.document.get("slaProperties") or []
    kept = [position for position, level in enumerate(levels) if _narrowed(level, table)]
    for guess in proposal.guesses:
        top, _, rest = guess.pointer.removeprefix("/").partition("/")
        if top == "schema":
            if guess.pointer == place or guess.pointer.startswith(f"{place}/"):
                yield replace(guess, pointer=f"/schema/0{guess.pointer[len(place) :]}")
        elif top == "slaProperties":
            number, _, below = rest.partition("/")
            if number.isdigit() and int(number) in kept:
                pointer = f"/slaProperties/{kept.index(int(number))}" + (f"/{below}" if below else "")
                yield replace(guess, pointer=pointer)
        elif is_first or top in ("", "roles"):
            yield guess
