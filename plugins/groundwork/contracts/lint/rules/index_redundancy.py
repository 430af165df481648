"""No index for nothing.

An index that equals another one, or whose keys are the first keys of another one or of a key, costs every write and
serves no query of its own. Partial indexes are compared with those over the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.edits import RemoveItem
from groundwork.contracts.lint.index_form import IndexForm, index_forms
from groundwork.contracts.lint.subject import DomainPart, Problem, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every index that another one makes useless; of two equal ones the later."""
    for table in domain.tables:
        yield from _table(table)


def _table(table: TablePart) -> Iterator[Problem]:
    forms = [form for form in index_forms(table) if form.keys]
    for position, form in enumerate(forms):
        if form.part is None:
            continue
        cover = next(
            (
                other
                for place, other in enumerate(forms)
                if place != position and _covers(other, form, is_earlier=place < position)
            ),
            None,
        )
        if cover is not None:
            yield form.part.problem(
                "/columns",
                f"the index `{form.name}` is already served by {_called(cover)}",
                "remove it, or give it keys of its own",
                edit=RemoveItem(pointer=form.part.pointer) if _is_same(cover, form) else None,
            )


def _covers(other: IndexForm, form: IndexForm, *, is_earlier: bool) -> bool:
    if (other.method, other.where) != (form.method, form.where):
        return False
    if (other.keys, other.include) == (form.keys, form.include):
        return other.is_unique > form.is_unique or (other.is_unique == form.is_unique and is_earlier)
    begins = other.keys[: len(form.keys)] == form.keys and len(other.keys) > len(form.keys)
    return form.method == "btree" and not form.is_unique and not form.include and begins


def _is_same(other: IndexForm, form: IndexForm) -> bool:
    """Whether both are one index by two names, so that removing the later one loses nothing."""
    return other.part is not None and (other.keys, other.include, other.is_unique) == (
        form.keys,
        form.include,
        form.is_unique,
    )


def _called(form: IndexForm) -> str:
    return form.name if form.part is None else f"`{form.name}`"
