"""Loads what stands before each try, for processes from which tasks are forked: no task's own process has to then.

Where Airflow's own processes fork tasks, the listener imports this. A worker of Celery loads no plugin before it forks;
there Celery's setting `imports` names this module (`[celery] extra_celery_config`, set in `docker-compose.yml`).
"""

from __future__ import annotations

import importlib
import logging

BEFORE_EACH_TRY = (
    "groundwork.operators.healing",
    "groundwork.operators.listener",
    "groundwork.operators.tries.try_begin",
    "groundwork.operators.tries.try_success",
    "groundwork.operators.connections",
    "groundwork.orbt.tries.target_name",
    "groundwork.store.admission",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.execution_time.cache",
)

try:
    for _name in BEFORE_EACH_TRY:
        importlib.import_module(_name)
except Exception:  # whatever it is: a worker that starts and is slower is better than none
    logging.getLogger(__name__).debug("what stands before each try is loaded by each task", exc_info=True)
