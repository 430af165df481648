"""Ports are chosen once, remembered, and moved when somebody else sits on one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundwork.local.layout import Layout
from groundwork.local.ports import Ports, choose, remember, remembered
from groundwork.local.postgres import free_port
from groundwork.model.errors import ConfigError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(project=tmp_path / "project", home=tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _ports(postgres: int) -> Ports:
    return Ports(postgres=postgres, airflow=free_port(), api=free_port())


def test_the_choice_is_remembered(layout: Layout) -> None:
    chosen = choose(layout, environment={})
    assert len({chosen.postgres, chosen.airflow, chosen.api}) == 3
    assert remembered(layout) == chosen == choose(layout, environment={})


def test_a_taken_port_is_left_and_the_holder_named(layout: Layout, busy: int) -> None:
    remember(layout, _ports(busy))
    told: list[str] = []
    chosen = choose(layout, notice=told.append, environment={})
    assert chosen.postgres > busy
    assert remembered(layout) == chosen
    assert told == [told[0]]
    assert str(busy) in told[0]
    assert str(os.getpid()) in told[0]


def test_a_port_of_our_own_process_stays(layout: Layout, busy: int) -> None:
    before = _ports(busy)
    remember(layout, before)
    assert choose(layout, own={busy}, environment={}) == before


def test_the_environment_decides_and_is_remembered(layout: Layout) -> None:
    wanted = free_port()
    assert choose(layout, environment={"GROUNDWORK_API_PORT": str(wanted)}).api == wanted
    assert choose(layout, environment={}).api == wanted


def test_a_taken_port_of_the_environment_is_refused(layout: Layout, busy: int) -> None:
    with pytest.raises(ConfigError, match="taken") as caught:
        choose(layout, environment={"GROUNDWORK_AIRFLOW_PORT": str(busy)})
    assert caught.value.where == f"GROUNDWORK_AIRFLOW_PORT={busy}"
    assert caught.value.next_step is not None


@pytest.mark.parametrize("value", ["x", "-1", "0", "65536", "80.5"])
def test_no_port_is_refused(layout: Layout, value: str) -> None:
    with pytest.raises(ConfigError, match="no TCP port"):
        choose(layout, environment={"GROUNDWORK_POSTGRES_PORT": value})


@pytest.mark.parametrize("ports", [{}, {"postgres": 1}, {"postgres": "1", "airflow": 2, "api": 3}, [1], "x"])
def test_remembered_nonsense_is_told(layout: Layout, ports: object) -> None:
    layout.write_config({"ports": ports})
    with pytest.raises(ConfigError, match="do not read"):
        choose(layout, environment={})


def test_other_settings_survive(layout: Layout) -> None:
    layout.write_config({"airflow": {"core": {"parallelism": "3"}}})
    choose(layout, environment={})
    assert layout.read_config()["airflow"] == {"core": {"parallelism": "3"}}
