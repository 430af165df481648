"""What one run of a pipeline is asked to do, as its parameters and its place in Airflow say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundwork.flow.pipelines.run_window import given_window, interval_window, partition_window
from groundwork.operators.parameters import is_true

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.flow.window import Window

BACKFILL = "backfill"


def run_window(context: Context, *, cron: str | None, watermark_type: str | None) -> Window | None:
    """The range this run loads, null for everything since the watermark.

    The parameters count first, then the partition, then the interval of a backfill. `cron` cuts partitions.
    Raises: ConfigError when there is no column that the range could be about.
    """
    params: Any = context["params"]
    given = given_window(params.get("window_start"), params.get("window_end"))
    if given is not None:
        return given
    run: Any = context["dag_run"]
    key = getattr(run, "partition_key", None)
    if key and cron is not None:
        return partition_window(key, cron, watermark_type)
    if str(getattr(run.run_type, "value", run.run_type)) == BACKFILL and run.data_interval_start is not None:
        return interval_window(run.data_interval_start, run.data_interval_end, watermark_type)
    return None


def is_asked(context: Context, name: str) -> bool:
    """Whether the run's switch `name` is on."""
    params: Any = context["params"]
    return is_true(params.get(name, False))
