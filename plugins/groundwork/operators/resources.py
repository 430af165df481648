"""What a source may use from inside Airflow: its connections and its object storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from groundwork.flow.resources import ConnectionFacts, Resources
from groundwork.model.errors import ConfigError
from groundwork.settings import Settings


def airflow_resources(project: Path) -> Resources:
    """Resources that ask Airflow by connection id; a secret is only looked up when a source needs it.

    Answers of APIs are kept below Groundwork's home, and read by a try for which that was chosen.
    """
    from groundwork.flow.sources.kept_answers import KeptAnswers
    from groundwork.operators.tries.try_state import served_connections
    from groundwork.orbt.remedies.connections.responses import FOLDER

    return Resources(
        project=project,
        connection=connection_facts,
        storage=object_storage,
        answers=KeptAnswers(Settings.from_environment().home / FOLDER),
        served=served_connections(),
    )


def connection_facts(name: str) -> ConnectionFacts:
    """One connection of Airflow.

    Raises: ConfigError when there is none of that name.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = Connection.get(name)
    except AirflowNotFoundException as error:
        raise ConfigError(
            f"Airflow has no connection `{name}`",
            where="source.connection",
            expected="a connection of that name",
            next_step=f"airflow connections add {name} --conn-uri '…', or correct the contract",
        ) from error
    return ConnectionFacts(
        name=name,
        kind=found.conn_type,
        host=found.host,
        port=found.port,
        login=found.login,
        password=found.password,
        database=found.schema,
        extra=found.extra_dejson,
    )


def object_storage(path: str, connection: str | None) -> Any:
    """`path`, a URL, as Airflow's path object with the rights of `connection`."""
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path, conn_id=connection) if connection else ObjectStoragePath(path)
