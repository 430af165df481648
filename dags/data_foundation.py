"""The data foundation of a domain, from contracts to connected data flows, in three gated phases."""

from __future__ import annotations

from airflow.sdk import DAG, Param, TaskGroup

from groundwork.model.vocabulary import Phase
from groundwork.operators.access import ApplyAccessOperator, RepositoriesOperator
from groundwork.operators.assets import CHANGED_TABLES
from groundwork.operators.decision import DecisionOperator
from groundwork.operators.foundation import (
    BeginPhaseOperator,
    CloseRunOperator,
    OpenRunOperator,
    PhaseGateOperator,
)
from groundwork.operators.healing import healing
from groundwork.operators.integration import LoadOperator, PlanLoadsOperator, ValidateDataOperator
from groundwork.operators.schema import CompareOperator, MigrateOperator, ValidateContractsOperator
from groundwork.operators.transform import DbtBuildOperator

DOCUMENTATION = """
Builds everything a domain's contracts declare and proves it. Each phase ends in a gate that checks its success
criteria on the live system and keeps the evidence; a gate that stays closed says what was expected, what was found,
the likely cause and the next step. Clear the failed tasks to continue.

| phase | delivers | criteria |
|---|---|---|
| schema_design | complete_database_schema | schema_validated, relationships_defined, indexes_optimized |
| data_access_layer | secure_data_APIs | APIs_functional, authentication_working, performance_acceptable |
| data_integration | connected_data_flows | data_sync_working, real_time_updates, error_handling |
"""

DRY_RUN = "{{ params.dry_run }}"

with DAG(
    dag_id="data_foundation",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "foundation"],
    doc_md=DOCUMENTATION,
    params={
        "domain": Param("market", type="string", description="Folder below governance/contracts"),
        "connection": Param("warehouse", type="string", description="Airflow connection of the warehouse"),
        "model_connection": Param(
            default="", type="string", description="Airflow connection to Claude; empty: rules decide alone"
        ),
        "full_refresh": Param(
            default=False, type="boolean", description="Make incremental dbt models anew, after their columns changed"
        ),
        "dry_run": Param(default=False, type="boolean", description="Explain the changes and make none"),
    },
    default_args={
        "owner": "data-platform",
        **healing(),
        "domain": "{{ params.domain }}",
        "connection_id": "{{ params.connection }}",
    },
):
    opened = OpenRunOperator(task_id="open_run", step=1, is_dry_run=DRY_RUN)
    closed = CloseRunOperator(task_id="close_run", step=99)

    with TaskGroup(Phase.SCHEMA_DESIGN.value) as schema_design:
        (
            BeginPhaseOperator(task_id="begin", step=10, phase=Phase.SCHEMA_DESIGN)
            >> ValidateContractsOperator(task_id="validate_contracts", step=11)
            >> CompareOperator(task_id="compare", step=12)
            >> DecisionOperator(task_id="decide", step=13, model_connection_id="{{ params.model_connection }}")
            >> MigrateOperator(task_id="plan", step=14, only_plan=True)
            >> MigrateOperator(task_id="apply", step=15, is_dry_run=DRY_RUN)
            >> CompareOperator(task_id="verify", step=16, must_be_equal=True)
            >> PhaseGateOperator(task_id="gate", step=19, phase=Phase.SCHEMA_DESIGN, retries=1, is_dry_run=DRY_RUN)
        )

    with TaskGroup(Phase.DATA_ACCESS_LAYER.value) as data_access_layer:
        (
            BeginPhaseOperator(task_id="begin", step=20, phase=Phase.DATA_ACCESS_LAYER)
            >> [
                RepositoriesOperator(task_id="repositories", step=21),
                ApplyAccessOperator(task_id="apply_access", step=22),
            ]
            >> PhaseGateOperator(task_id="gate", step=29, phase=Phase.DATA_ACCESS_LAYER, retries=1)
        )

    with TaskGroup(Phase.DATA_INTEGRATION.value) as data_integration:
        begin = BeginPhaseOperator(task_id="begin", step=30, phase=Phase.DATA_INTEGRATION)
        before = ValidateDataOperator(task_id="validate_before", step=31, stage="before_load", must_pass=False)
        files = PlanLoadsOperator(task_id="plan_loads", step=32, kind="file")
        computed = PlanLoadsOperator(task_id="plan_computed", step=33, kind="computed")
        load = LoadOperator.partial(
            task_id="load", step=34, outlets=[CHANGED_TABLES], map_index_template="{{ task.tables | join(', ') }}"
        ).expand(tables=files.output)
        compute = LoadOperator.partial(
            task_id="compute", step=35, outlets=[CHANGED_TABLES], map_index_template="{{ task.tables | join(', ') }}"
        ).expand(tables=computed.output)
        transform = DbtBuildOperator(task_id="transform", step=36, full_refresh="{{ params.full_refresh }}")
        after = ValidateDataOperator(task_id="validate_after", step=37, stage="after_load")
        transformed = ValidateDataOperator(task_id="validate_transformed", step=38, stage="after_transform")
        gate = PhaseGateOperator(task_id="gate", step=39, phase=Phase.DATA_INTEGRATION, retries=1)
        begin >> [before, files, computed]
        [before, files] >> load >> compute >> [transform, after]
        transform >> transformed
        [after, transformed] >> gate

    opened >> schema_design >> data_access_layer >> data_integration >> closed
    closed.as_teardown(setups=opened)
