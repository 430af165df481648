"""What tasks may run on instead of their first choice: the policy `governance/policies/alternatives.yaml`.

Without the file there is no alternative for anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from groundwork.model.fault import Circumstances, TaskTry
from groundwork.orbt.policy_document import PolicyPart, read_policy_or
from groundwork.settings import STORE_CONNECTION

FILE = Path("governance") / "policies" / "alternatives.yaml"


class Choice(PolicyPart):
    """What stands in for a connection, by Airflow connection ids; null is nothing."""

    replica: str | None = None
    fallback: str | None = None
    max_lag_seconds: float | None = Field(default=None, gt=0)


class Responses(PolicyPart):
    """Kept answers of APIs: an older one is not served."""

    max_age_hours: float = Field(default=72, gt=0)


class AlternativePolicy(PolicyPart):
    """The whole file. `readers` are operator classes, and tasks as `dag.task`, that only read their target."""

    kind: Literal["alternatives"] = "alternatives"
    version: str = "1.0.0"
    connections: Mapping[str, Choice] = Field(default_factory=dict)
    tables: Mapping[str, Choice] = Field(default_factory=dict)
    readers: tuple[str, ...] = ()
    responses: Responses = Responses()

    @model_validator(mode="after")
    def _leads_elsewhere(self) -> AlternativePolicy:
        for name, choice in self.connections.items():
            if name in (choice.replica, choice.fallback):
                raise ValueError(f"`{name}` cannot stand in for itself")
        if STORE_CONNECTION in self.connections:
            raise ValueError(f"nothing stands in for `{STORE_CONNECTION}`: strikes wait in the spool while it is away")
        return self

    def choice(self, connection_id: str, table: str | None) -> Choice:
        """What stands in for a connection when a task works on a table; what the table's entry says counts first."""
        general = self.connections.get(connection_id, Choice()).model_dump(exclude_none=True)
        own = self.tables.get(table or "", Choice()).model_dump(exclude_none=True)
        return Choice(**{**general, **own})

    def only_reads(self, task_try: TaskTry, circumstances: Circumstances) -> bool:
        """Whether somebody declared that this task only reads its target."""
        return bool({circumstances.operation, f"{task_try.dag_id}.{task_try.task_id}"}.intersection(self.readers))


def read_alternative_policy(project: Path) -> AlternativePolicy:
    """The policy of a project. Raises: ConfigError when the file is not right."""
    return read_policy_or(AlternativePolicy(), project / FILE)
