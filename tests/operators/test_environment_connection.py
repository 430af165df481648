"""A connection read from the environment without Airflow is the one that Airflow would have found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from airflow.sdk import Connection
from hypothesis import given
from hypothesis import strategies as st

from groundwork.model.errors import ConfigError
from groundwork.operators import connections
from groundwork.operators.environment_connection import Address, _of_uri, in_environment

_PARTS = ("conn_type", "host", "port", "login", "password", "schema")
_PLAIN = "postgres://ann:secret@db.example.com:5433/shop"


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No secrets backend; a file of settings may be written at the path."""
    for name in ("AIRFLOW__SECRETS__BACKEND", "AIRFLOW__WORKERS__SECRETS_BACKEND", "AIRFLOW_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return tmp_path / "airflow.cfg"


def found(monkeypatch: pytest.MonkeyPatch, written: str | None, connection_id: str = "shop") -> Address | None:
    """What a process that has not imported Airflow reads."""
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "airflow", raising=False)
        if written is not None:
            patch.setenv(f"AIRFLOW_CONN_{connection_id.upper()}", written)
        return in_environment(connection_id)


def parts(connection: Address | Connection) -> tuple[object, ...]:
    return tuple(getattr(connection, name) for name in _PARTS)


@pytest.mark.parametrize(
    "written",
    [
        _PLAIN,
        "postgresql://ann:secret@db.example.com:5433/shop",
        "POSTGRES://ann@DB.Example.com/shop",
        "  postgres://ann:p%40ss%2Fword%25@db/shop%20floor?sslmode=require  ",
        "postgres://ann:@db",
        "postgres://db/",
        "postgres:///shop",
        "postgres://ann:secret@[::1]:5433/shop",
        json.dumps({"conn_type": "postgres", "host": "db", "login": "ann", "password": "x/@:", "schema": "shop"}),
        json.dumps({"conn_type": "postgresql", "host": "db", "port": 5433, "extra": {"sslmode": "require"}}),
    ],
)
def test_it_is_what_airflow_finds(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    address = found(monkeypatch, written)
    assert address is not None
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", written)
    assert parts(address) == parts(Connection.get("shop"))


@given(st.text(max_size=12), st.text(max_size=12), st.sampled_from(["", "db", "10.0.0.1", "%2Ftmp", "[::1]"]))
def test_every_address_read_is_the_one_airflow_reads(login: str, password: str, host: str) -> None:
    for encode in (lambda text: quote(text, safe=""), lambda text: text):
        written = f"postgres://{encode(login)}:{encode(password)}@{host}:5433/{encode(login)}"
        try:
            address = _of_uri(written)
        except ValueError:
            continue  # Airflow is asked
        if address is not None:
            assert parts(address) == parts(Connection.from_uri(written, conn_id="shop"))


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "   ",
        "mysql://ann:secret@db/shop",
        "postgres://https://db/shop",
        "postgres://ann@%2Fvar%2Frun/shop",
        "postgres://db:port/shop",
        "{broken",
        json.dumps({"host": "db"}),
        json.dumps({"conn_type": "postgres", "port": "5433"}),
        json.dumps({"conn_type": "postgres", "port": True}),
        json.dumps({"conn_type": "postgres", "hots": "db"}),
        json.dumps({"conn_type": "postgres", "schema": 1}),
        json.dumps({"conn_type": ["postgres"]}),
    ],
)
def test_airflow_is_asked_for_what_is_not_plain(monkeypatch: pytest.MonkeyPatch, written: str | None) -> None:
    assert found(monkeypatch, written) is None


def test_airflow_is_asked_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", _PLAIN)
    assert in_environment("shop") is None


def test_airflow_is_asked_for_what_may_be_a_teams(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, _PLAIN, "blue") is not None
    assert found(monkeypatch, _PLAIN, "_blue___shop") is None


@pytest.mark.parametrize(
    ("name", "value", "may_have"),
    [
        ("AIRFLOW__SECRETS__BACKEND", "x.y.Vault", True),
        ("AIRFLOW__SECRETS__BACKEND", "", False),
        ("AIRFLOW__SECRETS__BACKEND_CMD", "cat backend", True),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", "x.y.Vault", True),
        ("AIRFLOW__SECRETS__USE_CACHE", "true", False),
    ],
)
def test_a_backend_in_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, *, may_have: bool
) -> None:
    monkeypatch.setenv(name, value)
    assert (found(monkeypatch, _PLAIN) is None) is may_have


