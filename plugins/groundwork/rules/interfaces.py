"""Where a call takes SQL: which of its arguments, and how sure it is that a database gets it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from groundwork.rules.libraries import (
    DATABASE_HOOK,
    MARKERS,
    VAGUE_RUNS,
    is_hint,
    may_take_sql,
    runs_on_cursor,
    runs_on_driver,
)


class Trust(IntEnum):
    """When what a call is given counts as SQL."""

    SENTENCE = 0  # only a text that is SQL beyond doubt
    HINTED = 1  # a text that may be SQL: the names say that a database takes it
    TEXT = 2  # any text: the library takes SQL there, but other things too
    ANYTHING = 3  # whatever it is: nothing but SQL goes there


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A call that takes SQL: `how` says in words what it is, `position` counts from 0 (null: only by name)."""

    how: str
    position: int | None = 0
    names: tuple[str, ...] = ("sql", "query", "statement", "operation", "stmt", "clause", "text")
    trust: Trust = Trust.ANYTHING
    takes_table: bool = False


_FRAMES = re.compile(
    r"(?:pandas|polars|dask|geopandas|modin|awswrangler|pyspark|cudf|vaex|ibis|petl|connectorx|agate)\b.*"
)
_FRAME_READS = re.compile(
    r"read_sql\w*|read_database\w*|read_postgis|from_postgis|fromdb|todb|SQLDatabase|sql_query|from_sql\w*"
)
_FRAME_WRITES = ("to_sql", "write_database", "to_postgis")
_HOOK_RUNS = frozenset(
    ["get_records", "get_first", "get_pandas_df", "get_pandas_df_by_chunks", "get_df", "get_df_by_chunks",
     "get_polars_df", "run", "copy_expert", "bulk_dump", "bulk_load", "insert_rows", "run_query", "insert_job",
     "get_records_async"]
)  # fmt: skip
_HOOK_TABLES = frozenset(["bulk_dump", "bulk_load", "insert_rows"])
_OPERATOR_SQL = ("sql", "bql", "hql", "query", "partition_clause", "sql_statement", "statement")
_ALCHEMY_RUNS = frozenset(["execute", "scalar", "scalars", "stream", "stream_scalars", "from_statement", "run_sync"])
_ALCHEMY = ("sqlalchemy.", "sqlmodel.", "flask_sqlalchemy.", "airflow.utils.session.", "airflow.settings.")
_DJANGO = re.compile(r"django\.db\b.*\.(?:execute|executemany|raw|extra|callproc)")
_ALEMBIC = ("alembic.op.execute", "alembic.operations.Operations.execute")
_PEEWEE = frozenset(["execute_sql", "raw"])


def interface_of(path: str, argument_count: int, keywords: frozenset[str]) -> Interface | None:
    """How a call of this path takes SQL; null when it does not, as far as its path tells."""
    name = path[path.rfind(".") + 1 :]
    return (
        _driver(path, name)
        or _frames(path, name, argument_count, keywords)
        or _airflow(path, name, keywords)
        or _library(path, name)
        or _unknown(path, name)
    )


def _driver(path: str, name: str) -> Interface | None:
    if path in MARKERS:
        trust = Trust.TEXT if name == "literal_column" else Trust.ANYTHING
        return Interface(how=f"`{_short(path)}()`", trust=trust)
    if runs_on_driver(path):
        position = 1 if name in ("execute_values", "execute_batch") else 0
        return Interface(how=f"`{name}()` of a driver", position=position)
    if runs_on_cursor(path):
        return Interface(how=f"`{name}()` of a cursor")
    return Interface(how="`exec_driver_sql()`") if name == "exec_driver_sql" else None


def _library(path: str, name: str) -> Interface | None:
    if path.startswith(_ALCHEMY) and name in _ALCHEMY_RUNS:
        return Interface(how=f"`{name}()` of SQLAlchemy", trust=Trust.TEXT)
    if path in _ALEMBIC or _DJANGO.fullmatch(path) or (path.startswith("peewee.") and name in _PEEWEE):
        return Interface(how=f"`{_short(path)}()`")
    return None


def _unknown(path: str, name: str) -> Interface | None:
    if not may_take_sql(path):
        return None
    is_hinted = is_hint(path) and name not in VAGUE_RUNS
    return Interface(how=f"`{name}()`", trust=Trust.HINTED if is_hinted else Trust.SENTENCE)


def _frames(path: str, name: str, argument_count: int, keywords: frozenset[str]) -> Interface | None:
    if _FRAMES.match(path) and _FRAME_READS.fullmatch(name):
        return Interface(how=f"`{_short(path)}()`", position=1 if name == "read_sql_uri" else 0)
    if name in _FRAME_WRITES and (argument_count > 1 or keywords & {"con", "connection", "engine", "if_table_exists"}):
        return Interface(how=f"`{name}()` of a data frame", names=("name", "table_name"), takes_table=True)
    if path.startswith(("pyspark.", "?spark")) and name == "jdbc":
        return Interface(how="`jdbc()` of Spark", names=("table", "dbtable"), position=1, takes_table=True)
    return None


def _airflow(path: str, name: str, keywords: frozenset[str]) -> Interface | None:
    if DATABASE_HOOK.fullmatch(path.rpartition(".")[0]) and name in _HOOK_RUNS:
        return Interface(how=f"`{name}()` of a hook", takes_table=name in _HOOK_TABLES, names=("sql", "table", "query"))
    made = re.sub(r"(?:\.partial\(\))?\.(?:partial|expand)$", "", path)
    is_operator = path.startswith("airflow.") and "(" not in made and made[made.rfind(".") + 1 :][:1].isupper()
    if is_operator and keywords & set(_OPERATOR_SQL):
        is_sure = bool(keywords & {"sql", "bql", "hql"})
        trust = Trust.ANYTHING if is_sure else Trust.SENTENCE
        return Interface(how=f"`{made[made.rfind('.') + 1 :]}`", position=None, names=_OPERATOR_SQL, trust=trust)
    return None


def _short(path: str) -> str:
    bare = re.sub(r"\([^)]*\)|\[[^]]*\]", "", path)
    first, _, rest = bare.partition(".")
    last = rest.rpartition(".")[2]
    return f"{first}.{last}" if last else first
