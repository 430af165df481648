"""DDL that somebody wrote by hand, judged before it runs: parsed, looked up in the live catalog, never executed.

squawk's opinions are the floor; what the catalog knows (the table is empty, or holds 12 GB) is said beside each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from groundwork.change.facts import Facts
from groundwork.change.squawk import said
from groundwork.model.errors import ConfigError

_QUIET = frozenset(["require-lock-timeout", "require-statement-timeout", "prefer-robust-stmts", "require-table-schema"])
_FORMS = {
    "require-concurrent-index-creation": "CREATE INDEX CONCURRENTLY …, outside a transaction",
    "require-concurrent-index-deletion": "DROP INDEX CONCURRENTLY …",
    "adding-foreign-key-constraint": "ADD CONSTRAINT … NOT VALID, then VALIDATE CONSTRAINT … in a statement of its own",
    "constraint-missing-not-valid": "ADD CONSTRAINT … NOT VALID, then VALIDATE CONSTRAINT … in a statement of its own",
    "adding-required-field": "ADD COLUMN with a constant default, or nullable, filled in batches, then SET NOT NULL",
    "adding-not-nullable-field": "ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID, VALIDATE, then SET NOT NULL",
    "changing-column-type": "a new column beside the old one, filled in batches, then the names exchanged",
    "disallowed-unique-constraint": "CREATE UNIQUE INDEX CONCURRENTLY …, then ADD CONSTRAINT … UNIQUE USING INDEX …",
    "renaming-column": "a new column beside the old one until nobody reads the old name",
    "renaming-table": "a view under the old name until nobody reads it",
    "ban-drop-column": "take the column out of the contract, let readers go, and migrate with `loss` accepted",
    "ban-drop-table": "take the table out of the contract, let readers go, and migrate with `loss` accepted",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of one statement: `is_dangerous` when a table with rows is locked or loses something."""

    line: int
    statement: str
    table: str | None
    rule: str
    message: str
    safe_form: str | None
    known: str | None
    is_dangerous: bool

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def review_sql(text: str, facts: Facts, *, where: str = "the text") -> tuple[Verdict, ...]:
    """Every finding about the statements of `text`, in order; nothing is run.

    Raises: ConfigError with the position when the text is not PostgreSQL's SQL; FatalError when squawk cannot be run.
    """
    parsed = list(_statements(text, where))
    found = said([statement for _, statement, _ in parsed])
    return tuple(_verdict(*parsed[number], each, facts) for number, each in found if each["rule_name"] not in _QUIET)


def _statements(text: str, where: str) -> Iterator[tuple[int, str, str | None]]:
    """Line, text and changed table (`schema.name`) of each statement."""
    from pglast import parse_sql, split
    from pglast.parser import ParseError

    try:
        pieces, trees = split(text, only_slices=True), parse_sql(text)
    except ParseError as error:
        place = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
        raise ConfigError(
            "this is not SQL that PostgreSQL understands",
            where=f"{where}:{text.count(chr(10), 0, place) + 1}",
            found=str(error.args[0]),
            next_step="correct the statement at that line",
        ) from error
    for piece, tree in zip(pieces, trees, strict=True):
        relation = getattr(tree.stmt, "relation", None)
        name = None
        if relation is not None and getattr(relation, "relname", None):
            name = f"{relation.schemaname or 'public'}.{relation.relname}"
        yield text.count("\n", 0, piece.start) + 1, text[piece], name


def _verdict(line: int, statement: str, table: str | None, said_of_it: dict[str, Any], facts: Facts) -> Verdict:
    rule = said_of_it["rule_name"]
    is_known = table is not None and table in facts.sizes
    is_empty = table is not None and facts.is_empty(table)
    return Verdict(
        line=line,
        statement=" ".join(statement.split()),
        table=table,
        rule=rule,
        message=said_of_it["message"],
        safe_form=_FORMS.get(rule) or said_of_it.get("help"),
        known=facts.told(table) if table is not None and is_known else None,
        is_dangerous=rule in _FORMS and not is_empty,
    )
