"""The pools of sources are there after `groundwork up`, and made again when a contract brings a new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.flow.pipelines.catalogue import read_catalogue
from groundwork.local.layout import Layout
from groundwork.local.pools import make_pools
from groundwork.local.ports import Ports
from groundwork.operators.pipelines.pools import needed_pools
from tests.fix_stack import Stack
from tests.operators.pipeline_contracts import write_contract


def test_of_two_sizes_the_smaller_counts_and_what_is_there_is_known(tmp_path: Path) -> None:
    write_contract(tmp_path, "first", source={"pool": {"name": "narrow", "slots": 3}})
    write_contract(tmp_path, "second", source={"pool": {"name": "narrow", "slots": 2}})
    write_contract(tmp_path, "third", source={"connection": "crm"})
    write_contract(tmp_path, "plain")
    found = needed_pools(read_catalogue(tmp_path / "governance" / "contracts"), {"source_crm", "other"})
    assert [(pool.name, pool.slots, pool.is_there) for pool in found] == [
        ("narrow", 2, False), ("source_crm", 4, True),
    ]  # fmt: skip
    assert found[0].dags == ("load_shop__first", "load_shop__second")


def test_airflow_is_not_asked_when_no_pool_is_needed(tmp_path: Path) -> None:
    write_contract(tmp_path, "plain")
    nobody = Ports(postgres=1, airflow=1, api=1)
    assert make_pools(Layout(project=tmp_path, home=tmp_path / "home"), nobody) == ()


@pytest.mark.postgres
@pytest.mark.airflow
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_missing_pools_are_made_in_airflow_once(stack: Stack, tmp_path: Path) -> None:
    layout = Layout(project=tmp_path, home=stack.home)
    write_contract(tmp_path, "first", source={"pool": {"name": "narrow_for_a_test", "slots": 2}})
    assert make_pools(layout, stack.ports) == ("narrow_for_a_test",)
    assert make_pools(layout, stack.ports) == ()
    write_contract(tmp_path, "second", source={"pool": {"name": "wide_for_a_test", "slots": 9}})
    assert make_pools(layout, stack.ports) == ("wide_for_a_test",)
    with stack.client() as client:
        found = client.get("/pools", params={"limit": 100}).raise_for_status().json()["pools"]
        slots = {pool["name"]: (pool["slots"], pool["include_deferred"]) for pool in found}
        for name in ("narrow_for_a_test", "wide_for_a_test"):
            client.delete(f"/pools/{name}").raise_for_status()
    assert slots["narrow_for_a_test"] == (2, False)
    assert slots["wide_for_a_test"] == (9, False)
