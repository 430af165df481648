"""Airflow's settings are private, complete and stable; the environment of processes holds no secret."""

from __future__ import annotations

import configparser
import json
import os
import stat
from pathlib import Path

import pytest

from groundwork.local import environment
from groundwork.local.connections import write_connections
from groundwork.local.layout import Layout
from groundwork.local.ports import Ports
from groundwork.model.errors import ConfigError

_PORTS = Ports(postgres=1, airflow=2, api=3)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(project=tmp_path / "project", home=tmp_path / "home")
    made.prepare()
    return made


def _settings(layout: Layout) -> configparser.ConfigParser:
    environment.write_settings(layout, _PORTS)
    parser = configparser.ConfigParser()  # with interpolation, as Airflow reads it
    parser.read(layout.airflow / "airflow.cfg")
    return parser


def test_settings_are_private_and_stable(layout: Layout) -> None:
    first = environment.write_settings(layout, _PORTS)
    path = layout.airflow / "airflow.cfg"
    content = path.read_text()
    assert environment.write_settings(layout, _PORTS) == first
    assert path.read_text() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert environment.write_settings(layout, Ports(postgres=1, airflow=2, api=3)) == first
    assert environment.write_settings(layout, Ports(postgres=9, airflow=2, api=3)) != first


def test_own_settings_win_and_may_hold_a_percent_sign(layout: Layout) -> None:
    layout.write_config({"airflow": {"core": {"parallelism": 3}, "email": {"from_email": "100%@example.com"}}})
    settings = _settings(layout)
    assert settings["core"]["parallelism"] == "3"
    assert settings["core"]["executor"] == "LocalExecutor"
    assert settings["email"]["from_email"] == "100%@example.com"


def test_own_settings_that_do_not_read_are_told(layout: Layout) -> None:
    layout.write_config({"airflow": {"core": "x"}})
    with pytest.raises(ConfigError, match="do not read"):
        environment.write_settings(layout, _PORTS)


def test_lineage_goes_to_a_file_and_telemetry_nowhere(layout: Layout) -> None:
    settings = _settings(layout)
    transport = json.loads(settings["openlineage"]["transport"])
    assert transport == {"type": "file", "log_file_path": str(layout.lineage), "append": True}
    assert settings["cosmos"]["enable_telemetry"] == "False"
    assert environment.process_environment(layout, {})["DO_NOT_TRACK"] == "1"


def test_the_environment_holds_no_secret_and_no_other_airflow(layout: Layout) -> None:
    write_connections(layout, _PORTS)
    _settings(layout)
    inherited = {"PATH": "/bin", "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor", "NO_PROXY": "intranet", "KEPT": "1"}
    made = environment.process_environment(layout, inherited)
    everything = "\n".join(made.values())
    for secret in layout.secrets.iterdir():
        if secret.suffix != ".json":
            assert secret.read_text() not in everything
    assert "AIRFLOW__CORE__EXECUTOR" not in made
    assert made["KEPT"] == "1"
    assert made["NO_PROXY"].split(",") == ["intranet", "127.0.0.1", "localhost", "::1"]
    assert environment.process_environment(layout, made) == made


def test_passwords_of_all_users_are_kept(layout: Layout) -> None:
    _settings(layout)
    passwords = {user: environment.password(layout, user) for user in environment.USERS}
    assert len(set(passwords.values())) == 3
    _settings(layout)
    assert {user: environment.password(layout, user) for user in environment.USERS} == passwords
    assert stat.S_IMODE(layout.login_passwords.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="no user `root`"):
        environment.password(layout, "root")


def test_connections_added_by_hand_stay(layout: Layout) -> None:
    assert write_connections(layout, _PORTS)
    content = json.loads(layout.connections.read_text())
    layout.connections.write_text(json.dumps({"mine": "http://x", **content, "warehouse": {"host": "old"}}))
    assert write_connections(layout, _PORTS)
    again = json.loads(layout.connections.read_text())
    assert again == {"mine": "http://x", **content}
    assert not write_connections(layout, _PORTS)


def test_an_airflow_home_of_the_caller_is_respected(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    _settings(layout)
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    assert not environment.apply_to_this_process(layout)
    assert os.environ["AIRFLOW_HOME"] == "/elsewhere"
