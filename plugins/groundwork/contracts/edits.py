"""Single changes to data as a contract file holds it; each names its place by a JSON pointer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from groundwork.contracts.yaml_tree import escaped


@dataclass(frozen=True, kw_only=True)
class SetValue:
    """The value at `pointer` becomes `value`."""

    pointer: str
    value: Any

    @property
    def claim(self) -> str:
        """What no second edit may change at the same time."""
        return self.pointer

    def apply(self, data: Any) -> None:
        """Change plain `data` in place."""
        container, key = _container(data, self.pointer)
        container[key] = copy.deepcopy(self.value)


@dataclass(frozen=True, kw_only=True)
class RenameKey:
    """The key that `pointer` ends in is called `name`."""

    pointer: str
    name: str

    @property
    def claim(self) -> str:
        """What no second edit may change at the same time."""
        return f"{self.pointer.rpartition('/')[0]}/{escaped(self.name)}"

    def apply(self, data: Any) -> None:
        """Change plain `data` in place."""
        container, key = _container(data, self.pointer)
        if self.name in container:
            raise KeyError(self.name)
        container[self.name] = container.pop(key)


@dataclass(frozen=True, kw_only=True)
class AddEntry:
    """The mapping at `pointer` gets another key; `is_first` puts it before the others."""

    pointer: str
    key: str
    value: Any
    is_first: bool = False

    @property
    def claim(self) -> str:
        """What no second edit may change at the same time."""
        return f"{self.pointer}/{escaped(self.key)}"

    def apply(self, data: Any) -> None:
        """Change plain `data` in place."""
        container = value_at(data, self.pointer)
        if self.key in container:
            raise KeyError(self.key)
        container[self.key] = copy.deepcopy(self.value)


@dataclass(frozen=True, kw_only=True)
class AppendItem:
    """The list at `pointer` gets another item at its end."""

    pointer: str
    value: Any

    @property
    def claim(self) -> str:
        """What no second edit may change at the same time."""
        name = self.value.get("property") or self.value.get("name") if isinstance(self.value, dict) else self.value
        return f"{self.pointer}/+{name}"

    def apply(self, data: Any) -> None:
        """Change plain `data` in place."""
        value_at(data, self.pointer).append(copy.deepcopy(self.value))


@dataclass(frozen=True, kw_only=True)
class RemoveItem:
    """The list item at `pointer` goes; not its list's only one."""

    pointer: str

    @property
    def claim(self) -> str:
        """What no second edit may change at the same time: one item of a list at a time, because places move."""
        return f"{self.pointer.rpartition('/')[0]}/-"

    def apply(self, data: Any) -> None:
        """Change plain `data` in place."""
        container, key = _container(data, self.pointer)
        del container[key]


@dataclass(frozen=True, kw_only=True)
class ReplaceText:
    """The whole file becomes `text`: for a file that is not YAML and whose meaning therefore cannot be compared."""

    text: str


Edit = SetValue | RenameKey | AddEntry | AppendItem | RemoveItem


def value_at(data: Any, pointer: str) -> Any:
    """The value at `pointer`; raises KeyError, IndexError or TypeError when there is none."""
    for step in pointer.split("/")[1:]:
        data = data[int(step)] if isinstance(data, list) else data[step.replace("~1", "/").replace("~0", "~")]
    return data


def _container(data: Any, pointer: str) -> tuple[Any, Any]:
    before, _, step = pointer.rpartition("/")
    container = value_at(data, before)
    return (
        (container, int(step))
        if isinstance(container, list)
        else (
            container,
            step.replace("~1", "/").replace("~0", "~"),
        )
    )
