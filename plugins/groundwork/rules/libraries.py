"""What the rules know of libraries: drivers, what makes connections, engines and sessions, and what takes SQL.

Names are those the libraries document. A path is what `code.origin` makes of a value: `psycopg.connect().cursor`.
"""

from __future__ import annotations

import re

DRIVERS = (
    "psycopg", "psycopg2", "psycopg2cffi", "psycopg_pool", "psycopg_c", "psycopg_binary", "asyncpg", "aiopg",
    "pg8000", "pygresql", "pgdb", "postgresql", "pymysql", "MySQLdb", "mysql.connector", "mysqlx", "aiomysql",
    "asyncmy", "mariadb", "oursql", "sqlite3", "_sqlite3", "aiosqlite", "apsw", "pysqlite2", "pysqlite3",
    "sqlcipher3", "pyodbc", "aioodbc", "turbodbc", "pypyodbc", "ceODBC", "pymssql", "_mssql", "mssql_python", "pytds",
    "cx_Oracle", "oracledb", "cx_Oracle_async", "jaydebeapi", "clickhouse_connect", "clickhouse_driver", "asynch",
    "aiochclient", "infi.clickhouse_orm", "snowflake.connector", "redshift_connector", "databricks.sql", "trino",
    "prestodb", "pyhive", "impala", "vertica_python", "teradatasql", "ibm_db", "ibm_db_dbi", "fdb", "firebird.driver",
    "hdbcli", "nzpy", "pyathena", "pydruid", "duckdb", "adbc_driver_manager", "adbc_driver_postgresql",
    "adbc_driver_sqlite", "adbc_driver_snowflake", "adbc_driver_flightsql", "connectorx", "monetdb", "pymonetdb",
    "sqlanydb", "pg", "edgedb", "cassandra", "taosrest", "crate", "libsql", "singlestoredb", "google.cloud.sql",
)  # fmt: skip
_DRIVER = re.compile(rf"(?:{'|'.join(re.escape(name) for name in DRIVERS)})(?=[.(\[]|$)")
_CONNECTS = frozenset(
    [
        "connect", "Connect", "Connection", "AsyncConnection", "create_pool", "Pool", "ConnectionPool",
        "AsyncConnectionPool", "NullConnectionPool", "AsyncNullConnectionPool", "SimpleConnectionPool",
        "ThreadedConnectionPool", "PersistentConnectionPool", "MySQLConnection", "MySQLConnectionPool",
        "PooledMySQLDatabase", "SessionPool", "create_pool_async", "connect_async", "ConnectionPool", "Client",
        "AsyncClient", "get_client", "get_async_client", "create_client", "create_async_client",
        "SnowflakeConnection", "Database", "Cluster", "open", "DB", "dbapi", "LogicalReplicationConnection",
        "Connector", "RealDictConnection", "DictConnection", "get_session",
    ]
)  # fmt: skip
_RUNS = frozenset(  # methods of connections and cursors that send what they are given
    [
        "execute", "executemany", "executescript", "execute_async", "execute_batch", "execute_values",
        "execute_string", "fetch", "fetchrow", "fetchval", "fetch_all", "fetch_one", "fetch_val", "fetchmany_execute",
        "copy", "copy_expert", "copy_from_query", "stream", "mogrify", "callproc", "query", "query_df", "query_np",
        "query_arrow", "command", "sql", "from_query", "prepare", "exec_driver_sql", "execute_iter",
        "insert_dataframe", "execute_fetchall", "iterate", "execute_sql", "read_sql", "cursor_execute",
        "execute_insert", "executemany_async", "query_dataframe", "copy_from", "copy_to", "adbc_ingest", "SQL",
        "raw_query", "nextset_execute", "execute_query", "query_row_block_stream",
    ]
)  # fmt: skip
UNSURE_RUNS = frozenset(  # names under which values of unknown kind may take SQL; judged by what they are given
    [
        "execute", "executemany", "executescript", "exec_driver_sql", "execute_sql", "execute_query", "execute_async",
        "execute_batch", "execute_values", "execute_string", "run_query", "run_sql", "query", "sql", "raw", "fetch",
        "fetchrow", "fetchval", "fetch_all", "fetch_one", "fetch_val", "iterate", "read_sql", "read_sql_query",
        "read_sql_table", "read_database", "read_database_uri", "get_records", "get_first", "get_pandas_df", "get_df",
        "get_pandas_df_by_chunks", "get_polars_df", "copy_expert", "copy", "mogrify", "scalar", "scalars", "stream",
        "stream_scalars", "stream_results", "execute_iter", "fetch_df", "query_df", "callproc", "from_statement",
        "prepare", "cursor_execute", "run_statement", "executeQuery", "executeUpdate", "select_all", "RawSQL", "run",
        "exec", "do",
    ]
)  # fmt: skip
VAGUE_RUNS = frozenset(["run", "exec", "do", "copy", "prepare", "scalar", "stream", "fetch", "iterate"])
_HINTS = re.compile(
    r"(?:^|_)(?:cur|cursor|conn|connection|con|db|dbh|database|engine|session|sess|hook|warehouse|pg|postgres|mysql|sqlite|"
    r"duckdb|trans|transaction|tx)s?(?:$|_|\d)",
    re.IGNORECASE,
)
_CURSOR = re.compile(r"(?:.*\.cursor\(\)|\?(?:.*[._])?(?:cursor|cur|curs))", re.IGNORECASE)
_OF_CURSOR = frozenset(["execute", "executemany", "executescript", "callproc", "copy_expert", "mogrify"])
_HOOKS = (
    "Postgres|MySql|Sqlite|DbApi|Jdbc|Odbc|MsSql|Oracle|Snowflake|BigQuery|Redshift|Trino|Presto|ClickHouse|Hive|Impala|"
    "Vertica|Exasol|Drill|Druid|Pinot|Teradata|Databricks|YDB|Spanner|CloudSQL|DuckDB|Athena|SingleStore|SQL|Sql"
)
DATABASE_HOOK = re.compile(rf"(?:airflow\b.*?|\?)\w*(?:{_HOOKS})\w*Hook\(\)|.*\.get_db_hook\(\)")
_SAFE_ROOTS = (  # these take SQL as text, or words that look like it, and no database gets it
    "sqlglot.", "sqlparse.", "pglast.", "sqlfluff.", "polars.sql", "polars.SQLContext", "pandasql.",
    "logging.", "unittest.", "pytest.", "re.", "subprocess.", "groundwork.contracts.", "typer.", "click.",
    "rich.", "requests.", "httpx.", "ast.", "jinja2.", "graphql.", "gql.", "redis.", "concurrent.",
    "asyncio.", "threading.",
)  # fmt: skip
MARKERS = frozenset(  # functions that mark a text as SQL, each a refusal by itself
    [
        "sqlalchemy.text", "sqlalchemy.sql.text", "sqlalchemy.sql.expression.text",
        "sqlalchemy.sql.elements.TextClause", "sqlalchemy.TextClause", "sqlalchemy.sql.expression.TextClause",
        "sqlmodel.text", "sqlalchemy.DDL", "sqlalchemy.schema.DDL", "sqlalchemy.sql.ddl.DDL",
        "sqlalchemy.literal_column", "sqlalchemy.sql.literal_column", "sqlalchemy.sql.expression.literal_column",
        "sqlalchemy.sql.elements.literal_column", "psycopg.sql.SQL", "psycopg2.sql.SQL",
        "django.db.models.expressions.RawSQL", "django.db.models.RawSQL", "peewee.SQL", "pony.orm.raw_sql",
        "sqlalchemy.future.text", "sqlmodel.sql.expression.text", "sqlalchemy.sql.elements.text",
        "sqlalchemy.sql._elements_constructors.text",
    ]
)  # fmt: skip
_ENGINES = re.compile(
    r"(?:sqlalchemy|sqlmodel|flask_sqlalchemy)(?:\.\w+)*\."
    r"(?:create_engine|create_async_engine|engine_from_config|async_engine_from_config|create_mock_engine)"
    r"|(?:databases|records)\.Database|(?:dataset|ibis|ibis\.\w+)\.connect"
)
_ENGINE_MAKERS = (
    "create_engine",
    "create_async_engine",
    "engine_from_config",
    "async_engine_from_config",
    "get_sqlalchemy_engine",
)
_SESSIONS = frozenset(
    [
        "Session", "sessionmaker", "scoped_session", "async_sessionmaker", "AsyncSession", "async_scoped_session",
        "async_session", "create_session", "provide_session", "create_session_async", "SQLAlchemy", "SignallingSession",
        "NEW_SESSION", "AsyncSessionTransaction", "async_sessionmaker",
    ]
)  # fmt: skip
_SESSION_ROOTS = (
    "sqlalchemy.", "sqlmodel.", "flask_sqlalchemy.", "airflow.", "sqlalchemy_utils.", "flask_sqlalchemy_lite.",
    "fastapi_sqlalchemy.", "advanced_alchemy.", "zope.sqlalchemy.",
)  # fmt: skip
KNOWN_ROOTS = frozenset(
    [
        *(name.partition(".")[0] for name in DRIVERS if name.partition(".")[0] not in ("pg", "google", "crate")),
        "sqlalchemy", "sqlmodel", "airflow", "pandas", "polars", "dask", "django", "peewee", "alembic",
        "flask_sqlalchemy", "pyspark", "geopandas", "awswrangler", "modin", "importlib", "functools", "operator",
        "contextlib", "asyncio", "typing", "subprocess", "os", "sys", "sqlglot", "pglast", "sqlparse", "typer",
        "click", "pydantic", "pytest", "groundwork.access.repository",
    ]
)  # fmt: skip
PROGRAMS = frozenset(
    ["psql", "pgcli", "pg_restore", "mysql", "mariadb", "mycli", "sqlite3", "litecli", "duckdb", "sqlcmd", "sqlplus",
     "clickhouse-client", "clickhouse", "snowsql", "bq", "beeline", "trino", "usql", "isql", "pgbench"]
)  # fmt: skip


