"""Whole rows as PostgreSQL prints them, taken apart into their values.

Source: PostgreSQL documentation, "Composite Type Input and Output Syntax"; only what `record_out` writes is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from groundwork.flow.capture.event import Row
from groundwork.model.errors import FatalError

_FIELD = re.compile(r'(?:"((?:[^"\\]|""|\\\\)*)"|([^,()"\\]*))([,)])')


def row_of(text: str | None, names: Sequence[str]) -> Row | None:
    """Column → text of a printed row; null for null. Raises: FatalError when it is not one with these columns.

    >>> row_of('(1,"a, b",,t)', ["n", "word", "none", "is_so"])
    {'n': '1', 'word': 'a, b', 'none': None, 'is_so': 't'}
    """
    if text is None:
        return None
    values: list[str | None] = []
    at = 1
    while at < len(text):
        found = _FIELD.match(text, at)
        if found is None:
            break
        quoted, plain, end = found.groups()
        values.append(quoted.replace('""', '"').replace("\\\\", "\\") if quoted is not None else plain or None)
        at = found.end()
        if end == ")":
            break
    if text[:1] != "(" or at != len(text) or len(values) != len(names):
        raise FatalError(
            "a row of the outbox is not as PostgreSQL prints rows",
            expected=f"{len(names)} values",
            found=f"{len(values)} values in {at} of {len(text)} characters",
            next_step="report this with the version of the source's PostgreSQL",
        )
    return dict(zip(names, values, strict=True))
