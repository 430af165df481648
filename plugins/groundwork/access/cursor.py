"""The opaque text that says where a page ended: the order and the last row's values in it.

It holds nothing but values of columns that the caller may see, it is no secret, and every part of it is read as
strictly as a filter: a changed cursor is another place in the same list, or refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from groundwork.access.errors import InvalidQueryError

if TYPE_CHECKING:
    from groundwork.access.order import OrderKey
    from groundwork.access.relation import Relation

_LONGEST = 4096  # letters; key values of a few hundred letters fit


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in an ordered list."""

    order: tuple[str, ...]
    values: tuple[object, ...]

    def encode(self) -> str:
        """The cursor as text that fits a URL."""
        document = json.dumps([list(self.order), [_text(value) for value in self.values]], separators=(",", ":"))
        return base64.urlsafe_b64encode(document.encode()).rstrip(b"=").decode()


def decode(text: str, relation: Relation, order: Sequence[OrderKey]) -> list[object]:
    """The values that the list goes on behind, one per column of `order`.

    Raises: InvalidQueryError when the text is no cursor, or is one of another order.
    """
    try:
        names, values = _document(text)
    except (ValueError, RecursionError, binascii.Error):
        raise _refusal("a cursor that this list gave", text) from None
    expected = [key.text for key in order]
    if names != expected or len(values) != len(expected):
        raise _refusal(f"a cursor of a list ordered by {', '.join(expected)}", text)
    return [relation.from_text(key.column, value) for key, value in zip(order, values, strict=True)]


def _document(text: str) -> tuple[list[str], list[str]]:
    if len(text) > _LONGEST or not text.isascii():
        raise ValueError
    padded = text + "=" * (-len(text) % 4)
    document = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    if not isinstance(document, list) or len(document) != 2:
        raise ValueError
    names, values = document
    if not all(isinstance(part, list) and all(isinstance(each, str) for each in part) for part in document):
        raise ValueError
    return names, values


def _refusal(expected: str, text: str) -> InvalidQueryError:
    return InvalidQueryError(
        "the cursor cannot be read",
        expected=expected,
        found=ascii(text[:50]),
        next_step="use `next` of the last page with the same filters and order, or begin without a cursor",
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return str(value)
