"""Declared indexes and keys in one comparable form, for rules that ask what serves what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from groundwork.contracts.lint.subject import Part, TablePart, index_keys


@dataclass(frozen=True, kw_only=True)
class IndexForm:
    """An index or key; each key is its column or expression and whether it descends; `part` is null for a key."""

    name: str
    keys: tuple[tuple[str, bool], ...]
    columns: tuple[str | None, ...]
    method: str = "btree"
    where: str | None = None
    include: tuple[str, ...] = ()
    is_unique: bool = False
    part: Part | None = None


def index_forms(table: TablePart) -> Iterator[IndexForm]:
    """The primary key, the unique keys and the indexes of `table`, in this order."""
    if table.primary_key:
        yield _of_key("the primary key", table.primary_key)
    for columns in table.unique_keys:
        yield _of_key(f"the unique key over {', '.join(columns)}", columns)
    for index in table.indexes:
        keys = list(index_keys(index))
        where = index.text("where")
        yield IndexForm(
            name=index.text("name"),
            keys=tuple(
                (_key_text(key.column, key.expression, index, key.pointer), key.order == "desc") for key in keys
            ),
            columns=tuple(key.column for key in keys),
            method=index.text("method") or "btree",
            where=" ".join(where.split()) or None,
            include=index.texts("include"),
            is_unique=index.data.get("unique") is True,
            part=index,
        )


def _of_key(name: str, columns: tuple[str, ...]) -> IndexForm:
    return IndexForm(name=name, keys=tuple((column, False) for column in columns), columns=columns, is_unique=True)


def _key_text(column: str | None, expression: str | None, index: Part, pointer: str) -> str:
    written = index.data["columns"][int(pointer.rpartition("/")[2])]
    operator_class = written.get("operatorClass", "") if isinstance(written, dict) else ""
    return f"{column or f'({expression})'} {operator_class}".strip()
