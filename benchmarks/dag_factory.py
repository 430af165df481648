"""Dags from a thousand contracts against a thousand Dags of the same tasks by hand, both through Airflow's DagBag.

Run with `python benchmarks/dag_factory.py [contracts] [columns]`. Contracts and the file of Dags are written into a
temporary folder, every reading happens in a process of its own, as in Airflow, and only the DagBag is timed: `cold` has
nothing kept of an earlier reading, `warm` finds what the reading before kept, `changed` has one changed contract. The
best of three rounds counts for warm, changed and by hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_ROUNDS = 3
_BUDGET_SECONDS = 10.0
_SCRIPT = """
import sys, time
import airflow.sdk, airflow.providers.standard.operators.hitl
from airflow.dag_processing.dagbag import DagBag
import groundwork.operators.integration
started = time.perf_counter()
bag = DagBag(sys.argv[1])
seconds = time.perf_counter() - started
assert not bag.import_errors, bag.import_errors
print(f"RESULT {len(bag.dags)} {seconds}")
"""
_BY_HAND = '''
"""Airflow Dags by hand."""
from airflow.sdk import DAG, Param
from groundwork.operators.assets import table_asset
from groundwork.operators.pipelines.tasks import (
    AnnounceTableOperator, CheckSourceOperator, LoadTableOperator, ValidateTableOperator,
)
from groundwork.operators.retry_policy import StrikePolicy

for number in range({count}):
    with DAG(
        dag_id=f"load_wide__table_{{number}}", schedule="@daily", catchup=False, max_active_runs=1,
        tags=["groundwork", "load", "wide"], doc_md="A table.",
        params={{
            "window_start": Param("", type="string"), "window_end": Param("", type="string"),
            "full_refresh": Param(default=False, type="boolean"), "dry_run": Param(default=False, type="boolean"),
        }},
        default_args={{"owner": "team", "retries": 2, "retry_policy": StrikePolicy()}},
    ) as dag:
        shared = {{"domain": "wide", "table": f"wide.table_{{number}}"}}
        (
            CheckSourceOperator(task_id="check", **shared) >> LoadTableOperator(task_id="load", **shared)
            >> ValidateTableOperator(task_id="validate", **shared)
            >> AnnounceTableOperator(task_id="announce", loaded_by="load", **shared)
        )
    globals()[dag.dag_id] = dag
'''
_CONTRACT = """apiVersion: v3.2.0
kind: DataContract
id: wide-{number}
name: Table {number}
version: 1.0.0
status: active
domain: wide
team: {{name: team-{team}}}
slaProperties: [{{property: freshness, element: table_{number}, value: 1, unit: d}}]
schema:
  - name: table_{number}
    physicalType: table
    description: Made for a measurement.
    customProperties:
      - property: source
        value: {{kind: file, path: data/{number}.csv, format: csv, schedule: "@daily",
          watermark: {{column: changed_on}}}}
    properties:
      - {{name: table_{number}_id, logicalType: integer, physicalType: bigint, primaryKey: true, primaryKeyPosition: 1,
          required: true, classification: internal, description: The key.}}
      - {{name: changed_on, logicalType: date, physicalType: date, required: true, classification: internal}}
"""
_COLUMN = """      - name: column_{column}
        logicalType: string
        physicalType: varchar(40)
        required: true
        classification: internal
        description: What {column} holds.
"""


def _contract(folder: Path, number: int, columns: int, note: str = "") -> None:
    text = _CONTRACT.format(number=number, team=number % 9)
    text += "".join(_COLUMN.format(column=column) for column in range(columns - 2))
    (folder / f"table_{number:04}.odcs.yaml").write_text(text + note, encoding="utf-8")


def _seconds(project: Path, file: Path, count: int) -> float:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    told = {
        "AIRFLOW_HOME": str(project / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
        "GROUNDWORK_PROJECT": str(project),
        "GROUNDWORK_HOME": str(project / "home"),
    }
    done = subprocess.run(
        (sys.executable, "-c", _SCRIPT, str(file)), env={**own, **told}, capture_output=True, text=True, check=True
    )
    found, seconds = done.stdout.rpartition("RESULT ")[2].split()
    if int(found) != count:
        raise SystemExit(f"expected {count} Dags, found {found}")
    return float(seconds)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(count: int = 1000, columns: int = 20) -> None:
    """Measure and print."""
    checkout = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as name:
        project = Path(name)
        contracts = project / "governance" / "contracts" / "wide"
        contracts.mkdir(parents=True)
        for number in range(count):
            _contract(contracts, number, columns)
        by_hand = project / "by_hand.py"
        by_hand.write_text(_BY_HAND.format(count=count), encoding="utf-8")
        ours = checkout / "dags" / "pipelines.py"
        cold = _seconds(project, ours, count)
        warm, changed, peer = [], [], []
        for turn in range(_ROUNDS):
            warm.append(_seconds(project, ours, count))
            _contract(contracts, 0, columns, f"# {turn}\n")
            changed.append(_seconds(project, ours, count))
            peer.append(_seconds(project, by_hand, count))
    _say(f"{count} contracts of {columns} columns, {os.cpu_count()} processors")
    for word, seconds in (("cold", cold), ("warm", min(warm)), ("one changed", min(changed)), ("by hand", min(peer))):
        _say(f"{word:<12} {seconds:6.2f} s  {1000 * seconds / count:6.2f} ms per Dag")
    _say(f"within {_BUDGET_SECONDS:.0f} s: {'yes' if cold <= _BUDGET_SECONDS else 'no'}")
    _say(f"ratio to Dags by hand: {min(warm) / min(peer):.2f}")
    _say(f"ratio to Dags by hand, cold: {cold / min(peer):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
