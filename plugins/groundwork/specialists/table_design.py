"""Why a table is designed as its contract says: key, references, types, vocabulary, versioning, masking.

Each choice is a decision of its own with the alternatives that were open. Nothing is measured here; what needs a
measurement (indexes, partitions) is decided in `index_design` and `partition_design`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from groundwork.contracts.contract import ColumnContract, Domain, RelationshipContract, TableContract
from groundwork.model.decision import RULES, Decision, DecisionKind, Option, Verdict
from groundwork.model.operation import Operation
from groundwork.store.base import utc_now

SPECIALIST = "database specialist"
VERSION_COLUMN = "updated_at"
_INEXACT = ("real", "double precision", "float", "float4", "float8")


@dataclass(frozen=True, kw_only=True)
class DesignChoice:
    """One choice: the first of `options` is the contract's; `aspect` names it within the table."""

    aspect: str
    options: tuple[Option, ...]
    reasoning: str
    confidence: float = 0.9


def table_decisions(
    domain: Domain, table: TableContract, *, operation: Operation, run_id: str | None = None
) -> list[Decision]:
    """One decision per design choice of the table, in the order of the contract."""
    return [_decision(table, choice, operation, run_id) for choice in design_choices(domain, table)]


def design_choices(domain: Domain, table: TableContract) -> list[DesignChoice]:
    """Every choice that the contract made for the table, with its alternatives and the reason."""
    found = [_primary_key(table)]
    found.extend(_reference(domain, table, relationship) for relationship in table.relationships)
    found.extend(choice for column in table.columns for choice in _column(column))
    found.append(_versioning(table))
    return found


def _decision(table: TableContract, choice: DesignChoice, operation: Operation, run_id: str | None) -> Decision:
    return Decision(
        id=uuid.uuid4(),
        kind=DecisionKind.TABLE_DESIGN,
        subject=f"{table.qualified_name}.{choice.aspect}",
        specialist=SPECIALIST,
        options=choice.options,
        evidence={"table": table.qualified_name, "grain": table.grain, "columns": len(table.columns)},
        choice=choice.options[0].name,
        reasoning=choice.reasoning,
        confidence=choice.confidence,
        decided_by=RULES,
        verdicts=(Verdict(guardrail="declared", passed=True, reason="the contract declares it"),),
        operation_id=operation.id,
        run_id=run_id,
        decided_at=utc_now(),
    )


def _primary_key(table: TableContract) -> DesignChoice:
    columns = [table.column(name) for name in table.primary_key]
    generated = Option(
        name="generated_uuid", description="An identifier without meaning, made by the server.",
        pros=("can be made anywhere without asking the database", "never has to change"),
        cons=("16 bytes in every reference", "random order costs cache on insert"),
    )  # fmt: skip
    counted = Option(
        name="identity", description="A number counted up by the server.",
        pros=("small, in order of insertion",), cons=("only the database can give it", "tells how many rows there are"),
    )  # fmt: skip
    natural = Option(
        name="natural_key", description=f"The columns that identify a row anyway: {', '.join(table.primary_key)}.",
        pros=("no second key to keep unique", "the same row loaded twice is recognised"),
        cons=("a change of a key value has to be carried to every reference",),
    )  # fmt: skip
    none = Option(
        name="no_key", description="No primary key.", pros=("nothing to maintain",),
        cons=("a row cannot be addressed, updated safely or replicated",),
    )  # fmt: skip
    if not columns:
        return DesignChoice(
            aspect="primary_key",
            options=(none, counted, generated),
            reasoning="The contract declares no primary key: rows can be appended and not addressed.",
            confidence=0.5,
        )
    if len(columns) == 1 and columns[0].type == "uuid":
        name = columns[0].name
        made = f", by default {columns[0].default}" if columns[0].default else ", given by whoever makes the row"
        return DesignChoice(
            aspect="primary_key",
            options=(generated, counted, natural),
            reasoning=f"`{name}` is a UUID{made}: rows are made in more than one place and referred to by others.",
        )
    if len(columns) == 1 and columns[0].identity:
        return DesignChoice(
            aspect="primary_key",
            options=(counted, generated, natural),
            reasoning=f"`{columns[0].name}` is counted by the server: only the database makes rows of this table.",
        )
    grain = f" The grain says: {table.grain}" if table.grain else ""
    return DesignChoice(
        aspect="primary_key",
        options=(natural, counted, generated),
        reasoning=f"({', '.join(table.primary_key)}) identifies a row by itself and makes loads idempotent.{grain}",
    )


def _reference(domain: Domain, table: TableContract, relationship: RelationshipContract) -> DesignChoice:
    target = domain.table(relationship.target_table)
    columns = ", ".join(relationship.columns)
    served = next(
        (
            index.name
            for index in table.indexes
            if tuple(key.column for key in index.keys[: len(relationship.columns)]) == relationship.columns
        ),
        None,
    )
    behind = f"the index {served} serves it" if served else "no index of its own serves it"
    enforced = Option(
        name="foreign_key",
        description=f"({columns}) refers to {target.qualified_name}, on delete {relationship.on_delete.lower()}.",
        pros=("no row can point at nothing, whoever writes", "the planner knows the join"),
        cons=("each write looks the target up",),
    )
    unchecked = Option(
        name="checked_later", description="No constraint; quality checks look for orphans.",
        pros=("faster writes",), cons=("orphans are found after the fact",),
    )  # fmt: skip
    return DesignChoice(
        aspect=f"reference_{'_'.join(relationship.columns)}",
        options=(enforced, unchecked),
        reasoning=f"The contract declares the relationship to {target.qualified_name}; {behind}.",
    )


