"""What ORBT costs a task that succeeds: the same task with `healing()` and without, in Airflow's own task runner.

Each task runs in a process of its own, forked from one that has loaded what a worker of Airflow has, against a real
store. Plain, with ORBT loaded before the fork, and with ORBT loaded by the task's own process take turns; the import of
what a Dag file needs and of the listener counts. Compared are the medians; above the limit the exit code is 1. The
processor's time of the task's process is printed as well: a busy machine disturbs it less. `--beside FOLDER` lets
another checkout's ORBT take its turns, to compare a change with what was before.
"""

# groundwork: allow-file raw_sql,own_engine,own_session a benchmark brings its own server

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 12
LIMIT_MS = 50.0  # what a task that succeeds may cost more
_LEFT_OUT = ("AIRFLOW", "GROUNDWORK", "PYTHONDONTWRITEBYTECODE")  # the first process of a kind keeps its bytecode
_DAG = '''
"""A task that does nothing."""

from datetime import UTC, datetime
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator
{imports}

with DAG("{name}", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC){arguments}) as dag:
    PythonOperator(task_id="nothing", python_callable=lambda: None)
'''
_DAGS = {
    "plain": {"imports": "", "arguments": ""},
    "healed": {
        "imports": "from groundwork.operators.healing import healing",
        "arguments": ", default_args=healing()",
    },
}
_PROGRAM = '''
"""Runs each kind of task in turns, each in a process that is forked for it."""

import importlib, json, os, sys, time, traceback
import airflow.dag_processing.dagbag, airflow.models.dagrun, airflow.sdk.execution_time.supervisor
import airflow.serialization.serialized_objects
import airflow.providers.standard.operators.python
from airflow.sdk.execution_time import task_runner
from airflow.sdk.listener import get_listener_manager

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "dags"))
TREES = json.loads(sys.argv[2])  # whose ORBT it is -> the folder with the package
spent = []


def timed(call):
    def inner(*arguments, **options):
        began = now()
        try:
            return call(*arguments, **options)
        finally:
            spent.append(since(began))
    return inner


def now():
    return time.perf_counter(), time.process_time()


def since(began):
    return [after - before for before, after in zip(began, now())]


def prepare(kind, whose):
    if kind == "plain":
        return
    sys.path.insert(0, TREES[whose])
    if kind == "preloaded":
        import groundwork.operators.tries.preload
    began = now()
    import groundwork.operators.healing
    from groundwork.operators import listener
    spent.append(since(began))
    assert listener.__file__.startswith(TREES[whose]), listener.__file__
    get_listener_manager().add_listener(listener)


def once(kind, whose):
    prepare(kind, whose)
    name = "plain" if kind == "plain" else "healed"
    dag = importlib.import_module(name).dag
    task_runner.run, task_runner.finalize = timed(task_runner.run), timed(task_runner.finalize)
    run = dag.test(logical_date=None)
    assert str(run.state) == "success", run.state
    return [sum(each) for each in zip(*spent)]


def in_a_process(kind, whose):
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            found = once(kind, whose)
            with os.fdopen(writable, "w") as told:
                json.dump(found, told)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writable)
    with os.fdopen(readable) as told:
        found = told.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, "the task's process failed"
    return json.loads(found)


loaded = [name for name in sys.modules if name.partition(".")[0] in ("groundwork", "psycopg", "psycopg2")]
assert not loaded, loaded
found = {"plain": [], **{f"{kind} {whose}": [] for whose in TREES for kind in ("preloaded", "alone")}}
for _ in range(int(sys.argv[1])):
    for name, seconds in found.items():
        kind, _, whose = name.partition(" ")
        seconds.append(in_a_process(kind, whose))
sys.stdout.write("\\nRESULT " + json.dumps(found) + "\\n")
'''


