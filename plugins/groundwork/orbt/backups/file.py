"""Backups of tables as files: one dump with a manifest beside it, whole or not at all, and told apart by their digest.

`<place>/<database>/<schema.table>/<UTC time>.dump` in pg_dump's custom form, `….json` says what is in it. The manifest
is written last: a dump without one is the remainder of a backup that died.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from groundwork.model.errors import ConfigError
from groundwork.whole_file import PRIVATE, write_whole

DUMP, MANIFEST, PART = ".dump", ".json", ".part"
UNPACKED = "groundwork-restore-"  # how folders begin in which a dump is unpacked beside it
PRIVATE_FOLDER = 0o700  # backups hold everything that their tables hold
_STAMP = "%Y%m%dT%H%M%S%fZ"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BackupFile:
    """One backup of one table. `path` is the dump; `columns` are names and types as the server told them then.

    `rows` is the number of rows, `table_bytes` what the table took with its indexes, `server_version` a major version.
    """

    database: str
    schema: str
    table: str
    taken_at: datetime
    path: Path
    sha256: str
    file_bytes: int
    table_bytes: int
    rows: int
    columns: tuple[tuple[str, str], ...]
    server_version: int

    @property
    def name(self) -> str:
        """`schema.table`, for people."""
        return f"{self.schema}.{self.table}"

    def to_json(self) -> dict[str, object]:
        """A JSON-ready form, as the manifest has it but for the path."""
        return {**asdict(self), "taken_at": self.taken_at.isoformat(), "path": str(self.path)}

    def require_whole(self) -> None:
        """Raise ConfigError when the dump is not the file that was written."""
        try:
            found = digest_of(self.path)
        except OSError as error:
            raise _damaged(self, error.strerror or str(error)) from error
        if found != self.sha256:
            raise _damaged(self, f"SHA-256 {found}")


def folder_of(place: Path, database: str, schema: str, table: str) -> Path:
    """The folder of one table's backups."""
    return place / quote(database, safe="") / quote(f"{schema}.{table}", safe="")


def stamp(at: datetime) -> str:
    """A moment (UTC) as the name of a file, sortable."""
    return at.strftime(_STAMP)


def keep_file(part: Path, told: BackupFile) -> BackupFile:
    """Give a finished dump its name, and write its manifest; the digest and the size are those of the file."""
    part.chmod(PRIVATE)
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    found = BackupFile(
        **{**{name: getattr(told, name) for name in told.__dataclass_fields__},
           "sha256": digest_of(part), "file_bytes": part.stat().st_size}
    )  # fmt: skip
    part.replace(told.path)
    manifest = {name: value for name, value in found.to_json().items() if name != "path"}
    write_whole(told.path.with_suffix(MANIFEST), json.dumps(manifest, indent=2) + "\n")
    return found


def backups(place: Path, database: str | None = None, table: str | None = None) -> list[BackupFile]:
    """The backups below a folder, newest first; `table` with or without its schema. A broken manifest is left out."""
    found = [
        each
        for path in sorted(place.glob(f"*/*/*{MANIFEST}"))
        for each in _read(path)
        if database in (None, each.database) and table in (None, each.table, each.name)
    ]
    return sorted(found, key=lambda each: (each.taken_at, each.name), reverse=True)


def prune(folder: Path, keep: int, older_than_seconds: float) -> int:
    """Take away all but the newest `keep` backups of one table, and remainders that nobody writes any more."""
    dumps = sorted(folder.glob(f"*{DUMP}"), reverse=True)
    whole = [path for path in dumps if path.with_suffix(MANIFEST).exists()]
    for path in whole[keep:]:
        path.with_suffix(MANIFEST).unlink(missing_ok=True)  # first: what has no manifest counts as no backup
        path.unlink(missing_ok=True)
    limit = time.time() - older_than_seconds
    for path in (*folder.glob(f"*{PART}"), *(path for path in dumps if path not in whole)):
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
    for path in folder.glob(f"{UNPACKED}*"):
        if path.stat().st_mtime < limit:
            shutil.rmtree(path, ignore_errors=True)
    return max(len(whole) - keep, 0)


def digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises: OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read(path: Path) -> Iterator[BackupFile]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        columns: Sequence[Sequence[str]] = data.pop("columns")
        taken_at = datetime.fromisoformat(data.pop("taken_at"))
        yield BackupFile(
            **data,
            taken_at=taken_at,
            columns=tuple((str(name), str(kind)) for name, kind in columns),
            path=path.with_suffix(DUMP),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return


def _damaged(backup: BackupFile, found: str) -> ConfigError:
    return ConfigError(
        "the backup is not the file that was written, so it is not restored",
        where=str(backup.path),
        expected=f"SHA-256 {backup.sha256}",
        found=found,
        next_step=f"groundwork backup list {backup.name}, and take another one",
    )
