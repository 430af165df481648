"""One policy file as checked data: which keys it may have, which words its values are, and where each stands.

Owns the errors about policy files, each with file and line. What the policies mean is `groundwork.governance.policy`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from groundwork.contracts.document import Document, read_document
from groundwork.model.errors import ConfigError
from groundwork.model.policy import Effect

_Key = TypeVar("_Key", bound=StrEnum)
_Value = TypeVar("_Value", bound=StrEnum)
_GENERAL = ("kind", "version", "effects")
_KEYS = {
    "classification": ("blocking_confidence", "personal_data"),
    "masking": ("personal_data", "classification"),
    "access": ("unclassified_as", "unexpected_grants", "security_barrier", "roles", "members"),
    "retention": ("action", "legal_holds"),
}
_RULES = {
    "classification": ("under_classified", "differs", "unclassified"),
    "masking": ("leak",),
    "access": ("role_check", "drift"),
    "retention": ("retention_measurable", "personal_data_retention", "overdue"),
}


def read_policy_files(folder: Path) -> dict[str, PolicyFile]:
    """The files of `folder/*.yaml` by kind, structure checked; raises ConfigError as `read_policies` tells."""
    files: dict[str, PolicyFile] = {}
    for path in sorted(folder.glob("*.yaml")):
        file = PolicyFile(document=read_document(path))
        kind = file.word("/kind", tuple(_KEYS))
        if kind in files:
            raise file.error(
                f"the policy `{kind}` is declared twice", "/kind", expected="one file per kind", found=files[kind].path
            )
        file.check(kind)
        files[kind] = file
    missing = [kind for kind in _KEYS if kind not in files]
    if missing:
        raise ConfigError(
            "a policy is missing",
            where=str(folder),
            expected=", ".join(_KEYS),
            found=f"no {', '.join(missing)}",
            next_step=f"add {folder}/{missing[0]}.yaml with `kind: {missing[0]}`",
        )
    return files


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """A parsed policy file."""

    document: Document

    @property
    def data(self) -> dict[str, Any]:
        """The whole file as plain data."""
        return self.document.data

    @property
    def path(self) -> Path:
        """Where it was read from."""
        return self.document.path

    @property
    def version(self) -> str:
        """The version the file gives itself."""
        return str(self.data["version"])

    @property
    def effects(self) -> dict[str, Effect]:
        """What each rule of this policy does when it fails."""
        return {rule: self.value(f"/effects/{rule}", Effect) for rule in self.mapping("/effects")}

    def check(self, kind: str) -> None:
        """Refuse unknown and missing keys of a policy of this kind."""
        self._check_keys("", self.data, {*_GENERAL, *_KEYS[kind]}, required=True)
        self.mapping("/effects", keys=set(_RULES[kind]), required=True)

    def mapping(self, pointer: str, *, keys: set[str] | None = None, required: bool = False) -> Mapping[str, Any]:
        """The mapping at `pointer`; with `keys` no other key may stand in it, with `required` all of them must."""
        found = self._at(pointer)
        if not isinstance(found, dict):
            raise self.error("a mapping is needed here", pointer, expected="keys and values", found=found)
        if keys is not None:
            self._check_keys(pointer, found, keys, required=required)
        return found

    def items(self, pointer: str) -> Sequence[Any]:
        """The list at `pointer`."""
        found = self._at(pointer)
        if not isinstance(found, list):
            raise self.error("a list is needed here", pointer, expected="a list", found=found)
        return found

    def texts(self, pointer: str) -> list[str]:
        """The list of texts at `pointer`."""
        found = self.items(pointer)
        if not all(isinstance(item, str) for item in found):
            raise self.error("a list of names is needed here", pointer, expected="names", found=found)
        return list(found)

    def word(self, pointer: str, words: Sequence[str]) -> str:
        """The word at `pointer`, one of `words`."""
        found = self._at(pointer)
        if found not in words:
            next_step = 'write "null" in quotes' if found is None and "null" in words else "use one of the words"
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
        found = self._at(pointer)
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

    def error(
        self, what: str, pointer: str, *, expected: object, found: object, next_step: str | None = None
    ) -> ConfigError:
        """An error at the place of `pointer`."""
        place = self.document.position(pointer)
        where = f"{self.path}:{place.line}:{place.column}"
        return ConfigError(what, where=where, expected=expected, found=found, next_step=next_step or f"correct {where}")

    def _at(self, pointer: str) -> Any:
        node: Any = self.data
        for part in pointer.split("/")[1:]:
            try:
                node = node[int(part)] if isinstance(node, list) else node[part]
            except (KeyError, IndexError, TypeError, ValueError):
                raise self.error(f"`{pointer}` is missing", pointer, expected=part, found="nothing") from None
        return node

    def _check_keys(self, pointer: str, found: Collection[str], known: set[str], *, required: bool) -> None:
        for key in found:
            if key not in known:
                expected = ", ".join(sorted(known))
                raise self.error(f"the key `{key}` is not known", f"{pointer}/{key}", expected=expected, found=key)
        missing = sorted(known - set(found))
        if required and missing:
            raise self.error("a key is missing", pointer, expected=", ".join(missing), found=", ".join(found) or "none")
