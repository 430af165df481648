"""Where backups of tables are kept, how many of each, and what one may take: `governance/policies/backup.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from groundwork.orbt.policy_document import PolicyPart, read_policy_or

FILE = Path("governance") / "policies" / "backup.yaml"


class BackupPolicy(PolicyPart):
    """The policy; `place` is a folder, relative to Groundwork's home, `keep` the newest files of each table.

    `seconds` is for one table, `most_bytes` what a table may have with its indexes.
    """

    kind: Literal["backup"] = "backup"
    version: str = "1.0.0"
    place: str = "backups"
    keep: int = Field(default=7, ge=1)
    seconds: float = Field(default=1800, gt=0)
    most_bytes: int = Field(default=20 * 1024**3, ge=1)

    def folder(self, home: Path) -> Path:
        """The folder of all backups."""
        return home / self.place


def read_backup_policy(project: Path) -> BackupPolicy:
    """The policy of a project; without a file as it is by default.

    Raises: ConfigError when there is a file that cannot be read.
    """
    return read_policy_or(BackupPolicy(), project / FILE)
