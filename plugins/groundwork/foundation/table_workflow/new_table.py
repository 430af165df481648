"""The steps that only a new table takes: it is defined, its design is reviewed, its queries are tried beforehand."""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from groundwork.catalog.postgres import observe
from groundwork.contracts.contract import TableContract
from groundwork.foundation.access_patterns import PatternEvidence, measure_patterns
from groundwork.foundation.table_workflow.workflow import StepResult, TableWorkflow
from groundwork.model.decision import DESIGN_KINDS
from groundwork.model.errors import ConfigError
from groundwork.specialists.deciding import decide
from groundwork.specialists.table_design import table_decisions
from groundwork.store.decision import Decisions


def define(flow: TableWorkflow) -> StepResult:
    """What is going to be made, and that nothing stands in its way.

    Raises: ConfigError when the table is there already in another form, or refers to tables that are not there.
    """
    table = flow.table
    with flow.warehouse.connect() as connection:
        schemas = sorted({each.schema for each in flow.domain.tables})
        present = {(shape.schema, shape.name) for shape in observe(connection, schemas)}
    is_there = (table.schema, table.name) in present
    if is_there and not flow.diff().is_empty:
        raise ConfigError(
            "the table is there already, in another form than its contract declares",
            where=table.qualified_name,
            expected="a table that the database does not have",
            found=flow.diff().to_text(),
            next_step="run the Dag `change_column` for it",
        )
    missing = _missing_targets(flow, present)
    if missing:
        raise ConfigError(
            "the table refers to tables that are not there yet",
            where=table.qualified_name,
            expected=f"{', '.join(missing)} in the database",
            found="none of them" if len(missing) > 1 else "no such table",
            next_step=f"run the Dag `new_table` for {missing[0]} first",
        )
    contract = flow.domain.contract_of(table)
    told = (
        f"{table.qualified_name}: {table.description or 'no description'} Grain: {table.grain or 'not declared'} "
        f"{len(table.columns)} columns, {len(table.relationships)} references, {len(table.indexes)} indexes, "
        f"owned by {contract.owner}" + ("; it is there already, as declared" if is_there else "")
    )
    return flow.keep(
        told,
        reasons=(contract.purpose,) if contract.purpose else (),
        found={
            "table": table.qualified_name,
            "contract": contract.id,
            "version": contract.version,
            "is_there": is_there,
            "columns": [column.name for column in table.columns],
            "primary_key": list(table.primary_key),
            "access_patterns": [pattern.name for pattern in table.access_patterns],
        },
    )


def _missing_targets(flow: TableWorkflow, present: set[tuple[str, str]]) -> list[str]:
    targets = [flow.domain.table(each.target_table) for each in flow.table.relationships]
    return sorted(
        {
            target.qualified_name
            for target in targets
            if target != flow.table and (target.schema, target.name) not in present
        }
    )


def design_review(flow: TableWorkflow) -> StepResult:
    """Every design choice with its alternatives and the reason, recorded as decisions."""
    store = Decisions(flow.store)
    with flow.warehouse.connect() as connection, connection.begin():
        measured = decide(
            connection, flow.domain, flow.table, DESIGN_KINDS, operation=flow.operation, run_id=flow.run_id
        )
    chosen = [*table_decisions(flow.domain, flow.table, operation=flow.operation, run_id=flow.run_id), *measured]
    for decision in chosen:
        store.record(decision)
    return flow.keep(
        f"{len(chosen)} design choices recorded",
        reasons=[f"{decision.subject}: {decision.choice}. {decision.reasoning}" for decision in chosen],
        found={
            "decisions": [
                {
                    "id": str(decision.id),
                    "kind": decision.kind.value,
                    "subject": decision.subject,
                    "choice": decision.choice,
                    "alternatives": [each.name for each in decision.options if each.name != decision.choice],
                    "confidence": decision.confidence,
                }
                for decision in chosen
            ]
        },
    )


def query_review(flow: TableWorkflow) -> StepResult:
    """How the planner would serve each declared access pattern, on made-up rows while the table is empty.

    Raises: ConfigError when a pattern is served by no index.
    """
    patterns = patterns_of(flow, flow.table)
    require_served(flow, patterns)
    if not patterns:
        return flow.keep("no access pattern is declared: nothing shows that the table's indexes serve anybody")
    return flow.keep(
        f"{len(patterns)} access patterns, each served by an index",
        reasons=[told_plan(pattern) for pattern in patterns],
        found={"patterns": [pattern.to_json() for pattern in patterns]},
    )


def patterns_of(flow: TableWorkflow, table: TableContract) -> list[PatternEvidence]:
    """The evidence for the access patterns of one table; nothing in the database changes."""
    with flow.warehouse.connect() as connection:
        return measure_patterns(connection, flow.domain, only=table)


def require_served(flow: TableWorkflow, patterns: list[PatternEvidence]) -> None:
    """Raises: ConfigError naming the access patterns that no index serves."""
    unserved = [pattern for pattern in patterns if not pattern.is_served]
    if unserved:
        raise ConfigError(
            "no index serves a declared access pattern",
            where=flow.table.qualified_name,
            expected="a plan that uses an index of the table",
            found="; ".join(told_plan(pattern) for pattern in unserved),
            next_step="declare an index with the columns that the query filters and sorts by, "
            "or take the access pattern out of the contract",
        )


def told_plan(pattern: PatternEvidence) -> str:
    """One line on how a pattern is served."""
    way = f"uses {', '.join(pattern.indexes)}" if pattern.is_served else f"reads {', '.join(pattern.scanned)} whole"
    return f"{pattern.pattern}: {way}, cost {pattern.cost:.0f} on {pattern.rows} rows ({pattern.measured_on})"