def driver_of(path: str) -> str | None:
    """The driver that a path begins with, null when it begins with none."""
    found = _DRIVER.match(path)
    return found[0] if found else None


def _last(path: str) -> str:
    return path[path.rfind(".") + 1 :]


def connects_directly(path: str) -> bool:
    """Whether calling the path opens a connection of a driver: `psycopg2.connect`, `asyncpg.create_pool`."""
    driver = driver_of(path)
    if driver is None or "(" in path:
        return False
    name = _last(path)
    return path != driver and name in _CONNECTS and not path.endswith("errors.Connection")


def runs_on_driver(path: str) -> bool:
    """Whether calling the path sends a text to a database by a driver."""
    driver = driver_of(path)
    return driver is not None and path != driver and _last(path) in _RUNS


def makes_engine(path: str) -> bool:
    """Whether calling the path makes an engine of SQLAlchemy or of a library of its kind."""
    return "(" not in path and _ENGINES.fullmatch(path) is not None


def is_engine(path: str) -> bool:
    """Whether a path is an engine."""
    if path.startswith("sqlalchemy") and path.endswith(("Engine()", "Engine")):
        return True
    return any(path.endswith(f"{name}()") for name in _ENGINE_MAKERS)


def makes_session(path: str) -> bool:
    """Whether calling the path makes a session, or a factory of sessions."""
    if not path.startswith(_SESSION_ROOTS):
        return False
    if path.endswith(("sessionmaker()", "scoped_session()", "async_scoped_session()")):
        return True
    return "(" not in path and _last(path) in _SESSIONS and "TYPE" not in path and ".models." not in path


def is_hint(path: str) -> bool:
    """Whether the names on the way to a method say that it belongs to a database."""
    return any(_HINTS.search(part) for part in re.split(r"[.?:()\[\]']+", path)[:-1])


def runs_on_cursor(path: str) -> bool:
    """Whether calling the path sends a text by a cursor, told by its name or by the call that made it."""
    base, _, name = path.rpartition(".")
    return name in _OF_CURSOR and _CURSOR.fullmatch(base) is not None


def may_take_sql(path: str) -> bool:
    """Whether a method of something unknown may send the text that it is given."""
    name = _last(path)
    if path.startswith(_SAFE_ROOTS) or name not in UNSURE_RUNS or "." not in path:
        return False
    return name not in VAGUE_RUNS or is_hint(path)
