"""Backups of declared tables as tasks and commands make them: connections looked up, the policy read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from groundwork.contracts.contract import TableContract
    from groundwork.orbt.backups.make import BackupRun


def domains_to_back_up() -> list[str]:
    """The domains that have contracts, in order of name."""
    return sorted({path.parent.name for path in Settings.from_environment().contracts.glob("*/*.odcs.yaml")})


def back_up(tables: Sequence[TableContract], connection_id: str = WAREHOUSE_CONNECTION) -> BackupRun:
    """Back up tables as they are at one moment; raises as `groundwork.orbt.backups.make.backup`."""
    from groundwork.operators.connections import engine
    from groundwork.orbt.backups.make import backup
    from groundwork.orbt.backups.policy import read_backup_policy

    settings = Settings.from_environment()
    policy = read_backup_policy(settings.project)
    place = policy.folder(settings.home)
    return backup(engine(connection_id), tables, place=place, policy=policy)


def back_up_domain(domain: str, connection_id: str = WAREHOUSE_CONNECTION) -> dict[str, Any]:
    """Back up every table of a domain as a task; the files, JSON-ready.

    Raises: Airflow's failure when a table could not be backed up, after all others were.
    """
    from groundwork.contracts.read import read_domain
    from groundwork.model.errors import RetriableError
    from groundwork.operators.errors import airflow_errors

    with airflow_errors():
        done = back_up(read_domain(domain, Settings.from_environment().contracts).tables, connection_id)
        if done.failed:
            raise RetriableError(
                "not every table was backed up",
                where=f"domain {domain}",
                expected="one file per declared table",
                found="; ".join(f"{table}: {why}" for table, why in done.failed.items()),
                next_step=f"groundwork backup make {next(iter(done.failed))}",
            )
        return done.to_json()
