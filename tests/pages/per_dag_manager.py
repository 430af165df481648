"""Airflow's simple auth manager with permissions per Dag, as bigger managers have them."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

OUTSIDER = "outsider"  # a viewer who may not see the Dag `data_foundation`


class PerDagManager(SimpleAuthManager):
    """Everything as in the simple manager, but the outsider has no access to one Dag."""

    def is_authorized_dag(self, *, user: Any, details: DagDetails | None = None, **arguments: Any) -> bool:
        """Whether `user` may do it."""
        if user.username == OUTSIDER and details is not None and details.id == "data_foundation":
            return False
        return super().is_authorized_dag(user=user, details=details, **arguments)
