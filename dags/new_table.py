"""A new table, from its contract to a table that is proved to work, step by step."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from groundwork.operators.healing import healing
from groundwork.operators.table_workflow import (
    NEW_TABLE,
    ApproveOperator,
    CloseTableWorkflowOperator,
    TableWorkflowOperator,
)

DOCUMENTATION = """
Makes the table that a contract declares. Add the contract to `governance/contracts/<domain>` first
(`groundwork validate-schema` checks it), then trigger this Dag with the table's name.

| step | what it does |
|---|---|
| define | says what the table is for and that nothing stands in its way |
| validate | checks the domain's contracts |
| design_review | records every design choice with its alternatives and the reason |
| generate_migration | plans the statements, each with why, lock and way back |
| query_review | shows how the planner would serve each declared access pattern |
| approve | asks a person when something locks, rewrites or loses; passes by itself otherwise |
| apply | carries the plan out; roles, grants and masked view follow |
| model | derives model, JSON Schema and checks, and reads the table through the model |
| repository | tries the repository on the live table, rolled back |
| verify_sync | measures the five marks of a successful operation |

Decisions and evidence are kept in Groundwork's store; a failed step can be cleared and the run goes on from there.
"""

with DAG(
    dag_id=NEW_TABLE,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "schema"],
    doc_md=DOCUMENTATION,
    params={
        "domain": Param("market", type="string", description="Folder below governance/contracts"),
        "table": Param("", type="string", description="Name of the table in its contract"),
        "connection": Param("warehouse", type="string", description="Airflow connection of the warehouse"),
        "accept": Param(
            default=[], type="array", items={"enum": ["rewrite", "loss"]},
            description="What the migration may do beyond the harmless",
        ),
    },
    default_args={
        "owner": "data-platform",
        **healing(),
        "domain": "{{ params.domain }}",
        "table": "{{ params.table }}",
        "accept": "{{ params.accept | join(',') }}",
        "connection_id": "{{ params.connection }}",
    },
):  # fmt: skip
    define = TableWorkflowOperator(task_id="define", step=1)
    close = CloseTableWorkflowOperator(task_id="close_run", step=99)
    (
        define
        >> TableWorkflowOperator(task_id="validate", step=2)
        >> TableWorkflowOperator(task_id="design_review", step=3)
        >> TableWorkflowOperator(task_id="generate_migration", step=4)
        >> TableWorkflowOperator(task_id="query_review", step=5)
        >> ApproveOperator(task_id="approve", step=6)
        >> TableWorkflowOperator(task_id="apply", step=7)
        >> TableWorkflowOperator(task_id="model", step=8)
        >> TableWorkflowOperator(task_id="repository", step=9)
        >> TableWorkflowOperator(task_id="verify_sync", step=10)
        >> close
    )
    close.as_teardown(setups=define)
