"""Every relationship's columns have an index.

PostgreSQL does not make one: deleting or changing a row that is referred to would read the whole referring table, and
joins along the relationship as well. The first keys of an index or key must be the relationship's columns; a partial
index does not count, because it knows only some rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.edits import AddEntry, AppendItem, Edit
from groundwork.contracts.lint.index_form import IndexForm, index_forms
from groundwork.contracts.lint.subject import DomainPart, Problem, RelationshipPart, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_MOST_BYTES = 63  # of a name


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every relationship that no index serves."""
    for table in domain.tables:
        forms = list(index_forms(table))
        for relationship in table.relationships:
            if _can_be_judged(table, relationship) and not any(_serves(form, relationship.columns) for form in forms):
                name = f"{table.name}_{'_'.join(relationship.columns)}_idx"
                columns = ", ".join(relationship.columns)
                yield relationship.problem(
                    "",
                    f"no index of `{table.name}` serves the relationship over {columns}",
                    f"add to `indexes`: `{{name: {name}, columns: [{columns}]}}`",
                    edit=_added(table, name, relationship.columns),
                )


def _added(table: TablePart, name: str, columns: tuple[str, ...]) -> Edit | None:
    taken = {part.text("name") for part in (*table.indexes, *table.custom_parts("uniqueKeys"))}
    if name in taken or len(name.encode()) > _MOST_BYTES:
        return None
    index = {"name": name, "columns": list(columns)}
    if isinstance(table.custom("indexes"), list):
        return AppendItem(pointer=f"{table.pointer}{table.custom_pointer('indexes')}", value=index)
    entry = {"property": "indexes", "value": [index]}
    if isinstance(table.data.get("customProperties"), list):
        return AppendItem(pointer=f"{table.pointer}/customProperties", value=entry)
    return AddEntry(pointer=table.pointer, key="customProperties", value=[entry])


def _can_be_judged(table: TablePart, relationship: RelationshipPart) -> bool:
    return bool(relationship.columns) and all(table.column(name) for name in relationship.columns)


def _serves(form: IndexForm, columns: tuple[str, ...]) -> bool:
    if form.where is not None or form.method not in ("btree", "hash"):
        return False
    return set(form.columns[: len(columns)]) == set(columns)