def main() -> int:
    """Run both and print the ratio; exit code 1 when the difference is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS, help="processes of each kind")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="another checkout's folder `plugins`")
    given = parser.parse_args()
    trees = {"this": str(ROOT / "plugins")}
    if given.beside is not None:
        trees["other"] = str(given.beside.resolve(strict=True))
    folder = Path(tempfile.mkdtemp(prefix="groundwork-overhead-"))
    folder.chmod(0o755)
    try:
        found = _measured(folder, given.rounds, trees)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    plain, *_ = medians = {name: _medians(turns) for name, turns in found.items()}
    sys.stdout.write(
        f"a task that does nothing, {given.rounds} processes each, median of its try with its end and the imports it "
        "needs; in brackets the processor's time\n"
    )
    for name, (wall, processor) in medians.items():
        against = "" if name == plain else _against(medians[plain], (wall, processor))
        sys.stdout.write(f"  {_told(name):<46}{wall:8.1f} ms ({processor:.1f}){against}\n")
    sys.stdout.write(f"  limit {LIMIT_MS:.0f} ms\n")
    worst = max(medians["preloaded this"][0], medians["alone this"][0]) - medians[plain][0]
    return 0 if worst <= LIMIT_MS else 1


def _medians(turns: list[list[float]]) -> tuple[float, float]:
    wall, processor = (statistics.median(each) * 1000 for each in zip(*turns, strict=True))
    return wall, processor


def _told(name: str) -> str:
    kind, _, whose = name.partition(" ")
    if not whose:
        return "plain Airflow"
    how = "loaded before the fork" if kind == "preloaded" else "loaded by the task"
    return f"with {whose} checkout's ORBT, {how}".replace("other", "the other")


def _against(plain: tuple[float, float], healed: tuple[float, float]) -> str:
    more, processor = healed[0] - plain[0], healed[1] - plain[1]
    return f"   {more:+.1f} ms ({processor:+.1f}), ratio {healed[0] / plain[0]:.2f}"


def _measured(folder: Path, rounds: int, trees: dict[str, str]) -> dict[str, list[list[float]]]:
    from sqlalchemy import create_engine

    from groundwork.local.postgres import EmbeddedPostgres, free_port
    from groundwork.store.migrate import migrate

    server = EmbeddedPostgres(home=folder / "postgres", port=free_port())
    server.start()
    try:
        with server.connect() as admin:
            admin.execute("CREATE ROLE store LOGIN PASSWORD 'store'")
            admin.execute("CREATE DATABASE store OWNER store")
        url = server.url("store", "store", "store")
        engine = create_engine(url)
        migrate(engine)
        engine.dispose()
        told = _run(folder, url.replace("postgresql+psycopg", "postgres"), rounds, trees)
    finally:
        server.stop("immediate")
        shutil.rmtree(server.place, ignore_errors=True)
    found: dict[str, list[list[float]]] = json.loads(told)
    return found


def _run(folder: Path, address: str, rounds: int, trees: dict[str, str]) -> str:
    (folder / "dags").mkdir()
    program = folder / "overhead.py"
    program.write_text(_PROGRAM, encoding="utf-8")
    for name, parts in _DAGS.items():
        (folder / "dags" / f"{name}.py").write_text(_DAG.format(name=name, **parts), encoding="utf-8")
    shutil.copytree(ROOT / "governance", folder / "governance")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "no-plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW_CONN_WAREHOUSE": address,
        "AIRFLOW_CONN_GROUNDWORK_STORE": address,
        "GROUNDWORK_PROJECT": str(folder),
        "GROUNDWORK_HOME": str(folder / "home"),
    }
    for command in (("-m", "airflow", "db", "migrate"), (str(program), str(rounds), json.dumps(trees))):
        done = subprocess.run(
            (sys.executable, *command), env=environment, capture_output=True, text=True, timeout=3600, check=False
        )
        if done.returncode != 0:
            sys.stderr.write(done.stdout[-3000:] + done.stderr[-3000:])
            raise SystemExit(2)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return line.removeprefix("RESULT ")


if __name__ == "__main__":
    sys.exit(main())
