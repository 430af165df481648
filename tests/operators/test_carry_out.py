"""Each answer carried out on a real store: what is done, once, and what is told."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from groundwork.model.fault import Alternative, AlternativeKind, Answer, TaskTry
from groundwork.store.admission import admit
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.strike import STRIKE, Strikes
from tests.fix_postgres import Database
from tests.operators.fix_escalation import Api, decide, failed_task
from tests.store.test_breaker import arguments

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_NO_MORE = "tables: {}\nreaders: []\nresponses: {max_age_hours: 72}\n"


def test_retry_clears_exactly_what_failed(store: Engine, incident_id: str, api: Api) -> None:
    mapped = failed_task(map_index=4)
    mapped.task.retry_policy.respond(ConnectionResetError("gone"), mapped, has_try_left=False)
    healthy = failed_task(map_index=5)
    healthy.task.retry_policy.respond(ConnectionResetError("gone"), healthy, has_try_left=False)
    api.failed(), api.failed(4), api.failed(5).update(state="success")
    assert decide(incident_id, "retry") == "cleared 2 task instance(s) in 1 run(s)"
    (path, body) = next((path, body) for method, path, body in api.calls if method == "POST")
    assert path == "/api/v2/dags/load/clearTaskInstances"
    assert body["dag_run_id"] == "r 1"
    assert body["task_ids"] == ["prices", ["prices", 4]]
    assert (body["dry_run"], body["only_failed"], body["include_downstream"]) == (False, True, True)
    row = Incidents(store).get(uuid.UUID(incident_id))
    assert row["state"] == "answered", "it is resolved when the task succeeds"
    assert row["settled_at"] is not None
    assert any("cleared 2" in entry["what"] for entry in row["timeline"])


def test_an_answer_is_carried_out_once_though_the_task_is_tried_again(
    store: Engine, incident_id: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right after Airflow had cleared: the next try finds other ids and leaves alone what failed again."""
    from groundwork.operators.incidents import task_instances
    from groundwork.operators.incidents.escalation import carry_out

    api.failed()
    clear = task_instances._clear

    def dies(*arguments: Any) -> int:
        clear(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(task_instances, "_clear", dies)
        with pytest.raises(KeyboardInterrupt):
            decide(incident_id, "retry")
    api.failed().update(state="failed")  # the cleared instance failed again meanwhile, which is another incident
    assert "cleared before" in carry_out(incident_id)
    assert "cleared before" in carry_out(incident_id)
    assert sum(method == "POST" for method, _, _ in api.calls) == 1


def test_skip_lets_what_waits_go_on_and_says_who_decided(store: Engine, incident_id: str, api: Api) -> None:
    api.failed()
    assert "skipped 1 task instance(s)" in decide(incident_id, "skip")
    (body,) = [body for method, _, body in api.calls if method == "PATCH"]
    assert body["new_state"] == "success"
    assert "skipped by person:ann" in body["note"]
    row = Incidents(store).get(uuid.UUID(incident_id))
    assert row["state"] == "resolved"
    assert sum("skipped 1" in entry["what"] for entry in row["timeline"]) == 1, "it is told once, by who decided"


def test_a_remedy_runs_once_before_the_tasks_run_again(store: Engine, incident_id: str, api: Api) -> None:
    from groundwork.operators.incidents.escalation import carry_out

    api.failed()
    done = decide(incident_id, "run_remedy", remedy="refresh_credentials")
    assert "refresh_credentials ran: logged in anew" in done
    assert done.endswith("cleared 1 task instance(s) in 1 run(s)")
    assert carry_out(incident_id) == done
    row = Incidents(store).get(uuid.UUID(incident_id))
    assert row["answer_details"] == {"remedy": "refresh_credentials"}
    assert sum("refresh_credentials ran" in entry["what"] for entry in row["timeline"]) == 1


def test_a_remedy_that_nobody_knows_gives_way_to_the_usual_one(store: Engine, incident_id: str, api: Api) -> None:
    api.failed()
    assert "reset_connections ran" in decide(incident_id, "run_remedy", remedy="drop_everything")


def test_retry_without_any_alternative_says_so_and_retries(store: Engine, incident_id: str, api: Api) -> None:
    api.failed()
    assert decide(incident_id, "retry_on_alternative").startswith("no alternative works now; cleared 1")


def test_a_declared_alternative_is_offered_while_it_works_and_the_next_try_runs_on_it(
    store: Engine, database: Database, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.incidents.incident_means import means_of
    from groundwork.operators.retry_policy import StrikePolicy, forget_engines
    from groundwork.orbt.incidents.escalation import offered
    from groundwork.store.alternative import Alternatives

    project = tmp_path / "project"
    shutil.copytree(Path(__file__).parents[2] / "governance", project / "governance")
    declared = "kind: alternatives\nversion: 1.0.0\nconnections: {warehouse: {fallback: spare}}\n"
    (project / "governance" / "policies" / "alternatives.yaml").write_text(declared + _NO_MORE, encoding="utf-8")
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(project))
    monkeypatch.setenv("AIRFLOW_CONN_SPARE", database.url.replace("postgresql+psycopg", "postgres"))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"postgres://a:b@127.0.0.1:1/{database.name}")
    forget_engines()
    instance = failed_task()
    instance.task.retry_policy.respond(ConnectionResetError("gone"), instance, has_try_left=False)
    (incident,) = Incidents(store).latest()
    api.failed()
    means = means_of(incident, Strikes(store).of_incident(incident), StrikePolicy().responder())
    assert Answer.RETRY_ON_ALTERNATIVE in offered(incident, means)
    assert "run the next try on `spare`" in means.alternatives[0]
    done = decide(str(incident["id"]), "retry_on_alternative")
    assert "the next try runs on `spare`" in done
    assert done.endswith("cleared 1 task instance(s) in 1 run(s)")
    task_try = TaskTry(dag_id="load", run_id="r 1", task_id="prices", try_number=3)
    (row,) = Alternatives(store).of(task_try)
    assert (row["kind"], row["names"], row["instead"], row["ended_at"]) == ("fallback", "warehouse", "spare", None)


