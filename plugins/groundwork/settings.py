"""Where this installation keeps its declarations and its state, read once from the environment by the caller.

Owns no secret: those live in Airflow connections. `GROUNDWORK_PROJECT` names the folder with `dags/`, `governance/`
and `dbt_project/` (default: the checkout this package stands in); `GROUNDWORK_HOME` the folder for local state
(default: `.groundwork` in the project).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STORE_CONNECTION = "groundwork_store"  # Airflow connection id of Groundwork's own database
WAREHOUSE_CONNECTION = "warehouse"  # Airflow connection id of the default warehouse
SCRATCH_CONNECTION = "groundwork_scratch"  # Airflow connection id of a server for trials; without it the warehouse's
AIRFLOW_API_CONNECTION = "airflow_api"  # Airflow connection id of Airflow's own REST API
API_CONNECTION = "groundwork_api"  # Airflow connection id of the data API (host and port)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Folders of one installation."""

    project: Path
    home: Path

    @classmethod
    def from_environment(cls) -> Settings:
        """Settings as the environment and the place of this file say."""
        default_project = Path(__file__).resolve().parents[2]
        project = Path(os.environ.get("GROUNDWORK_PROJECT") or default_project).resolve()
        home = Path(os.environ.get("GROUNDWORK_HOME") or project / ".groundwork").resolve()
        return cls(project=project, home=home)

    @property
    def contracts(self) -> Path:
        """Folder with one sub-folder of contracts per domain."""
        return self.project / "governance" / "contracts"

    @property
    def policies(self) -> Path:
        """Folder with policy files."""
        return self.project / "governance" / "policies"

    @property
    def dbt_project(self) -> Path:
        """Folder of the dbt project."""
        return self.project / "dbt_project"

    @property
    def expectations(self) -> Path:
        """Folder of hand-written suites."""
        return self.project / "expectations"
