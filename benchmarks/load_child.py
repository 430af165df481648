"""One load of the benchmark `load.py` in a process of its own: told what to do as JSON, it answers in JSON.

The answer has `seconds` of the work without imports, `megabytes` at the peak, and the books.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

_CONTRACTS = Path(__file__).with_name("contracts")


def main() -> None:
    """Do what the first argument says."""
    order = json.loads(sys.argv[1])
    act = {"dlt": _dlt, "pandas": _pandas}.get(order["way"], _ours)
    answer = act(order)
    answer["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(answer) + "\n")


def _ours(order: dict[str, Any]) -> dict[str, Any]:
    import duckdb  # noqa: F401  imports are not counted
    import pyarrow.compute
    import pyarrow.csv  # noqa: F401
    from sqlalchemy import create_engine

    from groundwork.contracts.read import read_domain
    from groundwork.flow.loads import direct
    from groundwork.flow.loads.load import load_table
    from groundwork.flow.loads.parallel import PartedLoad

    way = order["way"]
    domain = read_domain("tpch", _CONTRACTS)
    table = domain.table("lineitem")
    mode = "merge" if way == "merge" else "append"
    table = replace(table, source={**(table.source or {}), "path": order["file"], "mode": mode})
    engine = create_engine(order["url"].replace("postgresql://", "postgresql+psycopg://"))
    project = Path(order["folder"])
    parted = PartedLoad(engine=engine, domain=domain, table=table, project=project, run_id="benchmark", wanted=2)
    if way == "resumable":
        direct.RESUMABLE_BYTES = 0
    if order.get("waits"):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
    started = time.perf_counter()
    if way == "plan":
        return {"parts": parted.plan()}
    if way == "cut":
        return {"parts": parted.cut()}
    if way == "together":
        state = parted.stage(order["part"])
        return {"seconds": time.perf_counter() - started, "read": state.read}
    if way == "publish":
        result = parted.publish()
    elif way == "each":
        result = parted.load(order["part"])
    else:
        result = load_table(engine, domain, table, project=project, run_id="benchmark")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "read": result.read, "quarantined": result.quarantined}


def _dlt(order: dict[str, Any]) -> dict[str, Any]:
    import dlt
    import pyarrow.csv

    path = Path(order["folder"]) / order["file"]
    started = time.perf_counter()
    pipeline = dlt.pipeline(
        pipeline_name="benchmark",
        destination=dlt.destinations.postgres(order["url"]),
        dataset_name="dlt_benchmark",
        pipelines_dir=str(Path(order["folder"]) / "dlt"),
    )
    pipeline.run(pyarrow.csv.read_csv(path), table_name="lineitem", write_disposition="replace")
    return {"seconds": time.perf_counter() - started}


def _pandas(order: dict[str, Any]) -> dict[str, Any]:
    import pandas
    from sqlalchemy import create_engine

    engine = create_engine(order["url"].replace("postgresql://", "postgresql+psycopg://"))
    path = Path(order["folder"]) / order["file"]
    started = time.perf_counter()
    dates = ["l_shipdate", "l_commitdate", "l_receiptdate"]
    for chunk in pandas.read_csv(path, chunksize=10_000, parse_dates=dates):
        chunk.to_sql("lineitem", engine, schema="tpch", if_exists="append", index=False)
    return {"seconds": time.perf_counter() - started}


if __name__ == "__main__":
    main()
