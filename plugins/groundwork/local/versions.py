"""The versions of Groundwork and of what it stands on, read from package metadata without importing anything."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from groundwork import __version__

_PACKAGES = {
    "airflow": "apache-airflow",
    "great expectations": "great-expectations",
    "dbt": "dbt-core",
    "cosmos": "astronomer-cosmos",
    "openlineage provider": "apache-airflow-providers-openlineage",
}


def versions() -> dict[str, str | None]:
    """Version by name; null for what is not installed."""
    found = {name: _version(package) for name, package in _PACKAGES.items()}
    return {"groundwork": __version__, "python": platform.python_version(), **found}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
