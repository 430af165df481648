"""What letting a contract follow its source may use: databases, folders, connections, and who is acting."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.resources import Resources
from groundwork.flow.window import Window
from groundwork.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Means:
    """`target` is the Airflow connection id of the warehouse, `run_id` the run that is about to load.

    `resources` has the folder below which the source's files lie.
    """

    warehouse: Engine
    store: Engine
    settings: Settings
    resources: Resources
    target: str
    run_id: str
    actor: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The table that is about to be loaded, with the range that is asked for."""

    domain: Domain
    table: TableContract
    window: Window | None = None
