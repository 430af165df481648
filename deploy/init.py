"""Prepares a composed deployment before its services start: schemas, the first user, pools of sources. Idempotent.

Runs in the service `init`. The administrator's password is read from a file and goes nowhere else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ADMIN_PASSWORD = Path("/run/secrets/airflow-admin")


def main() -> None:
    """Migrate Airflow, its user tables and Groundwork's store; make the user `admin` and pools that are missing."""
    for command in (("airflow", "db", "migrate"), ("airflow", "fab-db", "migrate")):
        subprocess.run(command, check=True)
    _migrate_store()
    _make_administrator(_ADMIN_PASSWORD.read_text(encoding="utf-8").strip())
    subprocess.run(("groundwork", "pools", "--create"), check=True)


def _migrate_store() -> None:
    from groundwork.operators.connections import engine
    from groundwork.settings import STORE_CONNECTION
    from groundwork.store.migrate import migrate

    migrate(engine(STORE_CONNECTION))


def _make_administrator(password: str) -> None:
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        users = builder.sm
        if users.find_user("admin") is None:
            made = users.add_user("admin", "Admin", "Admin", "admin@localhost", users.find_role("Admin"), password)
            if not made:
                sys.exit("error: the user `admin` could not be made; the log above says why")


if __name__ == "__main__":
    main()
