"""Which tries of a task instance ever began: one that was taken off the queue again did no work, and nothing failed.

Airflow keeps each try that ended while it ran, and each that a lost scheduler had queued, this one without a start. Of
one that waited for a breaker, and was taken for lost when it was queued anew, it keeps nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from groundwork.model.fault import TaskTry
from groundwork.operators.airflow_api import api_session, has_api, instance_path

_log = logging.getLogger(__name__)


def begun(this: TaskTry, numbers: Sequence[int]) -> list[int]:
    """Those of `numbers` that began, as Airflow's API tells; all of them where it tells nothing. Never raises."""
    if not numbers:
        return []
    try:
        if not has_api():
            return list(numbers)
        path = instance_path(this.dag_id, this.run_id, this.task_id, this.map_index)
        with api_session("to tell the tries of a task") as client:
            found = client.get(f"{path}/tries").raise_for_status().json()["task_instances"]
        started = {each["try_number"] for each in found if each["start_date"] is not None}
    except Exception as error:  # what is not known counts as begun
        _log.info("whether the tries %s began is not known: %s", list(numbers), type(error).__name__)
        return list(numbers)
    for number in set(numbers) - started:
        _log.warning("try %d was taken off the queue before it began, which is no failure", number)
    return [number for number in numbers if number in started]
