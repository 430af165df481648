"""Rows compared with one another and with what the database has: keys and references.

Values are compared by their canonical texts, which `groundwork.access.check_store` keeps on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection

from groundwork.access.check_errors import Errors
from groundwork.access.check_lookup import Lookup
from groundwork.access.check_plain import plain
from groundwork.access.check_plan import CheckPlan, Key, Reference
from groundwork.access.check_report import NotChecked, RowError
from groundwork.access.check_store import Found, RowStore
from groundwork.access.check_text import canonical
from groundwork.access.validation import Field
from groundwork.access.values import shown
from groundwork.contracts.contract import TableContract

OFFLINE = "it needs the database, which was left out"
_SMALL = 20_000  # rows of a table whose keys are fetched; those of a larger one are asked for
_NO_TEXT = "values of this type have no text by which they are equal"


@dataclass(kw_only=True)
class Comparing:
    """The keys and references of one check; with `updates` a primary key that is taken is no error."""

    table: TableContract
    plan: CheckPlan
    fields: Mapping[str, Field]
    errors: Errors
    not_checked: list[NotChecked]
    updates: bool

    @cached_property
    def compared(self) -> frozenset[str]:
        """The columns of keys and references whose values can be told equal by their texts."""
        wanted = {name for items in (self.plan.keys, self.plan.references) for item in items for name in item.columns}
        return frozenset(name for name in wanted if _has_equality(self.table.column(name).type))

    def compare(self, store: RowStore, key: Key) -> None:
        """Rows whose key an earlier row of the input has."""
        columns = ", ".join(key.columns)
        if not self.compared.issuperset(key.columns):
            self.not_checked.append(NotChecked(what=f"that {columns} is unique", why=_NO_TEXT))
            return
        for found in store.repeated(key.columns, with_nulls=key.nulls_not_distinct):
            place = f"line {found.first_line:,}" if found.first_line else f"row {found.first:,}"
            words = f"{told(key.columns, found.texts)}, as in {place}"
            self._add(found, columns, f"a value of {columns} that no other row has", words, "keep one of the two rows")

    def look_up(self, store: RowStore, connection: Connection | None) -> None:
        """Keys that the table has already, and references to rows that are not there."""
        if connection is None:
            keys = [f"that {', '.join(key.columns)} is not in the table yet" for key in self.plan.keys]
            references = [
                f"that {', '.join(each.columns)} exists in {each.target.qualified_name}"
                for each in self.plan.references
            ]
            self.not_checked += [NotChecked(what=what, why=OFFLINE) for what in (*keys, *references)]
            return
        lookup = Lookup(connection, self.table)
        if not lookup.is_empty(self.table):
            for key in self.plan.keys:
                if self.compared.issuperset(key.columns):
                    self._look_up_key(store, key, lookup)
        for reference in self.plan.references:
            if self.compared.issuperset(reference.columns):
                self._look_up_reference(store, reference, lookup)
            else:
                what = f"that {', '.join(reference.columns)} exists in {reference.target.qualified_name}"
                self.not_checked.append(NotChecked(what=what, why=_NO_TEXT))

    def _look_up_key(self, store: RowStore, key: Key, lookup: Lookup) -> None:
        columns = ", ".join(key.columns)
        if self.updates:
            if not key.is_primary:
                why = "a row that is changed may keep its own value; the database holds to it when rows are saved"
                self.not_checked.append(NotChecked(what=f"that {columns} is not in the table yet", why=why))
            return
        for taken in self._taken(store, key, lookup):
            for found in store.with_texts(key.columns, taken) if taken else ():
                words = f"{told(key.columns, found.texts)}, which a row of the table has"
                fix = "leave the row out, give it another key, or change the row that is there"
                self._add(found, columns, f"a value of {columns} that is not in the table yet", words, fix)

    def _taken(self, store: RowStore, key: Key, lookup: Lookup) -> Iterator[list[tuple[str, ...]]]:
        """Keys of the input that the table has; of a small table all it has."""
        fields = [self.fields[name] for name in key.columns]
        is_plain = all(plain(each) is not None for each in fields)  # else the driver's value may be written otherwise
        there = lookup.keys(self.table, key.columns, _SMALL) if is_plain else None
        if there is not None:
            read = [[canonical(value, each.kind) for value, each in zip(row, fields, strict=True)] for row in there]
            yield [tuple(text for text in texts if text is not None) for texts in read if None not in texts]
            return
        for texts in store.distinct(key.columns):
            is_there = lookup.present(self.table, key.columns, key.columns, texts)
            yield [each for each, taken in zip(texts, is_there, strict=True) if taken]

    def _look_up_reference(self, store: RowStore, reference: Reference, lookup: Lookup) -> None:
        columns, target = ", ".join(reference.columns), reference.target
        wanted = f"a value of {target.qualified_name}.{', '.join(reference.target_columns)}"
        is_empty = lookup.is_empty(target)
        for texts in store.distinct(reference.columns):
            there = [False] * len(texts)
            if not is_empty:
                there = lookup.present(target, reference.target_columns, reference.columns, texts)
            missing = [each for each, is_there in zip(texts, there, strict=True) if not is_there]
            if missing and reference.is_to_itself:
                here = store.contains(reference.target_columns, missing)
                missing = [each for each in missing if each not in here]
            for found in store.with_texts(reference.columns, missing) if missing else ():
                words = f"{told(reference.columns, found.texts)}, which is not there"
                self._add(found, columns, wanted, words, f"add the row to {target.name} first, or correct the value")

    def _add(self, found: Found, columns: str, expected: str, words: str, fix: str) -> None:
        error = RowError(row=found.row, line=found.line, column=columns, expected=expected, found=words, suggestion=fix)
        self.errors.add(error)


def told(columns: Sequence[str], texts: Sequence[str | None]) -> str:
    """Columns with their values, as a message shows them."""
    return ", ".join(f"{name} = {shown(text)}" for name, text in zip(columns, texts, strict=True))


def _has_equality(declared: str) -> bool:
    """Whether values of a type are equal exactly when their canonical texts are."""
    word = declared.lower().strip()
    return not word.startswith(("real", "double", "float", "json", "char", "citext", "interval", "tsvector"))
