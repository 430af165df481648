"""The run of the Dag `escalation` of an incident that was opened again: it ended, and has to ask a person anew.

Its run id comes from the incident, so that the same run is cleared rather than another one started.
"""

from __future__ import annotations

import uuid
from urllib.parse import quote

from groundwork.operators.airflow_api import api_session
from groundwork.operators.incidents.escalation_run import DAG_ID, run_id_of, start_by_api


def ask_again(incident_id: uuid.UUID | str) -> None:
    """Run the request of an incident from its start, by the API: it sees what the store says by now. Safe to repeat.

    Raises: ConfigError when the API does not let us; RetriableError when it is away.
    """
    path = f"/api/v2/dags/{DAG_ID}/dagRuns/{quote(run_id_of(incident_id), safe='')}/clear"
    with api_session("to ask about an incident again") as client:
        done = client.post(path, json={"dry_run": False, "only_failed": False})
        if done.status_code != 404:
            done.raise_for_status()
            return
    start_by_api(incident_id)  # nobody had been asked before
