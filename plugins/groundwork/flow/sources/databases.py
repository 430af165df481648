"""Other databases as places to read from: engines of named connections, and queries that may only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, NoSuchTableError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from groundwork.flow.resources import ConnectionFacts
from groundwork.model.errors import ConfigError, RetriableError

_DRIVERS: Mapping[str, tuple[str, str]] = {
    "postgres": ("postgresql+psycopg", "postgres"),
    "postgresql": ("postgresql+psycopg", "postgres"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mysql+pymysql", "mysql"),
    "sqlite": ("sqlite", "sqlite"),
}
_CONNECT_SECONDS = 15
_BEGINNINGS = {
    "postgresql": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SET LOCAL datestyle = 'ISO, MDY'"),
    "mysql": ("SET time_zone = '+00:00'",),
    "sqlite": (),
}
_ACCESS = ("28", "3D000", "42")  # classes of PostgreSQL's states for credentials, databases, names and rights
_MYSQL_ACCESS = frozenset({1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146})


def open_database(facts: ConnectionFacts) -> Engine:
    """An engine of the connection, which keeps no session open.

    Raises: ConfigError for a kind of database that cannot be read.
    """
    if facts.kind not in _DRIVERS:
        raise ConfigError(
            "the connection is of no database that can be read",
            where=f"connection {facts.name}",
            expected=", ".join(sorted(_DRIVERS)),
            found=facts.kind,
            next_step="name another connection in the contract",
        )
    driver, _ = _DRIVERS[facts.kind]
    if driver == "sqlite":
        return _sqlite(facts)
    seconds = {"connect_timeout": _CONNECT_SECONDS}
    options: dict[str, str | int] = {**seconds, "charset": "utf8mb4"} if driver.startswith("mysql") else {**seconds}
    if (socket := facts.extra.get("unix_socket")) and driver.startswith("mysql"):
        options["unix_socket"] = str(socket)
    if (mode := facts.extra.get("sslmode")) and not driver.startswith("mysql"):
        options["sslmode"] = str(mode)
    url = URL.create(
        driver,
        username=facts.login or None,
        password=facts.password or None,
        host=facts.host or None,
        port=facts.port,
        database=facts.database or None,
    )
    # groundwork: allow own_engine another database's engine, from facts that the caller has resolved
    return create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)


def _sqlite(facts: ConnectionFacts) -> Engine:
    import sqlite3
    from pathlib import Path
    from urllib.parse import quote

    path = facts.host or facts.database
    if not path or not Path(path).is_absolute():
        raise ConfigError(
            "the connection names no SQLite file",
            where=f"connection {facts.name}",
            expected="the absolute path of the file as host",
            found=path,
            next_step="correct the connection",
        )
    address = f"file:{quote(path)}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=_CONNECT_SECONDS, check_same_thread=False)

    # groundwork: allow own_engine another database's engine, from facts that the caller has resolved
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _read_bytes(connection: sqlite3.Connection, _: object) -> None:
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    return engine


@contextmanager
def reading(engine: Engine, where: str) -> Iterator[Connection]:
    """A connection in a transaction that sees one state of the database and changes nothing.

    Raises: RetriableError when the database is lost; ConfigError when it refuses or has no such thing.
    """
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            for statement in _BEGINNINGS[engine.dialect.name]:
                connection.execute(text(statement))
            if engine.dialect.name == "mysql":
                _mysql_snapshot(connection)
            yield connection
            transaction.rollback()
    except NoSuchTableError as error:
        raise _unreadable(where, f"no table {error}") from error
    except DBAPIError as error:
        told = str(error.orig).splitlines()[0] if str(error.orig) else type(error).__name__
        if isinstance(error, OperationalError | InterfaceError) and not _is_refusal(error):
            raise RetriableError(
                "the database of the source was lost",
                where=where,
                found=told,
                next_step="run the load again when the database can be reached; nothing of it was loaded",
            ) from error
        raise _unreadable(where, told) from error
    except SQLAlchemyError as error:
        raise _unreadable(where, str(error).splitlines()[0]) from error


def _mysql_snapshot(connection: Connection) -> None:
    """One state for all statements of this transaction; the driver's own transaction has not read anything yet."""
    connection.execute(text("COMMIT"))
    connection.execute(text("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    connection.execute(text("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"))


def _is_refusal(error: DBAPIError) -> bool:
    """Whether trying again is of no use: wrong credentials, no such table."""
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state).startswith(_ACCESS)
    arguments = getattr(error.orig, "args", ())
    if arguments and arguments[0] in _MYSQL_ACCESS:
        return True
    told = str(error.orig)
    return any(words in told for words in ("no such table", "no such column", "password authentication failed"))


def _unreadable(where: str, found: str) -> ConfigError:
    return ConfigError(
        "the source's table or query cannot be read",
        where=where,
        found=found,
        next_step="correct `source` in the contract, or the rights of the connection",
    )


def only_select(query: str, dialect: str, where: str) -> str:
    """The query, parsed and written anew, when it is one SELECT that reads and locks nothing.

    Raises: ConfigError when it is anything else.
    """
    import sqlglot
    from sqlglot import exp

    try:
        found = sqlglot.parse(query, dialect=_DRIVERS[dialect][1])
    except sqlglot.errors.SqlglotError as error:
        raise _refused(where, str(error).splitlines()[0]) from error
    if len(found) != 1 or not isinstance(found[0], exp.Select | exp.SetOperation):
        kinds = ", ".join(type(each).__name__ for each in found) or "nothing"
        raise _refused(where, f"{len(found)} statements" if len(found) > 1 else kinds)
    forbidden = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.DDL, exp.Into, exp.Lock, exp.Command, exp.Parameter)
    parts = [each for each in found[0].find_all(*forbidden) if not isinstance(each, exp.Query)]
    if parts:
        raise _refused(where, type(parts[0]).__name__)
    return found[0].sql(dialect=_DRIVERS[dialect][1], comments=False)


def _refused(where: str, found: str) -> ConfigError:
    return ConfigError(
        "the query of the source is not one SELECT that only reads",
        where=f"{where}, source.query",
        expected="a single SELECT",
        found=found,
        next_step="correct it in the contract",
    )
