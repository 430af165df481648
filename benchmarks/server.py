"""A throw-away PostgreSQL for one benchmark: its own server on loopback, one database owned by an ordinary role."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine

from groundwork.local.postgres import EmbeddedPostgres, free_port

ROLE = "benchmark"
PASSWORD = "benchmark"  # noqa: S105  a throw-away server on loopback


@dataclass(frozen=True, kw_only=True)
class Throwaway:
    """The server, an engine and the address for psycopg; `folder` is for files of the benchmark."""

    server: EmbeddedPostgres
    engine: Engine
    url: str
    folder: Path


@contextmanager
def throwaway_database() -> Iterator[Throwaway]:
    """A fresh server; it and its folder are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="groundwork-benchmark-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(home=folder / "postgres", port=free_port())
    try:
        server.start()
        with server.connect() as connection:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE DATABASE {ROLE} OWNER {ROLE}")
        engine = create_engine(server.url(ROLE, PASSWORD, ROLE))
        url = server.url(ROLE, PASSWORD, ROLE).replace("+psycopg", "")
        yield Throwaway(server=server, engine=engine, url=url, folder=folder)
        engine.dispose()
    finally:
        server.stop("immediate")
        shutil.rmtree(server.place, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
