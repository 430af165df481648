"""A change of a table, from its contract to queries that are proved to be served, step by step."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from groundwork.operators.healing import healing
from groundwork.operators.table_workflow import (
    CHANGE_COLUMN,
    ApproveOperator,
    CloseTableWorkflowOperator,
    TableWorkflowOperator,
)

DOCUMENTATION = """
Brings a table to what its contract declares now. Change the contract first (and its version: `groundwork contract-diff`
says which is due), then trigger this Dag with the table's name.

| step | what it does |
|---|---|
| compare | lists the differences, and how each declared query is served before the change |
| update | says what the contract's change breaks, and that its version announces it |
| impact_review | names who uses what changes; records the design choices |
| model | derives model, JSON Schema and checks from the new contract |
| migration | plans the statements, each with why, lock and way back |
| approve | asks a person when something locks, rewrites or loses; passes by itself otherwise |
| apply | carries the plan out; roles, grants and masked view follow |
| query_tests | shows how each declared query is served now, beside before |
| verify_sync | measures the five marks of a successful operation |

When table and contract agree there is nothing to change, and the run is skipped.
"""

with DAG(
    dag_id=CHANGE_COLUMN,
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
        "allow_unannounced": Param(
            default=False, type="boolean", description="Let a breaking change pass that the version does not announce"
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
    compare = TableWorkflowOperator(task_id="compare", step=1)
    close = CloseTableWorkflowOperator(task_id="close_run", step=99)
    (
        compare
        >> TableWorkflowOperator(task_id="update", step=2, allow_unannounced="{{ params.allow_unannounced }}")
        >> TableWorkflowOperator(task_id="impact_review", step=3)
        >> TableWorkflowOperator(task_id="model", step=4)
        >> TableWorkflowOperator(task_id="migration", step=5)
        >> ApproveOperator(task_id="approve", step=6)
        >> TableWorkflowOperator(task_id="apply", step=7)
        >> TableWorkflowOperator(task_id="query_tests", step=8)
        >> TableWorkflowOperator(task_id="verify_sync", step=9)
        >> close
    )
    close.as_teardown(setups=compare)
