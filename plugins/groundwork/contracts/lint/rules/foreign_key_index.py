"""Every relationship's columns have an index.

PostgreSQL does not make one: deleting or changing a row that is referred to would read the whole referring table, and
joins along the relationship as well. The first keys of an index or key must be the relationship's columns; a partial
index does not count, because it knows only some rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.index_form import IndexForm, index_forms
from groundwork.contracts.lint.subject import DomainPart, Problem, RelationshipPart, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


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
                )


def _can_be_judged(table: TablePart, relationship: RelationshipPart) -> bool:
    return bool(relationship.columns) and all(table.column(name) for name in relationship.columns)


def _serves(form: IndexForm, columns: tuple[str, ...]) -> bool:
    if form.where is not None or form.method not in ("btree", "hash"):
        return False
    return set(form.columns[: len(columns)]) == set(columns)
