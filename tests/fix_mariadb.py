"""A real MariaDB for the tests that read from one; skipped where none is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from groundwork.local.postgres import free_port

_PASSWORD = "groundwork-test"  # a throw-away server on loopback
_START_SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class MariaDb:
    """A server on loopback with the database `test`."""

    port: int
    engine: Engine
    login: str = "groundwork"
    password: str = _PASSWORD


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """The server; it lives as long as the test session."""
    server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("no mariadbd is installed (apt-get install mariadb-server)")
    home = Path(tempfile.mkdtemp(prefix="groundwork-mariadb-"))
    user = ["--user=mysql"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(home, "mysql")
    options = [f"--datadir={home / 'data'}", *user]
    subprocess.run(
        [install, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", *options],
        check=True,
        capture_output=True,
        timeout=_START_SECONDS,
    )
    port = free_port()
    network = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={home / 's'}", f"--pid-file={home / 'pid'}"]
    small = ["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--skip-log-bin"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([server, "--no-defaults", *options, *network, *small], stdout=log, stderr=log)
    try:
        yield _ready(process, home, port)
    finally:
        process.terminate()
        try:
            process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _ready(process: subprocess.Popen[bytes], home: Path, port: int) -> MariaDb:
    until = time.monotonic() + _START_SECONDS
    while not _listens(home / "s"):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError((home / "log").read_text(errors="replace")[-2_000:])
        time.sleep(0.1)
    root = create_engine(f"mysql+pymysql://root@localhost/?unix_socket={home / 's'}", poolclass=NullPool)
    with root.begin() as connection:
        connection.execute(text("CREATE DATABASE test CHARACTER SET utf8mb4"))
        connection.execute(text("CREATE USER groundwork@'127.0.0.1' IDENTIFIED BY :word"), {"word": _PASSWORD})
        connection.execute(text("GRANT ALL ON test.* TO groundwork@'127.0.0.1'"))
    url = URL.create("mysql+pymysql", "groundwork", _PASSWORD, "127.0.0.1", port, "test", {"charset": "utf8mb4"})
    return MariaDb(port=port, engine=create_engine(url, poolclass=NullPool))


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
