"""What a first try that succeeds loads, in a process of its own: little, and nothing where it was loaded before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from ruamel.yaml import YAML
from sqlalchemy import Engine

from groundwork.store.admission import admit
from groundwork.store.breaker import BreakerRule, Breakers
from tests.operators.fix_tries import a_try, migrated, store
from tests.patience import PROCESS_SECONDS
from tests.store.test_breaker import arguments

__all__ = ["migrated", "store"]
pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_ROOT = Path(__file__).parents[2]
_RULE = BreakerRule(threshold=1, cool_down_seconds=30)


def test_what_tasks_are_forked_from_loads_what_stands_before_each_try() -> None:
    program = (
        "import sys; from groundwork.operators import listener\n"
        "assert 'groundwork.store.admission' not in sys.modules\n"
        "listener.on_starting(type('TaskRunnerMarker', (), {})())\n"
        "assert 'groundwork.store.admission' not in sys.modules, 'a task loads only what it needs'\n"
        "listener.on_starting(object())\n"
        "assert 'psycopg2' in sys.modules and 'groundwork.store.admission' in sys.modules\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", program), capture_output=True, text=True, timeout=PROCESS_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_worker_of_celery_loads_it_before_it_forks(tmp_path: Path) -> None:
    compose = YAML(typ="safe").load((_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    told = compose["x-airflow"]["environment"]["AIRFLOW__CELERY__EXTRA_CELERY_CONFIG"]
    program = (
        "import sys; from airflow.providers.celery.executors.celery_executor import app\n"
        "assert 'groundwork.store.admission' not in sys.modules\n"
        "app.loader.init_worker()\n"  # what `celery worker` does before its pool forks
        "from groundwork.operators.tries.preload import BEFORE_EACH_TRY\n"
        "assert sys.modules.keys() >= set(BEFORE_EACH_TRY), BEFORE_EACH_TRY\n"
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": told}
    done = subprocess.run(
        (sys.executable, "-c", program),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PROCESS_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


_HEAVY = {"sqlalchemy", "alembic", "psycopg", "pglast", "sqlglot", "ruamel", "yaml", "pandas", "duckdb"}
_ONLY_LATER = {  # what only a failure, or a try after one, needs
    "groundwork.model.alternative",
    "groundwork.model.fault",
    "groundwork.operators.tries.circumstances",
    "groundwork.operators.tries.lost_tries",
    "groundwork.operators.tries.redirection",
    "groundwork.operators.tries.standing_in",
    "groundwork.operators.tries.try_end",
    "groundwork.orbt.patterns",
    "groundwork.store.base",
}
_SUCCEEDS = f"""
import sys
from types import SimpleNamespace
import airflow.sdk.execution_time.task_runner
from airflow.sdk import DAG, BaseOperator
heavy = {_HEAVY!r}
for name in [name for name in sys.modules if name.partition(".")[0] in heavy]:
    del sys.modules[name]  # where Airflow has loaded it, that it is asked for again would not show
from groundwork.operators import listener
from groundwork.operators.healing import healing
with DAG("d", default_args=healing(sources=["https://rates.example.com/v1"])):
    task = BaseOperator(task_id="load")
instance = SimpleNamespace(
    dag_id="d", run_id="r", task_id="load", map_index=-1, try_number=1, max_tries=2, task=task
)
listener.on_task_instance_running(None, instance)
task._pre_execute_hook({{"ti": instance}})
listener.on_task_instance_success(None, instance)
assert "groundwork.store.admission" in sys.modules
loaded = sorted(heavy.intersection(name.partition(".")[0] for name in sys.modules))
ours = {_ONLY_LATER!r}.intersection(sys.modules)
assert not loaded and not ours, (loaded, ours)
"""


def test_a_first_try_that_succeeds_loads_nothing_heavy(store: Engine) -> None:
    done = subprocess.run(
        (sys.executable, "-c", _SUCCEEDS), capture_output=True, text=True, timeout=PROCESS_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "unasked" not in done.stdout + done.stderr, "the store was asked"


_PRELOADED = """
import sys
from types import SimpleNamespace
import airflow.sdk.execution_time.supervisor, airflow.sdk.execution_time.task_runner  # as every worker has them
from airflow.sdk import DAG, BaseOperator
import groundwork.operators.tries.preload
from groundwork.operators import listener
from groundwork.operators.healing import healing
with DAG("d", default_args=healing()):
    task = BaseOperator(task_id="load")
instance = SimpleNamespace(
    dag_id="d", run_id="r", task_id="load", map_index=-1, try_number=1, max_tries=2, task=task
)
before = set(sys.modules)
listener.on_task_instance_running(None, instance)
task._pre_execute_hook({"ti": instance})
listener.on_task_instance_success(None, instance)
loaded = sorted(
    name for name in set(sys.modules) - before if name.partition(".")[0] in ("groundwork", "airflow", "psycopg2")
)
assert not loaded, loaded
"""


def test_where_it_was_loaded_before_a_first_try_loads_nothing_more(store: Engine) -> None:
    done = subprocess.run((sys.executable, "-c", _PRELOADED), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "unasked" not in done.stdout + done.stderr, "the store was asked"


def test_a_first_try_without_trouble_asks_no_long_question(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.store import admission

    monkeypatch.setattr(admission, "_ADMIT", "SELECT 'the long one' / 0")
    target = "connection:shop"
    assert admit(arguments(store), a_try(1), [target]) == admission.Admission()
    with pytest.raises(psycopg2.Error):  # an earlier try may have a strike
        admit(arguments(store), a_try(2), [target])
    Breakers(store).failed("connection:other", by="x", rule=BreakerRule(threshold=9, cool_down_seconds=30), reason="-")
    assert admit(arguments(store), a_try(1), [target]) == admission.Admission(), "another's trouble is not its own"
    with pytest.raises(psycopg2.Error):  # it is closed, but counts a failure that a success would forget
        admit(arguments(store), a_try(1), [target, "connection:other"])
