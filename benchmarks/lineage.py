"""What lineage costs a task: none of it, the file, the file while a backend behind the shipper is dead, and a dead
backend that the task itself talks to.

Run with `python benchmarks/lineage.py [tasks] [rounds]`. Airflow runs a Dag of tasks that do nothing but tell lineage
of one table with fifty columns; the wall time of a run counts, divided by its tasks, best of the rounds. The dead
backend takes connections and never answers. The last variant is the provider's own HTTP transport as it is by default.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from groundwork.transform.lineage_outbox import Outbox
from groundwork.transform.lineage_ship import Backend, ship

_DAG = '''
"""Tasks that only tell lineage."""
from airflow.sdk import DAG
from groundwork.model.lineage import ColumnSource, Dataset, Lineage
from groundwork.operators.operator import GroundworkOperator

class Tell(GroundworkOperator):
    def run(self, context):
        columns = tuple((f"column_{{n}}", "text") for n in range(50))
        source = Dataset(namespace="postgres://db:5432", name="warehouse.raw.wide", columns=columns)
        target = Dataset(namespace="postgres://db:5432", name="warehouse.out.wide", columns=columns, row_count=1)
        made = {{(target.name, name): (ColumnSource(dataset=source, column=name),) for name, _ in columns}}
        self.lineage = Lineage(inputs=(source,), outputs=(target,), column_sources=made)

with DAG("tell", schedule=None) as dag:
    previous = None
    for number in range({tasks}):
        task = Tell(task_id=f"tell_{{number}}", domain="market", step=number)
        previous = previous >> task if previous else task
'''
_RUN = """
import sys, time
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1]).dags["tell"]
started = time.perf_counter()
run = dag.test()
print(f"RESULT {run.state} {time.perf_counter() - started}")
"""


def main(tasks: int = 8, rounds: int = 3) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as name, _dead_backend() as port:
        home = Path(name)
        (home / "dags").mkdir()
        (home / "dags" / "tell.py").write_text(_DAG.format(tasks=tasks), encoding="utf-8")
        outbox = Outbox.of(home)
        outbox.path.parent.mkdir()
        _airflow(home, {}, "-m", "airflow", "db", "migrate")
        file = {"type": "file", "log_file_path": str(outbox.path), "append": True}
        direct = {"type": "http", "url": f"http://127.0.0.1:{port}", "endpoint": "api/v1/lineage"}
        best = dict.fromkeys(("no lineage", "file", "file, dead backend behind the shipper"), float("inf"))
        for _ in range(rounds):
            _keep(best, "no lineage", _seconds(home, {"AIRFLOW__OPENLINEAGE__DISABLED": "True"}, tasks))
            _keep(best, "file", _seconds(home, _transport(file), tasks))
            with _shipping(outbox, port):
                _keep(best, "file, dead backend behind the shipper", _seconds(home, _transport(file), tasks))
        waiting = outbox.waiting()
        best["dead backend in the task's path"] = _seconds(home, _transport(direct), tasks)
    _say(f"{tasks} tasks, best of {rounds} (the last once), {os.cpu_count()} processors; {waiting} events wait")
    floor = best["no lineage"]
    for what, seconds in best.items():
        _say(f"{what:40} {seconds:7.3f} s a task")
    for what in list(best)[1:]:
        _say(f"ratio to no lineage, {what}: {best[what] / floor:.2f}")
    _say(f"ratio to file: {best['file, dead backend behind the shipper'] / best['file']:.2f}")


def _keep(best: dict[str, float], what: str, seconds: float) -> None:
    best[what] = min(best[what], seconds)


def _transport(transport: Mapping[str, object]) -> dict[str, str]:
    return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport), "AIRFLOW__OPENLINEAGE__NAMESPACE": "bench"}


def _seconds(home: Path, told: Mapping[str, str], tasks: int) -> float:
    output = _airflow(home, told, "-c", _RUN, str(home / "dags"))
    state, seconds = output.rpartition("RESULT ")[2].split()[:2]
    if state != "success":
        raise SystemExit(f"the tasks ended as {state}")
    return float(seconds) / tasks


def _airflow(home: Path, told: Mapping[str, str], *arguments: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    environment = {
        **own,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "GROUNDWORK_HOME": str(home),
        **told,
    }
    done = subprocess.run(
        (sys.executable, *arguments), env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode != 0:
        raise SystemExit((done.stdout + done.stderr)[-3_000:])
    return done.stdout


@contextmanager
def _dead_backend() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield int(server.getsockname()[1])


@contextmanager
def _shipping(outbox: Outbox, port: int) -> Iterator[None]:
    """Ship again and again while the tasks run."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            ship(outbox, Backend(url=f"http://127.0.0.1:{port}", timeout_seconds=0.5))
            ended.wait(0.2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
