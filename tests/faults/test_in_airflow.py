"""Faults that need a whole Airflow heal there: killed, out of memory, out of time, standing still, no scheduler.

They are made once for all tests, by the same code as in the table of `benchmarks/healing.py`, without plain retries.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.faults.airflow_faults import AIRFLOW_FAULTS, AirflowFault
from benchmarks.faults.airflow_runner import COUNTED_DELAY_SECONDS, ORBT, PLAIN, live_airflow, meet
from benchmarks.faults.airflow_site import USUAL_HEARTBEAT_SECONDS, AirflowSite
from benchmarks.faults.met import Met, figures
from groundwork.local.environment import write_settings
from groundwork.local.layout import Layout
from groundwork.local.ports import Ports

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(3600)]

_COUNTED_SECONDS = {  # beyond what was slept: 28 for each of Airflow's own delays, 30 for a lost heartbeat
    "killed": 28,
    "killed_always": 56,
    "out_of_memory": 28,
    "out_of_time": 0,  # the policy's own delay
    "stopped": 58,
    "served": 0,
}


@dataclass(frozen=True, kw_only=True)
class Evening:
    """A running Airflow after all faults were met in it."""

    site: AirflowSite
    met: dict[str, Met]


@pytest.fixture(scope="module")
def evening() -> Iterator[Evening]:
    """All faults, met."""
    with live_airflow(AIRFLOW_FAULTS, with_plain=False) as site:
        met = {each.fault.name: each for each in meet(site, AIRFLOW_FAULTS, with_plain=False)}
        yield Evening(site=site, met=met)


@pytest.mark.parametrize("fault", AIRFLOW_FAULTS, ids=[fault.task for fault in AIRFLOW_FAULTS])
def test_fault_in_airflow(evening: Evening, fault: AirflowFault) -> None:
    if fault.needs_memory_group and not evening.site.memory_groups:
        pytest.skip("this user may make no control group")
    met = evening.met[fault.name]
    assert not met.orbt.shortcomings(fault), "\n".join([fault.name, *met.orbt.shortcomings(fault), *met.orbt.remedies])
    counted = met.orbt.seconds - met.orbt.real_seconds
    assert counted == pytest.approx(_COUNTED_SECONDS.get(fault.task, counted), abs=0.02)


def test_no_strike_waits_when_all_is_over(evening: Evening) -> None:
    assert list(evening.site.layout.spool.glob("*.jsonl")) == []


def test_a_worker_that_comes_back_was_ended_before_it_could_write(evening: Evening) -> None:
    told = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in (evening.site.layout.logs / "airflow").glob("dag_id=orbt_stopped/**/attempt=2.log")
    )
    assert "was given up and its process" in told


def test_they_count_in_the_totals(evening: Evening) -> None:
    told = figures(list(evening.met.values()))
    assert told["faults"] == len(evening.met)
    assert told["class_right"] == told["data_right"] == told["reports_complete"] == 1
    assert told["is_met"]


def test_what_is_counted_is_what_is_usual(tmp_path: Path) -> None:
    from airflow.sdk.definitions._internal.abstractoperator import DEFAULT_RETRY_DELAY

    from groundwork.operators.healing import healing

    layout = Layout(project=tmp_path, home=tmp_path / "home")
    layout.prepare()
    write_settings(layout, Ports(postgres=1, airflow=2, api=3))
    usual = configparser.ConfigParser(interpolation=None)
    usual.read(layout.airflow / "airflow.cfg")
    assert usual.getint("scheduler", "task_instance_heartbeat_timeout") == USUAL_HEARTBEAT_SECONDS
    assert COUNTED_DELAY_SECONDS[ORBT] == healing()["retry_delay"].total_seconds()
    assert COUNTED_DELAY_SECONDS[PLAIN] == DEFAULT_RETRY_DELAY.total_seconds()
