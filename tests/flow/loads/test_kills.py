"""Thirty seeded deaths in the middle of a load: of the worker, of PostgreSQL, of the network between them.

After the retry the table equals the source exactly, the books balance, and nothing temporary stays behind.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from groundwork.local.postgres import EmbeddedPostgres, free_port
from tests.flow.depot import FILE, Depot, column, make_depot
from tests.patience import PATIENCE_SECONDS, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]

PROJECT = Path(__file__).resolve().parents[3]
ROWS, BROKEN = 12_000, 60
COLUMNS = [
    column("item_id", "bigint", key=1),
    column("name", "text", required=True),
    column("price", "numeric(8,2)", required=True, logicalTypeOptions={"minimum": 0}),
]
VICTIMS = ("worker", "server", "network")


@dataclass
class Proxy:
    """A port in front of the server whose connections can be cut."""

    target: int
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Proxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._acceptor = self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # which ends the waiting for a connection; to close it does not
        self._acceptor.join(PATIENCE_SECONDS)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def cut(self) -> None:
        """End every connection at once, without a word to either side."""
        while self._sockets:
            one = self._sockets.pop()
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:  # it was killed: the client hears that, and the next one is served again
                client.close()
                continue
            self._sockets += [client, server]
            self._begin(self._carry, client, server)
            self._begin(self._carry, server, client)

    def _begin(self, target: Callable[..., None], *sockets: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=target, args=sockets, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@dataclass
class Worker:
    """The process that forks one process per load."""

    process: subprocess.Popen[str]

    def start(self, depot: Depot, url: str) -> int:
        """Begin a load; returns its process id."""
        order = {"url": url, "folder": str(depot.folder), "batch_rows": 300}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> int:
        """Wait for the load; returns its status."""
        return self._answer()

    def _answer(self) -> int:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker died"
        return int(line)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of this module's own, because it is killed."""
    home = Path(tempfile.mkdtemp(prefix="groundwork-kills-"))
    home.chmod(0o755)
    found = EmbeddedPostgres(home=home / "postgres", port=free_port())
    found.start()
    with found.connect() as connection:
        connection.execute("CREATE ROLE loader LOGIN PASSWORD 'loader'")
        connection.execute("CREATE DATABASE depot OWNER loader")
    yield found
    found.stop("immediate")
    shutil.rmtree(found.place, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flow.loads.load_worker"],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Worker(process)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="module")
def depot(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depot]:
    engine = create_engine(server.url("loader", "loader", "depot"), pool_pre_ping=True)
    made = make_depot(engine, tmp_path_factory.mktemp("depot"), COLUMNS, source={"mode": "merge"})
    chosen = random.Random(7)  # noqa: S311  the same every time
    broken = set(chosen.sample(range(1, ROWS + 1), BROKEN))
    lines = [f"{n},name {n},{'none' if n in broken else f'{n % 97}.50'}" for n in range(1, ROWS + 1)]
    made.write("item_id,name,price", *lines)
    yield made
    engine.dispose()


@pytest.mark.parametrize("seed", range(30))
def test_a_load_survives(seed: int, server: EmbeddedPostgres, worker: Worker, depot: Depot) -> None:
    chosen = random.Random(seed)  # noqa: S311  the same every time
    victim = VICTIMS[seed % len(VICTIMS)]
    is_empty = seed % 2 == 0  # straight into the table, or through the waiting tables
    depot.run("TRUNCATE depot.items")
    depot.run("DROP SCHEMA IF EXISTS groundwork_flow CASCADE")
    if not is_empty:  # half of the rows are there with other values
        depot.run(f"INSERT INTO depot.items SELECT n, 'old', 0 FROM generate_series(1, {ROWS}, 2) AS n")
    with Proxy(server.port) as proxy:
        direct = make_url(server.url("loader", "loader", "depot"))
        url = direct.set(port=proxy.port).render_as_string(hide_password=False)
        pid = worker.start(depot, url)
        time.sleep(chosen.uniform(0.05, 0.7))
        if victim == "worker":
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        elif victim == "server":
            server.kill()
        else:
            proxy.cut()
        status = worker.end()
        assert status in {0, 3, -signal.SIGKILL}, f"{victim} died, and the load ended with {status}"
        if victim == "server":
            depot.engine.dispose()
            server.start()
        worker.start(depot, url)
        assert worker.end() == 0
    _must_be_whole(depot, is_empty=is_empty)


def _must_be_whole(depot: Depot, *, is_empty: bool) -> None:
    lines = (depot.folder / FILE).read_text(encoding="utf-8").splitlines()[1:]
    good = {int(key): (name, price) for key, name, price in (line.split(",") for line in lines) if price != "none"}
    found = {row[0]: (row[1], str(row[2])) for row in depot.rows("SELECT item_id, name, price FROM depot.items")}
    kept = {key: ("old", "0.00") for key in range(1, ROWS + 1, 2) if key not in good} if not is_empty else {}
    assert found == {**good, **kept}
    books = depot.rows(
        "SELECT state, read, loaded + updated + unchanged + quarantined + duplicates, quarantined "
        "FROM groundwork_flow.load ORDER BY load_id"
    )
    # A load that had committed before it was hit is there as well, and the retry found its rows.
    assert 1 <= len(books) <= 2
    assert all(row == ("finished", ROWS, ROWS, BROKEN) for row in books)
    last = "(SELECT max(load_id) FROM groundwork_flow.load)"
    assert depot.rows(f"SELECT count(*) FROM groundwork_flow.quarantine WHERE load_id = {last}") == [(BROKEN,)]
    assert depot.leftovers() == []
    temporary = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"
    until(lambda: depot.rows(temporary) == [(0,)], "the end of the temporary tables, which go when their sessions end")
