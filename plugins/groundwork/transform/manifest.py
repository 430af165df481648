"""The slim manifest `dbt_project/manifest/manifest.json`, from which Airflow draws the Dag of the models.

dbt's own manifest holds every macro, the time and ids of the run, and the paths of the machine; this one holds what the
drawing needs and nothing that changes by itself, so that it can be committed, and a test compares it with the project.
`python -m groundwork.transform.manifest` writes it anew; that needs no database.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundwork.model.errors import ConfigError
from groundwork.settings import Settings
from groundwork.transform.artifacts import MANIFEST
from groundwork.transform.build import DbtTarget, run_dbt

SLIM_MANIFEST = Path("manifest") / MANIFEST
_NOWHERE = DbtTarget(host="localhost", port=5432, user="nobody", database="nowhere", password="", schema="market")
_PARSE_SECONDS = 600
_NODE_FIELDS = (
    "unique_id",
    "name",
    "resource_type",
    "package_name",
    "original_file_path",
    "fqn",
    "tags",
    "description",
)
_CONFIG_FIELDS = ("enabled", "materialized", "tags", "meta")


def slim_manifest(project: Path) -> str:
    """The slim manifest of a dbt project as text, always the same for the same project.

    Raises: ConfigError when the project does not parse.
    """
    with tempfile.TemporaryDirectory(prefix="groundwork-dbt-") as folder:
        target_path = Path(folder)
        ended = run_dbt(
            ["parse", "--no-partial-parse"],
            project=project,
            target=_NOWHERE,
            target_path=target_path,
            timeout_seconds=_PARSE_SECONDS,
        )
        if ended.returncode != 0:
            raise ConfigError("the dbt project does not parse", where=str(project), found=ended.stdout[-2_000:])
        full = json.loads((target_path / MANIFEST).read_text(encoding="utf-8"))
    return json.dumps(_slim(full), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _slim(full: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {name: full["metadata"][name] for name in ("adapter_type", "dbt_schema_version", "project_name")},
        "nodes": {name: _node(node) for name, node in full["nodes"].items()},
        "sources": {name: _node(node) for name, node in full["sources"].items()},
        "exposures": {},
        "selectors": {},
    }


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: node[name] for name in _NODE_FIELDS if name in node}
    config = node.get("config") or {}
    found["config"] = {name: config[name] for name in _CONFIG_FIELDS if config.get(name) is not None}
    found["depends_on"] = {"nodes": (node.get("depends_on") or {}).get("nodes", [])}
    return found


def main() -> None:
    """Write the slim manifest into the dbt project of this installation."""
    project = Settings.from_environment().dbt_project
    path = project / SLIM_MANIFEST
    path.parent.mkdir(exist_ok=True)
    path.write_text(slim_manifest(project), encoding="utf-8")


if __name__ == "__main__":
    main()
