"""A release of a domain: five gates measured on the live system, and a decision that lets pass or blocks."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from groundwork.operators.healing import healing
from groundwork.operators.release import DecideReleaseOperator, OpenReleaseOperator, ReleaseGateOperator

DOCUMENTATION = """
Says whether a domain may be released. Each gate is measured by a task of its own, which keeps what it expected
and found; the last task fails when a gate is closed, and names each with its cause and the next step.

| gate | open when |
|---|---|
| schema_reviewed | the contracts hold no mistake, and no difference to the database has to be refused |
| migration_tested | the migration ran in a database apart, was taken back without a trace, and ran again |
| performance_tested | every declared access pattern uses an index and answers in time |
| data_validated | every table was validated lately and after its last load, without a failed check of severity error |
| backup_verified | a backup was restored elsewhere and holds the same rows |

After mending, clear the gate's task: its verdict is measured anew. `groundwork gate override` lets a gate pass on a
person's word; it needs a name and a reason, holds for a while, and is in the audit trail.
"""
GATES = ("schema_reviewed", "migration_tested", "performance_tested", "data_validated", "backup_verified")
DOMAIN = "{{ params.domain }}"

with DAG(
    dag_id="release",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "release"],
    doc_md=DOCUMENTATION,
    params={
        "domain": Param("market", type="string", description="Folder below governance/contracts"),
        "connection": Param("warehouse", type="string", description="Airflow connection of the warehouse"),
    },
    default_args={
        "owner": "data-platform",
        **healing(),
        "connection_id": "{{ params.connection }}",
    },
):
    begin = OpenReleaseOperator(task_id="begin", domain=DOMAIN, step=1)
    measured = [
        ReleaseGateOperator(task_id=gate, domain=DOMAIN, gate=gate, step=2 + place) for place, gate in enumerate(GATES)
    ]
    decision = DecideReleaseOperator(
        task_id="decide", domain=DOMAIN, gates=GATES, step=9, retries=0, retry_policy=None, trigger_rule="all_done"
    )
    begin >> measured >> decision
