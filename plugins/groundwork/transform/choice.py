"""Which nodes of a dbt project a run is about, asked of dbt itself before anything is built."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import URL

from groundwork.transform.build import DbtTarget, not_started, run_dbt
from groundwork.transform.state import BuildState

_LIST_SECONDS = 300


def choose(
    project: Path,
    warehouse: URL,
    *,
    target_path: Path,
    state: BuildState,
    schema: str = "market",
    changed_only: bool = False,
) -> tuple[str, ...]:
    """The dbt ids of the models, snapshots, seeds and tests to run: all, or those that only what changed concerns.

    `target_path` receives the manifest that the choice was made from. Raises: ConfigError when the project does not
    parse or the state is damaged; RetriableError when the warehouse is not reachable.
    """
    arguments = ["ls", "--output", "json", "--output-keys", "unique_id", "--quiet"]
    chosen = state.arguments() if changed_only else []
    target = DbtTarget.of(warehouse, schema)
    target_path.mkdir(parents=True, exist_ok=True)
    ended = run_dbt(
        [*arguments, *chosen], project=project, target=target, target_path=target_path, timeout_seconds=_LIST_SECONDS
    )
    if ended.returncode != 0:
        raise not_started(ended, project)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    return tuple(str(json.loads(line)["unique_id"]) for line in lines)
