"""The Dag `transform`: every dbt model of the domain market as a task of its own, with its tests behind it.

Drawn from the slim manifest that is committed in the dbt project, because asking dbt costs seconds at every parse; a
test compares that manifest with the project. The Dag `data_foundation` builds the same models in one task, which is
quicker; this one is for looking at them and for running one of them again. With `changed_only` a run builds what
differs from the last good run, and all that is made of it; the other tasks are skipped.
"""

from __future__ import annotations

import os

os.environ.setdefault("AIRFLOW__COSMOS__ENABLE_TELEMETRY", "False")  # read when Cosmos is imported
os.environ.setdefault("DO_NOT_TRACK", "1")

from airflow.sdk import DAG, Param
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior
from cosmos.profiles import PostgresUserPasswordProfileMapping

from groundwork.operators.healing import before, healing
from groundwork.operators.transform_tasks import CHOOSE, ChooseModelsOperator, KeepStateOperator, skip_unchosen
from groundwork.settings import WAREHOUSE_CONNECTION, Settings
from groundwork.transform.manifest import SLIM_MANIFEST

_FOLDER = Settings.from_environment().dbt_project
_SCHEMA = "market"  # dbt makes market_staging and market_marts of it
_PROJECT = ProjectConfig(dbt_project_path=_FOLDER, install_dbt_deps=False)
# Given to the constructor, Cosmos makes an object storage path of it, and opening that loads every Airflow plugin: 1 s.
_PROJECT.manifest_path = _FOLDER / SLIM_MANIFEST

with DAG(
    dag_id="transform",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=healing(connection_id=WAREHOUSE_CONNECTION, owner="market-data"),
    tags=["groundwork", "market", "dbt"],
    doc_md=__doc__,
    params={
        "changed_only": Param(default=False, type="boolean", description="Build what changed since the last good run")
    },
):
    choose = ChooseModelsOperator(task_id=CHOOSE, domain=_SCHEMA, step=1, changed_only="{{ params.changed_only }}")
    keep = KeepStateOperator(task_id="keep_state", domain=_SCHEMA, step=99, trigger_rule="none_failed")
    models = DbtTaskGroup(
        group_id="models",
        project_config=_PROJECT,
        profile_config=ProfileConfig(
            profile_name="groundwork",
            target_name="warehouse",
            profile_mapping=PostgresUserPasswordProfileMapping(
                conn_id=WAREHOUSE_CONNECTION, profile_args={"schema": _SCHEMA, "threads": 1}
            ),
        ),
        execution_config=ExecutionConfig(execution_mode=ExecutionMode.LOCAL, invocation_mode=InvocationMode.DBT_RUNNER),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.AFTER_EACH,
            should_detach_multiple_parents_tests=True,  # else a test could run before its second table is there
            emit_datasets=False,  # the tables have assets of their own
        ),
        operator_args={
            "pre_execute": before(skip_unchosen),
            "trigger_rule": "none_failed",
            "params": {"domain": _SCHEMA},
        },
    )
    choose >> models >> keep
