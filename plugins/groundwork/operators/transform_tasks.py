"""What stands around the tasks of single models: the choice before them, the state after them.

Cosmos makes a task of each model. `ChooseModelsOperator` says which of them this run is about, `skip_unchosen` lets the
others be skipped, and `KeepStateOperator` keeps the manifest of a run that ended well, against which the next choice is
made. A manifest belongs to the run that made its choice from it, so that a change in the meantime does not count as
built.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import is_true

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.transform.state import BuildState

CHOOSE = "choose"


class _StateOperator(GroundworkOperator):
    """Root of the two: both know the state folder and the folder in which the choice is made."""

    ui_color = "#f6d8c6"

    @property
    def schema(self) -> str:
        """The schema whose name begins those of all that dbt makes."""
        return self.contracts.tables[0].schema

    @property
    def state(self) -> BuildState:
        """The state of this project in this warehouse, the same that the one-task build keeps."""
        from groundwork.transform.state import BuildState

        return BuildState.of(self.settings.home, self.warehouse, self.schema)

    @property
    def target_path(self) -> Path:
        """Where dbt puts the manifest of the choice."""
        return self.settings.home / "dbt" / "choice"


class ChooseModelsOperator(_StateOperator):
    """Say which models, snapshots and tests this run is about.

    :param changed_only: those that differ from the last good run, with all that is made of them (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "changed_only")

    def __init__(self, *, changed_only: object = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.changed_only = changed_only

    def run(self, context: Context) -> list[str]:
        """Return their dbt ids; a manifest of the same moment waits to be kept."""
        from groundwork.transform.choice import choose

        chosen = choose(
            self.settings.dbt_project,
            self.warehouse.url,
            target_path=self.target_path,
            state=self.state,
            schema=self.schema,
            changed_only=is_true(self.changed_only),
        )
        self.log.info("%d nodes of the dbt project: %s", len(chosen), ", ".join(chosen))
        return list(chosen)


class KeepStateOperator(_StateOperator):
    """Keep the manifest of this run's choice as that of the last good run; runs when no task before it failed."""

    def run(self, context: Context) -> str:
        """Return the folder of the state."""
        from groundwork.transform.artifacts import MANIFEST

        self.state.keep(self.target_path / MANIFEST)
        return str(self.state.folder)


def skip_unchosen(context: Context) -> None:
    """Before a task of Cosmos: skip it when the run is not about its model."""
    from airflow.sdk.exceptions import AirflowSkipException

    chosen = context["ti"].xcom_pull(task_ids=CHOOSE)
    node = (getattr(context["task"], "extra_context", None) or {}).get("dbt_node_config") or {}
    if chosen is not None and node.get("unique_id") not in chosen:
        raise AirflowSkipException(f"{node.get('unique_id')} has not changed since the last good run")
