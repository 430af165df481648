"""A connection to PostgreSQL that stands in the environment (`AIRFLOW_CONN_…`) or in a file, read without Airflow.

Airflow's import costs a command more than all it does besides. Airflow looks a connection up in its custom secrets
backend first and in the environment next. Where that backend is Airflow's own that reads a JSON file, as a local
deployment has it, the file is read here in the same way. Whatever is not plain (another backend, a file of settings
that does not read, an unusual way of writing) is left to Airflow.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_POSTGRES = ("postgres", "postgresql")
_OF_A_BACKEND = {"secrets": "backend", "workers": "secrets_backend"}  # section of airflow.cfg → how its options begin
_TEXTS = ("host", "login", "password", "schema")
_KEYS = {*_TEXTS, "conn_type", "port", "description", "extra"}
FILE_BACKEND = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
_BACKEND, _ARGUMENTS = "AIRFLOW__SECRETS__BACKEND", "AIRFLOW__SECRETS__BACKEND_KWARGS"  # as variables name them
_OF_A_TEAM = "___"  # in an id: it may name another team's connection


@dataclass(frozen=True, kw_only=True)
class Address:
    """The parts of a connection to PostgreSQL, named as Airflow's are; null and empty are kept as they are written."""

    conn_type: str
    host: str | None
    port: int | None
    login: str | None
    password: str | None
    schema: str | None

    def __repr__(self) -> str:
        return f"Address({self.conn_type} {self.host}:{self.port}/{self.schema})"  # no password in a log


def in_environment(connection_id: str) -> Address | None:
    """The connection as the environment or its file has it; null where Airflow has to be asked. Never raises."""
    if "airflow" in sys.modules or _OF_A_TEAM in connection_id:
        return None  # a task or a server: Airflow may know more, and costs nothing any more
    try:
        told = _file().get(connection_id)
        if told is not None:
            return _of_uri(told) if isinstance(told, str) else _of_parts(told)
        written = os.environ.get(f"AIRFLOW_CONN_{connection_id.upper()}", "").strip()
        if not written:
            return None
        return _of_parts(json.loads(written)) if written.startswith("{") else _of_uri(written)
    except (OSError, RuntimeError, ValueError, configparser.Error):
        return None


def _file() -> Mapping[str, Any]:
    """Airflow's JSON file of connections by their ids; empty without any secrets backend.

    Raises: ValueError where there is another backend or the file is no plain JSON; OSError, RuntimeError or
    configparser.Error when a file cannot be read.
    """
    settings = _backend_settings()
    if not settings:
        return {}
    if settings.keys() - {_ARGUMENTS} != {_BACKEND} or settings[_BACKEND] != FILE_BACKEND:
        raise ValueError("a backend that only Airflow can ask")
    path = Path(str(_object(settings.get(_ARGUMENTS, "{}")).get("connections_file_path")))
    if path.suffix != ".json" or "%" in str(path):  # airflow.cfg may mean something else by it
        raise ValueError("not a file of JSON")
    return _object(path.read_text(encoding="utf-8"))


def _backend_settings() -> Mapping[str, str]:
    """What is set about secrets backends, in airflow.cfg and in the environment, by the name of its variable.

    Raises: OSError, RuntimeError, UnicodeDecodeError or configparser.Error when airflow.cfg cannot be read.
    """
    begins = tuple(f"AIRFLOW__{section}__{option}".upper() for section, option in _OF_A_BACKEND.items())
    parser = configparser.ConfigParser(interpolation=None)
    with contextlib.suppress(FileNotFoundError):
        parser.read_string(_settings_file().read_text(encoding="utf-8"))
    written = {
        f"AIRFLOW__{section}__{option}".upper(): value
        for section in parser.sections()
        for option, value in parser.items(section)
    }
    return {
        name: value for name, value in {**written, **os.environ}.items() if value.strip() and name.startswith(begins)
    }


def _object(text: str) -> Mapping[str, Any]:
    told = json.loads(text)
    if isinstance(told, dict):
        return told
    raise json.JSONDecodeError("not an object", text, 0)


def _settings_file() -> Path:
    """Where Airflow looks for airflow.cfg. Raises: RuntimeError when a home folder is not known."""
    named = os.environ.get("AIRFLOW_CONFIG")
    return _expanded(f"{os.environ.get('AIRFLOW_HOME', '~/airflow')}/airflow.cfg" if named is None else named)


def _expanded(path: str) -> Path:
    """The path with variables and the home folder put in, as deep as Airflow does."""
    for _ in range(10):  # a variable that names itself would never come to an end
        before, path = path, str(Path(os.path.expandvars(path)).expanduser())
        if path == before:
            break
    return Path(path)


def _of_uri(written: str) -> Address | None:
    if written.count("://") != 1:
        return None
    parts = urlsplit(written)
    host = unquote(parts.hostname or "")
    if parts.scheme not in _POSTGRES or "/" in host:
        return None
    return Address(
        conn_type=_POSTGRES[0],
        host=host,
        port=parts.port,
        login=unquote(parts.username) if parts.username else parts.username,
        password=unquote(parts.password) if parts.password else parts.password,
        schema=unquote(parts.path[1:]),
    )


def _of_parts(told: Any) -> Address | None:
    if not isinstance(told, dict):
        return None
    port = told.get("port")
    is_plain = (
        told.keys() <= _KEYS
        and told.get("conn_type") in _POSTGRES
        and all(told.get(name) is None or isinstance(told[name], str) for name in _TEXTS)
        and (port is None or (type(port) is int and port > 0))
    )
    if not is_plain:
        return None
    return Address(conn_type=_POSTGRES[0], port=port, **{name: told.get(name) for name in _TEXTS})