def _column(column: ColumnContract) -> Iterator[DesignChoice]:
    kind = column.type.lower()
    if kind.startswith("numeric") or kind.startswith(_INEXACT):
        yield _number(column, is_exact=kind.startswith("numeric"))
    elif kind in ("timestamptz", "timestamp with time zone", "timestamp", "timestamp without time zone"):
        yield _moment(column, has_zone="tz" in kind or "with time zone" in kind)
    elif kind in ("jsonb", "json"):
        yield _document(column)
    if column.allowed_values:
        yield _vocabulary(column)
    if column.masking:
        yield _masking(column)


def _number(column: ColumnContract, *, is_exact: bool) -> DesignChoice:
    exact = Option(
        name="exact_number", description="numeric: every digit kept.",
        pros=("sums add up",), cons=("slower arithmetic, more bytes",),
    )  # fmt: skip
    inexact = Option(
        name="floating_point", description="double precision: about fifteen digits.",
        pros=("fast, eight bytes",), cons=("0.1 cannot be written; sums drift",),
    )  # fmt: skip
    return DesignChoice(
        aspect=f"{column.name}.type",
        options=(exact, inexact) if is_exact else (inexact, exact),
        reasoning=(
            f"`{column.name}` is {column.type}: amounts, prices and shares must add up to the last digit."
            if is_exact
            else f"`{column.name}` is {column.type}: a measurement whose last digits carry no meaning."
        ),
    )


def _moment(column: ColumnContract, *, has_zone: bool) -> DesignChoice:
    zoned = Option(
        name="moment_in_time", description="timestamptz: one moment for everybody, kept in UTC.",
        pros=("comparable across zones and across the change of summer time",), cons=("shown in the reader's zone",),
    )  # fmt: skip
    local = Option(
        name="local_time", description="timestamp: what the clock on the wall said.",
        pros=("shown as it was written",), cons=("two readers may take it for two moments",),
    )  # fmt: skip
    return DesignChoice(
        aspect=f"{column.name}.type",
        options=(zoned, local) if has_zone else (local, zoned),
        reasoning=f"`{column.name}` is {column.type}: it says "
        + ("when something happened, for every reader the same." if has_zone else "a local time without a zone."),
    )


def _document(column: ColumnContract) -> DesignChoice:
    document = Option(
        name="json_document", description="jsonb: one document per row.",
        pros=("parts may differ from row to row", "can be indexed and searched"),
        cons=("parts have no types, keys or references of their own",),
    )  # fmt: skip
    columns = Option(
        name="columns", description="A column per part.",
        pros=("typed, required and checked one by one",), cons=("a new part is a change of the table",),
    )  # fmt: skip
    return DesignChoice(
        aspect=f"{column.name}.type",
        options=(document, columns),
        reasoning=f"`{column.name}` is {column.type}: {column.description or 'its parts differ from row to row.'}",
        confidence=0.8,
    )


def _vocabulary(column: ColumnContract) -> DesignChoice:
    words = ", ".join(str(value) for value in column.allowed_values[:10])
    check = Option(
        name="check_constraint", description=f"{column.type} with a CHECK of the allowed values.",
        pros=("a value is added or removed without a rewrite",), cons=("the values stand in the constraint",),
    )  # fmt: skip
    enum = Option(
        name="enum_type", description="A type of its own.",
        pros=("four bytes, ordered",), cons=("a value can never be removed from it",),
    )  # fmt: skip
    reference = Option(
        name="reference_table", description="A table of the values with a foreign key.",
        pros=("values can carry a description",), cons=("a join for every reader",),
    )  # fmt: skip
    return DesignChoice(
        aspect=f"{column.name}.vocabulary",
        options=(check, enum, reference),
        reasoning=f"`{column.name}` holds one of {words}: few words that belong to the table and change with it.",
    )


def _masking(column: ColumnContract) -> DesignChoice:
    masked = Option(
        name="masked_by_role", description=f"Shown as `{column.masking}` to roles without clearance.",
        pros=("one table for all readers",), cons=("readers go through the view",),
    )  # fmt: skip
    apart = Option(
        name="separate_table", description="Kept in a table of its own.",
        pros=("grants alone decide",), cons=("a join for those who may see it",),
    )  # fmt: skip
    level = column.classification.value if column.classification else "unclassified"
    return DesignChoice(
        aspect=f"{column.name}.masking",
        options=(masked, apart),
        reasoning=f"`{column.name}` is {level}: roles below that clearance see the row and not the value.",
    )


def _versioning(table: TableContract) -> DesignChoice:
    has_column = any(column.name == VERSION_COLUMN for column in table.columns)
    column = Option(
        name="updated_at_column", description=f"`{VERSION_COLUMN}` moves with every change.",
        pros=("readers see when a row changed", "writers notice that they were overtaken"), cons=("eight bytes a row",),
    )  # fmt: skip
    system = Option(
        name="row_version_of_the_server", description="The server's own `xmin`.",
        pros=("costs nothing",), cons=("says nothing to readers and does not survive a restore",),
    )  # fmt: skip
    return DesignChoice(
        aspect="row_version",
        options=(column, system) if has_column else (system, column),
        reasoning="Updates name the version they saw, so that two writers never overwrite one another; "
        + (f"`{VERSION_COLUMN}` is declared." if has_column else f"no `{VERSION_COLUMN}` is declared."),
    )