def test_retry_is_on_the_first_choice_again(store: Engine, incident_id: str, api: Api) -> None:
    """Both what was kept and what only a strike tells of; another task instance keeps its own."""
    from groundwork.operators.incidents.escalation import carry_out
    from groundwork.store.alternative import Alternatives

    kept = Alternative(kind=AlternativeKind.REPLICA, names="warehouse", instead="copy", reason="test")
    told = Alternative(kind=AlternativeKind.CACHED_RESPONSE, names="api", instead="responses/x", reason="test")
    last = TaskTry(dag_id="load", run_id="r 1", task_id="prices", try_number=3)
    other = replace(last, task_id="other")
    for each in (replace(last, try_number=1), other):
        Alternatives(store).keep(each, kept)
    remedies = [{"remedy": "serve_cached_response", "is_done": True, "alternative": asdict(told)}]
    with store.begin() as connection:
        connection.execute(update(STRIKE).values(remedies=remedies, outcome="failed_again"))
    following = replace(last, try_number=4)
    assert len(admit(arguments(store), following, ()).alternatives) == 2
    api.failed()
    assert decide(incident_id, "retry") == (
        "on `warehouse` again, not the replica `copy`; on `api` again, not the cached response `responses/x`; "
        "cleared 1 task instance(s) in 1 run(s)"
    )
    assert admit(arguments(store), following, ()).alternatives == ()
    assert {row["ended_because"] for row in Alternatives(store).of(last)} == {"person:ann answered `retry`"}
    assert admit(arguments(store), replace(other, try_number=4), ()).alternatives == (kept,)
    Alternatives(store).keep(last, kept)
    carry_out(incident_id)
    assert admit(arguments(store), following, ()).alternatives == (kept,), "what is chosen afterwards stays"


def test_silence_lasts_as_long_as_was_said_and_is_ended_by_the_sweep(store: Engine, incident_id: str) -> None:
    from groundwork.operators.incidents import escalation_sweep

    assert decide(incident_id, "silence", hours=2).startswith("silenced until")
    incidents, known = Incidents(store), uuid.UUID(incident_id)
    row = incidents.get(known)
    assert row["state"] == "answered"
    assert 1.9 < (row["silenced_until"] - row["answered_at"]).total_seconds() / 3600 < 2.1
    again = failed_task(map_index=7)
    again.task.retry_policy.respond(ConnectionResetError("gone"), again, has_try_left=False)
    assert len(incidents.latest()) == 1
    incidents.silence(known, utc_now() - timedelta(seconds=1), "person:ann")
    assert escalation_sweep._end_silences(incidents) == 1
    assert "1 strike(s) were counted" in incidents.get(known)["timeline"][-1]["what"]


@pytest.mark.parametrize("hours", [-1, 0, 10_000, "soon"])
def test_hours_that_make_no_sense_become_the_usual_ones(store: Engine, incident_id: str, hours: object) -> None:
    decide(incident_id, "silence", hours=hours)
    row = Incidents(store).get(uuid.UUID(incident_id))
    assert 3.9 < (row["silenced_until"] - row["answered_at"]).total_seconds() / 3600 < 4.1
