"""Marks of proposals in a contract: which part of a document holds the guesses about a place, and in what form.

A mark is a list of guesses in the custom property `proposed` of the nearest part that may have custom properties: a
table, a column, a relationship, a service level, a role, or the contract. A place is a JSON pointer into the document.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from groundwork.contracts.custom_properties import PROPOSED
from groundwork.contracts.edits import value_at
from groundwork.infer.profile import Guess

_DRAFT = "draft"
_HOST = re.compile(
    r"(?:/schema/\d+(?:/properties/\d+|/items)*(?:/relationships/\d+)?|/slaProperties/\d+|/roles/\d+)(?=/|$)"
)


def host_of(document: Mapping[str, Any], pointer: str) -> str:
    """The part of `document` that holds the marks for `pointer`; the contract itself is the empty text."""
    found = _HOST.match(pointer)
    host = found.group() if found else ""
    while host and not isinstance(_at(document, host), dict):
        found = _HOST.match(host.rpartition("/")[0])
        host = found.group() if found else ""
    return host


def marked(document: Mapping[str, Any], guesses: Iterable[Guess]) -> dict[str, Any]:
    """A copy of `document` that says of every guess what was guessed, why, how sure it is (0 to 1), and where.

    `at` is the guess's place below the part that has the mark; a guess about the whole part has none.
    """
    found: dict[str, Any] = copy.deepcopy(dict(document))
    by_host: dict[str, list[dict[str, Any]]] = {}
    for guess in guesses:
        host = host_of(found, guess.pointer)
        place = guess.pointer[len(host) :].removeprefix("/")
        by_host.setdefault(host, []).append(
            {
                **({"at": place} if place else {}),
                "what": guess.what,
                "evidence": guess.evidence,
                "confidence": round(guess.confidence, 2),
            }
        )
    for host, marks in by_host.items():
        part = value_at(found, host)
        part["customProperties"] = [*(part.get("customProperties") or ()), {"property": PROPOSED, "value": marks}]
    return found


def unmarked(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `document` without marks; what was `proposed` is a `draft` then."""
    found: dict[str, Any] = _without_marks(document)
    if found.get("status") == PROPOSED:
        found["status"] = _DRAFT
    return found


def place_words(document: Mapping[str, Any], pointer: str) -> str:
    """The place as a person says it: `orders.amount physicalType`, `orders`, `the contract`."""
    host = host_of(document, pointer)
    names = list(_names(document, host))
    rest = pointer[len(host) :].removeprefix("/").replace("/", " ")
    return " ".join(part for part in (".".join(names) or "the contract", rest) if part)


def _names(document: Mapping[str, Any], host: str) -> Iterator[str]:
    steps = host.split("/")[1:]
    for end in range(1, len(steps) + 1):
        part = value_at(document, "/" + "/".join(steps[:end]))
        if isinstance(part, dict) and steps[end - 1] != "items":
            kind = steps[end - 2]
            name = part.get("name") or part.get("role") or part.get("property")
            yield str(name) if name else f"{kind.removesuffix('s')} {int(steps[end - 1]) + 1}"


def _without_marks(data: Any) -> Any:
    if isinstance(data, list):
        return [_without_marks(item) for item in data]
    if not isinstance(data, Mapping):
        return data
    found = {key: _without_marks(value) for key, value in data.items()}
    if isinstance(found.get("customProperties"), list):
        kept = [each for each in found["customProperties"] if not _is_mark(each)]
        if len(kept) < len(found["customProperties"]):
            found |= {"customProperties": kept}
            if not kept:
                del found["customProperties"]
    return found


def _is_mark(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.get("property") == PROPOSED


def _at(document: Mapping[str, Any], pointer: str) -> Any:
    try:
        return value_at(document, pointer)
    except (LookupError, TypeError, ValueError):
        return None