@pytest.mark.parametrize(
    ("content", "may_have"),
    [
        ("", False),
        ("[core]\ndags_folder = /x%y\n[secrets]\nbackend =\nbackend_kwargs =\n", False),
        ("[secrets]\nbackend = airflow.secrets.local_filesystem.LocalFilesystemBackend\n", True),
        ("[secrets]\nBackend = x.y.Vault\n", True),
        ("[secrets]\nbackend_cmd = cat backend\n", True),
        ("[workers]\nsecrets_backend = x.y.Vault\n", True),
        ("[secrets]\nbackend =\nbackend =\n", True),
        ("no section", True),
        ("[core]\nname = \udcff\n", True),
    ],
)
def test_a_backend_in_the_settings_is_asked(
    monkeypatch: pytest.MonkeyPatch, plain_settings: Path, content: str, *, may_have: bool
) -> None:
    plain_settings.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert (found(monkeypatch, _PLAIN) is None) is may_have


_FILE = "airflow.secrets.local_filesystem.LocalFilesystemBackend"


@pytest.fixture(params=["environment", "settings"])
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plain_settings: Path, request: pytest.FixtureRequest) -> Path:
    """Airflow's JSON file of connections, as containers and a local deployment have it; empty."""
    path = tmp_path / "connections.json"
    path.write_text("{}", encoding="utf-8")
    arguments = json.dumps({"connections_file_path": str(path)})
    if request.param == "environment":
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", _FILE)
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", arguments)
    else:
        plain_settings.write_text(f"[secrets]\nbackend = {_FILE}\nbackend_kwargs = {arguments}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "told",
    [
        {"conn_type": "postgres", "host": "db", "port": 5433, "login": "ann", "password": "x/@:", "schema": "shop"},
        {"conn_type": "postgres", "host": "db", "extra": "{}"},
        "postgres://ann:p%40ss@db:5433/shop",
    ],
)
def test_what_stands_in_the_file_is_what_airflow_finds(
    monkeypatch: pytest.MonkeyPatch, file: Path, told: object
) -> None:
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    file.write_text(json.dumps({"shop": told}), encoding="utf-8")
    address = found(monkeypatch, "postgres://another@elsewhere/one")
    theirs = LocalFilesystemBackend(connections_file_path=str(file)).get_connection("shop")
    assert address is not None
    assert theirs is not None
    assert parts(address) == tuple(getattr(theirs, name) for name in _PARTS)


def test_what_the_file_does_not_have_is_looked_for_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    assert file.exists()
    address = found(monkeypatch, _PLAIN)
    assert address is not None
    assert address.host == "db.example.com"


@pytest.mark.parametrize(
    "content", ["{broken", "[]", '{"shop": 1}', '{"shop": {"conn_type": "mysql"}}', '{"shop": [{"host": "db"}]}', None]
)
def test_airflow_is_asked_for_what_is_not_plain_in_the_file(
    monkeypatch: pytest.MonkeyPatch, file: Path, content: str | None
) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_text(content, encoding="utf-8")
    assert found(monkeypatch, _PLAIN) is None


@pytest.mark.parametrize("arguments", ["{}", "{broken", "[]", '{"connections_file_path": "connections.yaml"}'])
def test_airflow_is_asked_where_the_file_is_not_told(
    monkeypatch: pytest.MonkeyPatch, file: Path, arguments: str
) -> None:
    assert file.exists()
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", arguments)
    assert found(monkeypatch, _PLAIN) is None


def test_the_settings_are_where_airflow_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other.cfg"
    other.write_text("[secrets]\nbackend = x.y.Vault\n", encoding="utf-8")
    assert found(monkeypatch, _PLAIN) is not None
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONFIG", "$PLACE/other.cfg")
    assert found(monkeypatch, _PLAIN) is None
    monkeypatch.setenv("AIRFLOW_CONFIG", str(tmp_path))
    assert found(monkeypatch, _PLAIN) is None, "a folder cannot be read"


def test_an_address_never_shows_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    address = found(monkeypatch, _PLAIN)
    assert address is not None
    assert "secret" not in f"{address} {address!r}"


def test_without_a_connection_the_error_is_airflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_NEVER", raising=False)
    with pytest.raises(ConfigError, match="Airflow has no connection `never`"):
        connections.url("never")
    assert not connections.is_known("never")
    monkeypatch.setenv("AIRFLOW_CONN_NEVER", "mysql://db")
    with pytest.raises(ConfigError, match="not to a PostgreSQL"):
        connections.url("never")
