"""What was built last and ended well, per warehouse: the ground on which "only what changed" is decided.

A state folder holds dbt's manifest of the last good run (`manifest.json`) and the dbt ids that did not end well since
(`unfinished.json`). dbt compares its project with that manifest; what is unfinished, and what the warehouse has lost in
the meantime, is added to its choice. Changed rows are no change of a model: for them the whole project is built.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import OperationalError

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.transform.artifacts import BUILT, MANIFEST
from groundwork.whole_file import write_whole

_UNFINISHED = "unfinished.json"
_CHANGED = "state:modified+"
_NAME_LETTERS = 16


@dataclass(frozen=True, kw_only=True)
class BuildState:
    """The state folder of one project in one warehouse."""

    folder: Path
    warehouse: Engine

    @classmethod
    def of(cls, home: Path, warehouse: Engine, schema: str = "market") -> BuildState:
        """The state below the folder `home` for models that land in schemas of this name; users share it."""
        url = warehouse.url
        place = f"{url.host}:{url.port or 5432}/{url.database}/{schema}"
        name = hashlib.sha256(place.encode()).hexdigest()[:_NAME_LETTERS]
        return cls(folder=home / "dbt" / "state" / name, warehouse=warehouse)

    @property
    def is_known(self) -> bool:
        """Whether a run ended well before; without one, everything counts as changed."""
        return (self.folder / MANIFEST).is_file()

    def arguments(self) -> list[str]:
        """Dbt's arguments for only what changed, with all that is downstream of it.

        Raises: ConfigError when the state is damaged, RetriableError when the warehouse is not reachable.
        """
        if not self.is_known:
            return []
        nodes: dict[str, dict[str, Any]] = self._read(MANIFEST).get("nodes") or {}
        again = dict.fromkeys(name for name in (*self._lost(nodes), *self.unfinished()) if name in nodes)
        chosen = [_CHANGED, *(f"fqn:{'.'.join(nodes[name]['fqn'])}+" for name in again)]
        return ["--select", *chosen, "--state", str(self.folder)]

    def unfinished(self) -> tuple[str, ...]:
        """The dbt ids that did not end well since the last good run. Raises: ConfigError when that cannot be read."""
        if not (self.folder / _UNFINISHED).is_file():
            return ()
        return tuple(self._read(_UNFINISHED)["nodes"])

    def keep(self, manifest: Path) -> None:
        """Everything that `manifest` describes is built and good."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / MANIFEST, manifest.read_text(encoding="utf-8"))
        (self.folder / _UNFINISHED).unlink(missing_ok=True)

    def note(self, *, unfinished: Sequence[str], finished: Collection[str] = ()) -> None:
        """Remember what did not end well, and forget it of what did; the manifest stays."""
        left = dict.fromkeys((*(one for one in self.unfinished() if one not in finished), *unfinished))
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / _UNFINISHED, json.dumps({"nodes": list(left)}, indent=1) + "\n")

    def forget(self) -> None:
        """Drop the state: the next run builds everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _lost(self, nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """The ids of what was built once and is not in the warehouse now."""
        built = {
            name: (node["schema"], node["alias"])
            for name, node in nodes.items()
            if node["resource_type"] in BUILT and (node.get("config") or {}).get("materialized") != "ephemeral"
        }
        there = self._relations({schema for schema, _ in built.values()})
        return [name for name, place in built.items() if place not in there]

    def _relations(self, schemas: Collection[str]) -> set[tuple[str, str]]:
        try:
            inspector = inspect(self.warehouse)
            return {
                (schema, name)
                for schema in schemas
                for read in (inspector.get_table_names, inspector.get_view_names)
                for name in read(schema)
            }
        except OperationalError as error:
            raise RetriableError(
                "the warehouse could not be reached to see which models it has",
                where=self.warehouse.url.render_as_string(hide_password=True),
                found=type(error.orig).__name__,
                next_step="see whether the warehouse runs: groundwork status",
            ) from error

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            found: Any = json.loads(path.read_text(encoding="utf-8"))
            return dict(found)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                "the state of the last good run of dbt does not read",
                where=str(path),
                expected="a JSON object",
                found=f"{type(error).__name__}: {error}",
                next_step=f"rm -r {self.folder}; the next run builds everything and keeps it anew",
            ) from error
