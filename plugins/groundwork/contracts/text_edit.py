"""Changes to a contract file as a person wrote it: everything that is not changed stays, comments and spacing too.

An edit names its place by a JSON pointer. `edited` turns edits into replacements of parts of the text, and gives the
text only if it means exactly what the same edits make of the data; an edit that cannot be written so is left out.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from groundwork.contracts.yaml_tree import YamlError, escaped, parse_tree


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


def edited(text: str, edits: Sequence[Edit]) -> tuple[str, tuple[Edit, ...]]:
    """`text` with those of `edits` that can be made, and these; of two with the same claim the first counts.

    Raises: YamlError when `text` is not YAML.
    """
    data = parse_tree(text).value
    chosen = tuple({edit.claim: edit for edit in reversed(edits)}.values())[::-1]
    together = _made(text, data, chosen)
    if together is not None:
        return together, chosen
    done: list[Edit] = []
    for edit in _one_by_one(chosen):
        attempt = _made(text, parse_tree(text).value, (edit,))
        if attempt is not None:
            text = attempt
            done.append(edit)
    return text, tuple(done)


def _one_by_one(edits: Sequence[Edit]) -> list[Edit]:
    """In an order that ends as all at once would: removals last, what comes first put there last."""
    first = [edit for edit in edits if isinstance(edit, AddEntry) and edit.is_first]
    removals = [edit for edit in edits if isinstance(edit, RemoveItem)]
    return [*(edit for edit in edits if edit not in first and edit not in removals), *reversed(first), *removals]


def _made(text: str, data: Any, edits: Sequence[Edit]) -> str | None:
    """The text with all edits, null when they cannot be written so that they mean what they mean for the data."""
    from groundwork.contracts.text_edit_places import replaced

    wanted = copy.deepcopy(data)
    try:
        for edit in sorted(edits, key=lambda each: isinstance(each, RemoveItem)):
            edit.apply(wanted)
        attempt = replaced(text, edits)
        found = parse_tree(attempt)
    except (YamlError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return attempt if found.value == wanted and not found.repeated else None


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
