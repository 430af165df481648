"""Failed task instances of an incident: run again, or counted as done, each once however often it is asked.

Airflow gives a task instance a new id when it is cleared. The ids are kept before anything is done, so that a repeated
call leaves alone what was cleared before, even when it has failed again meanwhile. With the connection `airflow_api`
exactly the failed task instances and what waits for them are cleared. Without it the task's supervisor resets the whole
run, which repeats finished tasks too; that is safe because every step of Groundwork may be repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundwork.operators.airflow_api import api_session, has_api, instance_path

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger(__name__)
_FAILED = ("failed", "upstream_failed")
_TRYING_ON = ("up_for_retry", "up_for_reschedule")  # as after a strike that asks a person meanwhile
Keep = Callable[[str, Any], None]  # takes a step's name and JSON-ready facts, and keeps them
_ENDING_SECONDS = 20  # that a task which failed may take to end
_NOTE = "run again after an incident was answered"


def run_again(incident: Mapping[str, Any], keep: Keep) -> str:
    """Run the failed task instances of an incident (a row of `incident`) again; what was done, for people.

    Raises: ConfigError when the API does not let us; RetriableError when it is away.
    """
    if not has_api():
        return _reset_runs(incident, keep)
    with api_session("to run the failed tasks again") as client:
        ids = _ids(client, incident, keep)
        left = [each for each in _failed(client, incident) if ids.get(_key(each)) == each["id"]]
        runs = _by_run(left)
        cleared = sum(_clear(client, run, members) for run, members in runs.items())
    if not left:
        return "nothing to clear: the task instances were cleared before, or did not fail any more"
    return f"cleared {cleared} task instance(s) in {len(runs)} run(s)"


def count_as_done(incident: Mapping[str, Any], person: str) -> str:
    """Let the task instances that failed, or wait to try again, count as successful; what was done.

    What waits for them goes on. Their note says who decided it. Raises: as `run_again`, and ConfigError without a
    connection to the API.
    """
    note = f"skipped by {person}: its work was not done (incident {incident['id']})"
    with api_session("to skip the failed tasks") as client:
        left = _failed(client, incident, (*_FAILED, *_TRYING_ON))
        for each in left:
            path = instance_path(each["dag_id"], each["dag_run_id"], each["task_id"], each["map_index"])
            done = client.patch(path, json={"new_state": "success", "note": note})
            if done.status_code != 409:  # it has this state already
                done.raise_for_status()
    return f"skipped {len(left)} task instance(s): they count as successful without their work"


def _ids(client: httpx.Client, incident: Mapping[str, Any], keep: Keep) -> Mapping[str, str]:
    """The ids that the failed task instances had before anything was done."""
    known: Mapping[str, str] | None = incident["progress"].get("instances")
    if known is None:
        known = {_key(each): each["id"] for each in _failed(client, incident)}
        keep("instances", known)
    return known


def _failed(
    client: httpx.Client, incident: Mapping[str, Any], states: Sequence[str] = _FAILED
) -> list[Mapping[str, Any]]:
    """The task instances of the incident that are failed now, or in one of `states`, as the API tells them.

    An answer can come before the failing task's process has ended: what runs is given a moment.
    """
    deadline = time.monotonic() + _ENDING_SECONDS
    while True:
        found = list(_present(client, incident))
        if time.monotonic() > deadline or not any(each["state"] == "running" for each in found):
            return [each for each in found if each["state"] in states]
        time.sleep(1)


def _present(client: httpx.Client, incident: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in incident["affected"]:
        path = instance_path(each["dag_id"], each["run_id"], each["task_id"], each["map_index"])
        found = client.get(path)
        if found.status_code == 404:  # the run was deleted, or the Dag changed
            _log.warning("there is no such task instance any more: %s", path)
            continue
        yield found.raise_for_status().json()


def _by_run(instances: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    runs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in instances:
        runs.setdefault((each["dag_id"], each["dag_run_id"]), []).append(each)
    return runs


def _clear(client: httpx.Client, run: tuple[str, str], members: Sequence[Mapping[str, Any]]) -> int:
    from urllib.parse import quote

    dag_id, run_id = run
    body = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": [
            each["task_id"] if each["map_index"] < 0 else [each["task_id"], each["map_index"]] for each in members
        ],
        "only_failed": True,
        "include_downstream": True,
        "reset_dag_runs": True,
        "note": _NOTE,
    }
    done = client.post(f"/api/v2/dags/{quote(dag_id, safe='')}/clearTaskInstances", json=body)
    return int(done.raise_for_status().json()["total_entries"])


def _key(instance: Mapping[str, Any]) -> str:
    return "/".join(str(instance[name]) for name in ("dag_id", "dag_run_id", "task_id", "map_index"))


def _reset_runs(incident: Mapping[str, Any], keep: Keep) -> str:
    """Reset every run as a whole, each once: one whose reset was begun before is only reset when it is still failed."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import TriggerDagRun

    runs = sorted({(each["dag_id"], each["run_id"]) for each in incident["affected"]})
    begun: list[str] = list(incident["progress"].get("runs_reset", ()))
    count = 0
    for dag_id, run_id in runs:
        name = f"{dag_id}/{run_id}"
        if name in begun and not _is_failed(incident, dag_id, run_id):
            continue
        begun = list(dict.fromkeys([*begun, name]))
        keep("runs_reset", begun)
        request = TriggerDagRun(dag_id=dag_id, run_id=run_id, conf={}, reset_dag_run=True)
        task_runner.SUPERVISOR_COMMS.send(request)
        count += 1
    return f"reset {count} run(s) as a whole"


def _is_failed(incident: Mapping[str, Any], dag_id: str, run_id: str) -> bool:
    """Whether a task of the incident is failed in a run, as the supervisor tells."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    tasks = {each["task_id"] for each in incident["affected"] if (each["dag_id"], each["run_id"]) == (dag_id, run_id)}
    states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, run_ids=[run_id], task_ids=sorted(tasks))
    return any(state in _FAILED for state in states.get(run_id, {}).values())
