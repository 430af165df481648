"""Airflow's own request about an incident, made to agree with what a person did on its page.

In Airflow's own database, in the person's name. What cannot be done now the sweep does, or the next answer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from groundwork.model.incident import is_asked
from groundwork.operators.incidents.escalation_run import DAG_ID, TASK_ID, option_for, run_id_of

_log = logging.getLogger(__name__)


def follow(row: Mapping[str, Any], user: Any) -> None:
    """Let the run that asks about an incident (a row of `incident`) see what the store says by now; never raises.

    A request that waits is answered, so that its task goes on; one that ended before the incident was opened again is
    run from its start.
    """
    try:
        if not is_asked(row):
            _ask_again(row)
        elif row["state"] != "open":
            _end_request(row, user)
    except Exception:  # what was done is on record: the sweep ends the request
        _log.warning("the request of the incident %s could not be changed now", row["id"], exc_info=True)


def _ask_again(row: Mapping[str, Any]) -> None:
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    # groundwork: allow own_session Airflow's own request in Airflow's own database
    with create_session() as session:
        run = session.scalar(select(DagRun).where(DagRun.dag_id == DAG_ID, DagRun.run_id == run_id_of(row["id"])))
        if run is None:
            return  # nobody had been asked before: the sweep starts it
        dag = DBDagBag().get_dag_for_run(run, session=session)
        if dag is not None:
            dag.clear(run_id=run.run_id, session=session)


def _end_request(row: Mapping[str, Any], user: Any) -> None:
    from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
    from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    run_id = run_id_of(row["id"])
    # groundwork: allow own_session Airflow's own request in Airflow's own database
    with create_session() as session:
        asked = session.scalar(
            select(HITLDetail)
            .join(TaskInstance, HITLDetail.ti_id == TaskInstance.id)
            .where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == run_id, TaskInstance.task_id == TASK_ID)
        )
        if asked is None or asked.response_received:
            return
        payload = UpdateHITLDetailPayload(chosen_options=[option_for(row, list(asked.options))], params_input={})
        update_hitl_detail(
            dag_id=DAG_ID,
            dag_run_id=run_id,
            task_id=TASK_ID,
            update_hitl_detail_payload=payload,
            user=user,
            session=session,
            map_index=-1,
        )
