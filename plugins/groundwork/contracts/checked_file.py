"""A YAML file of declarations as checked data: which keys it may have, what its values are, and where each stands.

Owns the errors about such files, each with file and line. What the declarations mean is the business of who reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from groundwork.contracts.document import Document
from groundwork.model.errors import ConfigError
from groundwork.model.nearest import asked_first, did_you_mean

_Key = TypeVar("_Key", bound=StrEnum)
_Value = TypeVar("_Value", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class CheckedFile:
    """A parsed file whose values are asked for by pointer; every refusal is a ConfigError that names file and line."""

    document: Document

    @property
    def data(self) -> dict[str, Any]:
        """The whole file as plain data."""
        return self.document.data

    @property
    def path(self) -> Path:
        """Where it was read from."""
        return self.document.path

    def line(self, pointer: str) -> int:
        """The line of what is at `pointer`."""
        return self.document.position(pointer).line

    def mapping(self, pointer: str, *, keys: set[str] | None = None, required: bool = False) -> Mapping[str, Any]:
        """The mapping at `pointer`; with `keys` no other key may stand in it, with `required` all of them must."""
        found = self.at(pointer)
        if not isinstance(found, dict):
            raise self.error("a mapping is needed here", pointer, expected="keys and values", found=found)
        if keys is not None:
            self.check_keys(pointer, found, keys, required=required)
        return found

    def items(self, pointer: str) -> Sequence[Any]:
        """The list at `pointer`."""
        found = self.at(pointer)
        if not isinstance(found, list):
            raise self.error("a list is needed here", pointer, expected="a list", found=found)
        return found

    def texts(self, pointer: str) -> list[str]:
        """The list of texts at `pointer`."""
        found = self.items(pointer)
        if not all(isinstance(item, str) for item in found):
            raise self.error("a list of names is needed here", pointer, expected="names", found=found)
        return list(found)

    def text(self, pointer: str) -> str:
        """The text at `pointer`, which may not be empty."""
        found = self.at(pointer)
        if not isinstance(found, str) or not found.strip():
            raise self.error("a text is needed here", pointer, expected="a text", found=found)
        return found

    def word(self, pointer: str, words: Sequence[str]) -> str:
        """The word at `pointer`, one of `words`."""
        found = self.at(pointer)
        if found not in words:
            is_bare_null = found is None and "null" in words
            next_step = 'write "null" in quotes' if is_bare_null else asked_first(found, words, "use one of the words")
            raise self.error(
                "the value is not one of its words",
                pointer,
                expected=", ".join(words),
                found=found,
                next_step=next_step,
            )
        return str(found)

    def switch(self, pointer: str) -> bool:
        """The truth value at `pointer`."""
        found = self.at(pointer)
        if not isinstance(found, bool):
            raise self.error("a truth value is needed here", pointer, expected="true or false", found=found)
        return found

    def value(self, pointer: str, kind: type[_Value]) -> _Value:
        """The member of the vocabulary `kind` at `pointer`."""
        return kind(self.word(pointer, [word.value for word in kind]))

    def complete(self, pointer: str, keys: type[_Key], values: type[_Value]) -> dict[_Key, _Value]:
        """The mapping at `pointer` with a value for every member of `keys`."""
        self.mapping(pointer, keys={key.value for key in keys}, required=True)
        return {key: self.value(f"{pointer}/{key.value}", values) for key in keys}

    def at(self, pointer: str) -> Any:
        """Whatever is at `pointer`; an error when nothing is."""
        node: Any = self.data
        for part in pointer.split("/")[1:]:
            try:
                node = node[int(part)] if isinstance(node, list) else node[part]
            except (KeyError, IndexError, TypeError, ValueError):
                raise self.error(f"`{pointer}` is missing", pointer, expected=part, found="nothing") from None
        return node

    def check_keys(self, pointer: str, found: Collection[str], known: set[str], *, required: bool) -> None:
        """Refuse keys beside `known`, and with `required` their absence."""
        for key in found:
            if key not in known:
                expected = ", ".join(sorted(known))
                raise self.error(
                    f"the key `{key}` is not known",
                    f"{pointer}/{key}",
                    expected=expected,
                    found=key,
                    next_step=did_you_mean(key, sorted(known)),
                )
        missing = sorted(known - set(found))
        if required and missing:
            raise self.error("a key is missing", pointer, expected=", ".join(missing), found=", ".join(found) or "none")

    def error(
        self, what: str, pointer: str, *, expected: object, found: object, next_step: str | None = None
    ) -> ConfigError:
        """An error at the place of `pointer`."""
        place = self.document.position(pointer)
        where = f"{self.path}:{place.line}:{place.column}"
        return ConfigError(what, where=where, expected=expected, found=found, next_step=next_step or f"correct {where}")
