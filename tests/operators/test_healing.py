"""What stands before a try and what follows it, on a real store: breakers, alternatives, tries that nobody told of."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from groundwork.model.fault import Alternative, AlternativeKind, statement_digest
from groundwork.store.admission import admit
from groundwork.store.alternative import Alternatives
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.strike import Strikes
from tests.operators.fix_tries import Task, a_try, begin, fail, gone, instance, migrated, states, store
from tests.store.test_breaker import arguments

__all__ = ["migrated", "store"]
pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_RULE = BreakerRule(threshold=1, cool_down_seconds=30)


def test_a_try_goes_when_nothing_is_known(store: Engine) -> None:
    assert begin(instance()) is None


def test_an_open_breaker_lets_the_task_wait_until_the_cool_down_ends(store: Engine) -> None:
    Breakers(store).failed("connection:shop", by="x", rule=_RULE, reason="gone")
    seconds = begin(instance())
    assert seconds is not None
    assert 0 < seconds <= 30
    assert begin(instance(conn_id="copy")) is None, "another connection is not concerned"


def test_a_task_that_comes_back_from_its_trigger_is_not_held(store: Engine) -> None:
    Breakers(store).hold("connection:shop", "maintenance")
    found = instance()
    found._ti_context_from_server = SimpleNamespace(next_method="execute_complete")
    assert begin(found) is None


def test_a_store_that_is_away_lets_every_try_go(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.operators import connections

    with monkeypatch.context() as away:
        away.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", "postgres://nobody:none@127.0.0.1:1/none")
        assert begin(instance()) is None
        assert begin(instance(2)) is None
        connections.engine.cache_clear()


def test_failures_of_the_driver_count_against_its_own_target_only(store: Engine) -> None:
    fail(instance(), gone())
    assert states(store) == {"connection:shop": ("closed", 1)}
    fail(instance(2), ConnectionResetError("of nobody knows whom"))
    fail(instance(3), psycopg.errors.UniqueViolation("of the data"))
    assert states(store) == {"connection:shop": ("closed", 1)}
    assert [row["circumstances"]["target"] for row in Strikes(store).latest()] == ["shop"] * 3


def test_an_api_that_a_task_calls_is_not_its_database(store: Engine) -> None:
    import httpx

    error = httpx.ConnectTimeout("slow", request=httpx.Request("GET", "https://api.example.com/v1?key=secret"))
    fail(instance(), error)
    assert states(store) == {"source:https://api.example.com": ("closed", 1)}
    (row,) = Strikes(store).latest()
    assert row["circumstances"]["target"] == "source:https://api.example.com"
    Breakers(store).hold("source:https://api.example.com", "told to wait")
    assert begin(instance(2)) == pytest.approx(300, abs=120), "the next try knows what the last one used"
    assert begin(instance(1, task_id="other")) is None


def test_the_probe_closes_the_breaker_by_its_success(store: Engine) -> None:
    from groundwork.operators.listener import on_task_instance_success

    Breakers(store).failed("connection:shop", by="x", rule=_RULE, reason="gone")
    with store.begin() as connection:
        connection.execute(text("UPDATE groundwork.breaker SET retry_at = now()"))
    probe = instance()
    assert begin(probe) is None
    on_task_instance_success(None, probe)
    assert states(store) == {"connection:shop": ("closed", 0)}


def test_the_probe_that_fails_of_itself_gives_its_place_away(store: Engine) -> None:
    Breakers(store).failed("connection:shop", by="x", rule=_RULE, reason="gone")
    with store.begin() as connection:
        connection.execute(text("UPDATE groundwork.breaker SET retry_at = now()"))
    probe = instance()
    assert begin(probe) is None
    fail(probe, KeyError("a mistake of its own"))
    assert begin(instance(task_id="next")) is None, "the next one is the probe"
    assert states(store) == {"connection:shop": ("half_open", 1)}


def _keep(store: Engine, kind: AlternativeKind, names: str, instead: str) -> None:
    Alternatives(store).keep(a_try(1), Alternative(kind=kind, names=names, instead=instead, reason="it is there"))


def test_the_next_try_runs_on_what_stands_in_hooks_of_others_too(store: Engine) -> None:
    from airflow.sdk import Connection

    from groundwork.operators import connections

    _keep(store, AlternativeKind.FALLBACK, "shop", "copy")
    Breakers(store).hold("connection:shop", "gone")
    found = instance(2)
    assert begin(instance(1)) is not None, "the try that chose it does not run on it"
    assert begin(found) is None, "the breaker of the first choice does not hold it"
    assert Connection.get("shop").host == "localhost"
    assert connections.engine("shop").url.host == "localhost"
    assert "fallback `copy` instead of `shop`" in found.told["runs_on"]
    assert Alternatives(store).of(a_try(2))[0]["ran_in_try"] == 2

    fail(found, gone())
    assert Connection.get("shop").host == "127.0.0.1", "remedies look at the first choice itself"
    assert states(store)["connection:copy"] == ("closed", 1), "what failed is what it ran on"
    assert Strikes(store).latest()[0]["circumstances"]["target"] == "copy"
    assert begin(instance(1, task_id="other", conn_id="copy")) is None
    assert Connection.get("shop").host == "127.0.0.1"


def test_an_alternative_that_is_not_there_leaves_the_first_choice(store: Engine) -> None:
    from airflow.sdk import Connection

    _keep(store, AlternativeKind.REPLICA, "shop", "nowhere")
    found = instance(2)
    assert begin(found) is None
    assert Connection.get("shop").host == "127.0.0.1"
    assert found.told == {}


def test_alternatives_end_with_the_success_of_the_task(store: Engine) -> None:
    from airflow.sdk import Connection

    from groundwork.operators.listener import on_task_instance_success

    _keep(store, AlternativeKind.FALLBACK, "shop", "copy")
    found = instance(2)
    begin(found)
    on_task_instance_success(None, found)
    assert Connection.get("shop").host == "127.0.0.1"
    assert Alternatives(store).of(a_try(2))[0]["ended_because"] == "the task succeeded"
    begin(instance(3))
    assert Connection.get("shop").host == "127.0.0.1"


def test_a_statement_is_replaced_when_it_is_the_one_that_failed(store: Engine) -> None:
    _keep(store, AlternativeKind.STATEMENT, statement_digest("SELECT slow"), "SELECT quick")
    found, other = instance(2, sql="SELECT\n  slow"), instance(2, sql="SELECT something else")
    begin(found)
    begin(other)
    assert (found.task.sql, other.task.sql) == ("SELECT quick", "SELECT something else")
    placed = instance(2, sql=["SELECT slow"], parameters=(1,))
    begin(placed)
    assert (placed.task.sql, placed.task.parameters) == ("SELECT quick", None), "what stands in has no place for it"


def test_alternatives_wait_on_this_machine_while_the_store_is_away(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import Connection

    from groundwork.operators import connections
    from groundwork.orbt.tries.waiting_alternatives import WaitingAlternatives

    there = Alternative(kind=AlternativeKind.FALLBACK, names="shop", instead="copy", reason="it is there")
    WaitingAlternatives(tmp_path).add(a_try(1), there)
    with monkeypatch.context() as away:
        away.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", "postgres://nobody:none@127.0.0.1:1/none")
        connections.engine.cache_clear()
        assert begin(instance(2)) is None
        assert Connection.get("shop").host == "localhost"
        connections.engine.cache_clear()
    assert begin(instance(2)) is None
    assert Connection.get("shop").host == "localhost"
    assert [row["instead"] for row in Alternatives(store).of(a_try(2))] == ["copy"]
    assert WaitingAlternatives(tmp_path).of(a_try(2)) == []


def test_an_alternative_that_only_its_strike_tells_of_counts(store: Engine) -> None:
    fail(instance(), gone())
    told = [{"remedy": "use_fallback", "is_done": True, "report": "",
             "alternative": {"kind": "fallback", "names": "shop", "instead": "copy", "reason": "there"}}]  # fmt: skip
    with store.begin() as connection:
        connection.execute(text("UPDATE groundwork.strike SET remedies = CAST(:r AS jsonb)"), {"r": json.dumps(told)})
    assert [each.instead for each in admit(arguments(store), a_try(2), []).alternatives] == ["copy"]
    Alternatives(store).keep(
        a_try(1), Alternative(kind=AlternativeKind.FALLBACK, names="shop", instead="copy", reason="x")
    )
    Alternatives(store).end(a_try(1), "a person said so")
    assert admit(arguments(store), a_try(2), []).alternatives == (), "once it was kept, its row counts"


def test_a_try_that_nobody_told_of_gets_its_strike_once(store: Engine) -> None:
    begin(instance(1))
    begin(instance(2))
    begin(instance(2))
    rows = Strikes(store).latest()
    assert [(row["try_number"], row["fault_class"]) for row in rows] == [(1, "worker_lost")]
    assert "process" in rows[0]["message"]


def test_tries_before_a_person_cleared_the_task_are_not_lost(store: Engine) -> None:
    begin(instance(3, max_tries=4))
    assert Strikes(store).latest() == []
    begin(instance(4, max_tries=4))
    assert [row["try_number"] for row in Strikes(store).latest()] == [3]


def test_memory_that_ran_out_is_told(store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.operators.tries import lost_tries, marks

    group = tmp_path / "groups" / "worker"
    group.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("0::/worker\n", encoding="utf-8")
    monkeypatch.setattr(marks, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(marks, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(lost_tries, "_KERNEL_LOG", tmp_path / "no kernel log")
    (group / "memory.events").write_text("oom 1\noom_kill 1\n", encoding="utf-8")
    begin(instance(1))
    (group / "memory.events").write_text("oom 2\noom_kill 2\n", encoding="utf-8")
    begin(instance(2))
    (row,) = Strikes(store).latest()
    assert row["fault_class"] == "resource_exhaustion"
    assert "out of memory" in row["message"]
    assert row["circumstances"]["target"].startswith("worker:")


def test_the_hook_stands_beside_a_tasks_own(store: Engine) -> None:
    from airflow.sdk import DAG, BaseOperator

    from groundwork.operators.healing import HealingMixin, before_try, healing
    from groundwork.operators.listener import on_task_instance_running
    from groundwork.operators.retry_policy import StrikePolicy

    called: list[str] = []

    class Mine(HealingMixin, BaseOperator):
        """An operator of somebody."""

    with DAG("plain"):
        mine, strong = Mine(task_id="mine"), Mine(task_id="strong", retries=7)
        hooked = Mine(task_id="hooked", pre_execute=lambda _: called.append("theirs"))
    assert isinstance(mine.retry_policy, StrikePolicy)
    assert (mine.retries, strong.retries) == (2, 7)
    assert mine._pre_execute_hook is before_try

    with DAG("healed", default_args=healing(retries=5)):
        plain = BaseOperator(task_id="plain")
        own = BaseOperator(task_id="own", pre_execute=lambda _: called.append("own"))
        mapped = BaseOperator.partial(task_id="mapped").expand(doc_md=["one", "two"])
    assert (plain.retries, plain._pre_execute_hook) == (5, before_try)
    assert mapped.partial_kwargs["pre_execute"] is before_try
    found = instance()
    for task in (hooked, own):
        found.task = task
        on_task_instance_running(None, found)
        on_task_instance_running(None, found)
        hook: Any = task._pre_execute_hook
        hook({"ti": found})
    assert called == ["theirs", "own"], "each once"


def test_what_was_redirected_ends_with_the_try_even_where_its_beginning_broke(store: Engine) -> None:
    from airflow.sdk import Connection

    from groundwork.operators.tries import redirection

    assert redirection.redirect("shop", "copy")
    assert Connection.get("shop").host == "localhost"
    assert begin(instance(1, task_id="next")) is None
    assert Connection.get("shop").host == "127.0.0.1"
    assert redirection.redirected() == {}


@pytest.mark.parametrize("way", ["the task's own", "healing"])
def test_a_first_try_waits_for_an_address_that_the_task_names(store: Engine, way: str) -> None:
    from groundwork.operators.healing import healing

    address = "https://ann:secret@rates.example.com:443/v1?key=1"
    named: dict[str, Any] = {"source_connections": lambda: (address,)}
    if way == "healing":
        named = {"retry_policy": healing(sources=[address])["retry_policy"]}
    Breakers(store).failed("source:https://rates.example.com", by="x", rule=_RULE, reason="gone")
    assert begin(instance(**named)) is not None
    assert begin(instance()) is None, "a task that does not name it is not concerned"


_OWN = "SELECT * FROM shop.orders WHERE code = %(code)s"


@pytest.mark.parametrize(
    ("attributes", "is_told"),
    [
        ({"sql": _OWN}, True),
        ({"sql": [_OWN]}, True),
        ({"sql": [_OWN, "SELECT 1"]}, False),
        ({"sql": "SELECT {{ ds }}"}, False),
        ({"sql": _OWN, "connection_id": "warehouse", "conn_id": None}, True),
        ({"sql": _OWN, "conn_id": None, "from_conn_id": "shop", "to_conn_id": "copy"}, False),
        ({}, False),
    ],
    ids=["string", "list of one", "two", "not rendered", "another name", "which of two", "none"],
)
def test_remedies_are_handed_the_operators_own_statement(
    store: Engine, monkeypatch: pytest.MonkeyPatch, attributes: dict[str, Any], is_told: bool
) -> None:
    from groundwork.orbt.remedies.run import run

    scenes: list[Any] = []

    def looked_at(name: str, scene: Any) -> Any:
        scenes.append(scene)
        return run(name, scene)

    monkeypatch.setattr("groundwork.orbt.response.run", looked_at)
    error = psycopg.errors.QueryCanceled("canceling statement due to statement timeout")
    fail(instance(**attributes, parameters={"code": "a b"}), error)
    assert scenes
    expected = (_OWN, {"code": "a b"}) if is_told else (None, None)
    assert {(each.statement, str(each.parameters)) for each in scenes} == {(expected[0], str(expected[1]))}
    (row,) = Strikes(store).latest()
    assert "a b" not in str(row), "values of parameters are not kept"


def test_the_statement_of_one_connection_is_not_the_failure_of_another() -> None:
    from groundwork.operators.tries.own_statement import own_statement

    task = Task(sql="SELECT 1", conn_id="shop", parameters=())
    found = own_statement(task, "connection:shop", "warehouse")
    assert found is not None
    assert (found.statement, found.parameters) == ("SELECT 1", None), "no parameters, as hooks send it"
    assert own_statement(task, "connection:copy", "warehouse") is None
    assert "SELECT" not in repr(found)
