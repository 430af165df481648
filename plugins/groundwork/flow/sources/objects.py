"""JSON objects as records: which key fills which column, and what is wrong with an object that fills none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundwork.flow.json_text import column_text, parse
from groundwork.flow.record import Reason, Rule, storable
from groundwork.flow.sources.record_batch import FoundRecord, unstorable


@dataclass(frozen=True, kw_only=True)
class ObjectReader:
    """`mapping` is column → key, `types` the physical type of each column.

    `refuses_unknown`: keys that fill no column and are not `ignored` are wrong.

    A key with a slash at its front is a JSON pointer (`/address/city`). `constants` are keys that every object has
    beside its own, from the file's path.
    """

    mapping: Mapping[str, str]
    types: Mapping[str, str]
    refuses_unknown: bool
    ignored: frozenset[str] = frozenset()
    constants: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the mapping."""
        return tuple(self.mapping)

    def line(self, text: bytes) -> FoundRecord:
        """The record in the text of one object."""
        shown = {"line": shown_line(text)}
        try:
            value = parse(text.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            reason = Reason(rule=Rule.ENCODING, message=f"not UTF-8: {error.reason} at byte {error.start + 1}")
            return (), shown, (reason,)
        except ValueError as error:
            return (), shown, (Reason(rule=Rule.NOT_JSON, message=f"not a JSON object: {error}"),)
        return self.value(value, shown)

    def value(self, value: Any, shown: Mapping[str, Any]) -> FoundRecord:
        """The record of one parsed value; `shown` is its raw form."""
        if not isinstance(value, dict):
            found = f"expected a JSON object, found {type(value).__name__}"
            return (), shown, (Reason(rule=Rule.NOT_JSON, message=found),)
        whole = {**self.constants, **value}
        values = tuple(column_text(found_at(whole, key), self.types[column]) for column, key in self.mapping.items())
        reasons = [unstorable(column, text) for column, text in zip(self.mapping, values, strict=True)]
        if self.refuses_unknown:
            strangers = sorted(set(value) - set(self.mapping.values()) - self.ignored)
            reasons += [
                Reason(rule=Rule.UNKNOWN_FIELD, message=f"no column is called {storable(name)!r}") for name in strangers
            ]
        return values, shown, tuple(reason for reason in reasons if reason)


def shown_line(text: bytes) -> str:
    """The raw form of the text of one object."""
    return storable(text.rstrip(b"\r\n").decode("utf-8", "backslashreplace"))


def found_at(value: Mapping[str, Any], key: str) -> Any:
    """What an object has at a key or a pointer; null when there is nothing."""
    if key in value or not key.startswith("/"):
        return value.get(key)
    return pointed(value, key)


def pointed(value: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; null when there is nothing.

    >>> pointed({"data": [{"a/b": 1}]}, "/data/0/a~1b")
    1
    """
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
