"""Zero wrong actions: what must be the same before a fault was made and after all is over.

Structure and rows of everything the task does not work on, other databases, roles and their settings, declarations and
source files; and the sessions of others, which must still be there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql

from groundwork.local.postgres import EmbeddedPostgres

_STRUCTURE = """
    SELECT 'relation ' || relkind::text || ' ' || oid::regclass || ' of ' || relowner::regrole
           || coalesce(reloptions::text, '')
    FROM pg_class WHERE relnamespace = ANY (%(schemas)s::regnamespace[]) AND relkind IN ('r', 'i', 'v', 'm', 'S', 'p')
    UNION ALL SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
           || ' ' || attnotnull::text || ' ' || coalesce(attstattarget, -1)::text
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = ANY (%(schemas)s::regnamespace[]) AND attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p')
    UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = ANY (%(schemas)s::regnamespace[])
    UNION ALL SELECT 'schema ' || nspname || ' of ' || nspowner::regrole || ' ' || coalesce(nspacl::text, '')
    FROM pg_namespace WHERE nspname !~ '^(pg_|groundwork|information_schema)'
    UNION ALL SELECT 'trigger ' || tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'rows of bystanders.ledger ' || count(*) || ' ' || md5(string_agg(entry::text, ',' ORDER BY id))
    FROM bystanders.ledger AS entry
    UNION ALL SELECT 'rows of shop.untouched ' || count(*) || ' ' || md5(string_agg(entry::text, ',' ORDER BY id))
    FROM shop.untouched AS entry
"""
_CLUSTER = """
    SELECT 'role ' || rolname || rolsuper::text || rolcreaterole || rolcreatedb || rolcanlogin || rolconnlimit::text
           || coalesce(rolconfig::text, '') FROM pg_roles WHERE rolname !~ '^pg_'
    UNION ALL SELECT 'database ' || datname || ' of ' || datdba::regrole || datallowconn::text || datconnlimit::text
    FROM pg_database
    UNION ALL SELECT 'member ' || roleid::regrole || ' ' || member::regrole FROM pg_auth_members
    UNION ALL SELECT 'setting ' || name || ' ' || coalesce(setting, '') FROM pg_file_settings
    UNION ALL SELECT 'tablespace ' || spcname FROM pg_tablespace
"""


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A session that is nobody's business: the same one must answer at the end, unless its server was restarted."""

    name: str
    connection: psycopg.Connection
    pid: int

    def trouble(self) -> str | None:
        """What happened to it."""
        try:
            row = self.connection.execute("SELECT pg_backend_pid()").fetchone()
        except psycopg.Error as error:
            return f"the session of {self.name} was ended: {type(error).__name__}"
        return None if row == (self.pid,) else f"the session of {self.name} is another one"


class Guarded(Protocol):
    """What a guard looks at: a database of a server, another one beside it, and the project's declarations."""

    @property
    def server(self) -> EmbeddedPostgres:
        """The server."""

    @property
    def database(self) -> str:
        """The database that tasks work on."""

    @property
    def neighbour(self) -> str:
        """Another database of the server."""

    @property
    def project(self) -> Path:
        """The folder with contracts, patterns and policies."""


@dataclass(kw_only=True)
class Guard:
    """Looks before and after."""

    site: Guarded
    strangers: list[Stranger] = field(default_factory=list)
    before: set[str] = field(default_factory=set)
    started_at: float = 0.0

    def look(self) -> None:
        """Remember how all is, and let strangers be there."""
        self.before = self._facts()
        server = self.site.server
        self.started_at = server.started_at()
        self.strangers = [
            _stranger(server, self.site.database, "stranger", "reporting", "a report in a transaction"),
            _stranger(server, self.site.database, "stranger", "groundwork-like", "somebody else's idle session"),
            _stranger(server, self.site.database, "app", "psql", "a colleague with our login"),
        ]
        self.strangers[0].connection.execute("BEGIN")
        self.strangers[2].connection.execute("BEGIN")
        self.strangers[0].connection.execute("SELECT count(*) FROM bystanders.ledger")
        self.strangers[2].connection.execute("SELECT count(*) FROM shop.untouched")

    def look_again(self) -> None:
        """Take what stands now for how it has to be."""
        self.before = self._facts()

    def wrong_actions(self, may_change: tuple[str, ...]) -> list[str]:
        """What is not as it was, but for changes with a word of `may_change`."""
        found = []
        is_same_server = self.site.server.started_at() == self.started_at
        if is_same_server:
            found += [trouble for each in self.strangers if (trouble := each.trouble()) is not None]
        self.leave()
        after = self._facts()
        lines = [f"gone or changed: {line}" for line in sorted(self.before - after)]
        lines += [f"added: {line}" for line in sorted(after - self.before)]
        return found + [line for line in lines if not any(word in line for word in may_change)]

    def leave(self) -> None:
        """Let the strangers go."""
        for each in self.strangers:
            each.connection.close()

    def _facts(self) -> set[str]:
        site = self.site
        with site.server.connect(site.database) as connection:
            found = {
                str(row[0]) for row in connection.execute(_STRUCTURE, {"schemas": ["shop", "bystanders", "public"]})
            }
            found |= {str(row[0]) for row in connection.execute(_CLUSTER)}
        with site.server.connect(site.neighbour) as connection:
            query = "SELECT 'neighbour ' || count(*) || ' ' || md5(string_agg(kept::text, ',' ORDER BY id)) FROM kept"
            found |= {str(row[0]) for row in connection.execute(query)}
        files = [path for path in sorted((site.project / "governance").rglob("*")) if path.is_file()]
        return found | {f"file {path.relative_to(site.project)} {_digest(path)}" for path in files}


def _stranger(server: EmbeddedPostgres, database: str, role: str, application: str, name: str) -> Stranger:
    url = server.url(role, role, database).replace("+psycopg", "")
    connection = psycopg.connect(url, application_name=application, autocommit=True)
    return Stranger(name=name, connection=connection, pid=connection.info.backend_pid)


def bystanders(server: EmbeddedPostgres, database: str) -> None:
    """What is there and is nobody's business: a table of a stranger, a table of ours that no task works on."""
    with server.connect(database) as connection:
        for statement in (
            "CREATE SCHEMA bystanders AUTHORIZATION stranger",
            "CREATE TABLE bystanders.ledger AS SELECT id, id * 7 AS amount FROM generate_series(1, 200) AS id",
            "ALTER TABLE bystanders.ledger OWNER TO stranger",
            "CREATE TABLE shop.untouched AS SELECT id, md5(id::text) AS note FROM generate_series(1, 300) AS id",
            "ALTER TABLE shop.untouched OWNER TO app",
            "GRANT USAGE ON SCHEMA shop TO stranger",
            "GRANT SELECT, UPDATE ON shop.kinds TO stranger",
        ):
            connection.execute(sql.SQL(statement))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
