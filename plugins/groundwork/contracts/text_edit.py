"""Changes to a contract file as a person wrote it: everything that is not changed stays, comments and spacing too.

`edited` turns edits into replacements of parts of the text, and gives the text only if it means exactly what the same
edits make of the data; an edit that cannot be written so is left out.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from groundwork.contracts.edits import AddEntry, Edit, RemoveItem
from groundwork.contracts.text_edit_places import replaced
from groundwork.contracts.yaml_tree import YamlError, parse_tree


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
    wanted = copy.deepcopy(data)
    try:
        for edit in sorted(edits, key=lambda each: isinstance(each, RemoveItem)):
            edit.apply(wanted)
        attempt = replaced(text, edits)
        found = parse_tree(attempt)
    except (YamlError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return attempt if found.value == wanted and not found.repeated else None
