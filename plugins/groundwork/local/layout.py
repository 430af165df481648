"""Where the one-machine deployment keeps its state: one private folder with a fixed inner order.

Owns the paths and the modes (folders 0700, files with a secret 0600), the choice of the folder is `settings`' matter.
Everything below the folder belongs to one machine and one user; it may be deleted as a whole when nothing runs.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.model.errors import ConfigError
from groundwork.settings import Settings

_SECRET_BYTES = 24  # 192 random bits, 32 letters in URL-safe base 64: a person may have to copy it


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders and files of one deployment."""

    project: Path
    home: Path

    @classmethod
    def from_environment(cls) -> Layout:
        """The deployment that the environment names; see `groundwork.settings`."""
        settings = Settings.from_environment()
        return cls(project=settings.project, home=settings.home)

    @property
    def postgres(self) -> Path:
        """Folder of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME, with the generated `airflow.cfg`."""
        return self.home / "airflow"

    @property
    def secrets(self) -> Path:
        """Folder of generated passwords and keys, one file each."""
        return self.home / "secrets"

    @property
    def run(self) -> Path:
        """Folder of process records, locks and marks."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """Folder of log files, one per component; Airflow's own in `airflow/` below it."""
        return self.home / "logs"

    @property
    def lineage(self) -> Path:
        """File that OpenLineage events are appended to, one JSON object per line."""
        return self.home / "lineage" / "openlineage.ndjson"

    @property
    def spool(self) -> Path:
        """Folder for what could not be written to the store yet."""
        return self.home / "spool"

    @property
    def config(self) -> Path:
        """File with the chosen ports and the user's own Airflow settings."""
        return self.home / "config.json"

    @property
    def connections(self) -> Path:
        """File with Airflow's connections."""
        return self.secrets / "connections.json"

    @property
    def login_passwords(self) -> Path:
        """File with the passwords of Airflow's users, by user name."""
        return self.secrets / "airflow-users.json"

    @property
    def is_installed(self) -> bool:
        """Whether a deployment was made here."""
        return (self.airflow / "airflow.cfg").exists()

    def prepare(self) -> None:
        """Make all folders, each for its owner only; idempotent.

        Raises: ConfigError when the folder belongs to another user or cannot be written.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._refuse_foreign_owner()
            self.home.chmod(0o700)
            for folder in (self.airflow, self.secrets, self.run, self.logs, self.lineage.parent, self.spool):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                "the folder for local state cannot be made",
                where=str(self.home),
                found=error.strerror,
                next_step="set GROUNDWORK_HOME to a folder that you may write",
            ) from error

    def _refuse_foreign_owner(self) -> None:
        owner = self.home.stat().st_uid
        if owner != os.geteuid():
            raise ConfigError(
                "the folder for local state belongs to another user",
                where=str(self.home),
                expected=f"user id {os.geteuid()}",
                found=f"user id {owner}",
                next_step="run as that user, or set GROUNDWORK_HOME to a folder of your own",
            )

    def secret(self, name: str, random_bytes: int = _SECRET_BYTES) -> str:
        """The secret `name`, made of random letters at the first call and kept since."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(random_bytes))
        return path.read_text(encoding="utf-8").strip()

    def read_config(self) -> dict[str, Any]:
        """The content of `config.json`; empty before the first start.

        Raises: ConfigError when it is not a JSON object.
        """
        if not self.config.exists():
            return {}
        try:
            content = json.loads(self.config.read_text(encoding="utf-8"))
        except ValueError as error:
            content = str(error)
        if not isinstance(content, dict):
            raise ConfigError(
                "the settings of the local deployment do not read",
                where=str(self.config),
                expected="a JSON object",
                found=content,
                next_step="repair the file, or delete it: it is made anew",
            )
        return content

    def write_config(self, content: Mapping[str, Any]) -> None:
        """Replace `config.json` as a whole."""
        write_private(self.config, json.dumps(content, indent=2) + "\n")

    def free_bytes(self) -> int:
        """Space left on the disk that holds (or will hold) the folder."""
        existing = next(folder for folder in (self.home, *self.home.parents) if folder.exists())
        return shutil.disk_usage(existing).free


def write_private(path: Path, content: str) -> bool:
    """Replace the file in one step, readable by its owner only; false when it already had this content."""
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return False
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(content)
    draft.replace(path)
    return True
