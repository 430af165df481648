"""The table that a failure is about: what the server, the error or the task names, found in a contract and in place."""

# groundwork: allow-file raw_sql,own_session remedies act on the database that the failed task used

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.read import read_domain
from groundwork.flow.pipelines.catalogue import read_catalogue
from groundwork.flow.quarantine.live_row import live_columns
from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.orbt.remedies.remedy import RemedyRefusedError, Scene

LOCK_SECONDS = 5  # longest wait for a lock: whoever holds the table longer is at work, and the fault can wait
_CHAIN_LIMIT = 20
_SETTINGS = (  # one meaning of a text, whatever the server's or the role's defaults are
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL xmloption = 'content'",
)
_ROOT = text(
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.oid = pg_partition_root(to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text))))"
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A table of a contract with its whole domain; it stands in the database with every declared column."""

    domain: Domain
    table: TableContract

    @property
    def place(self) -> tuple[str, str]:
        """Schema and name."""
        return self.table.schema, self.table.name

    @property
    def name(self) -> str:
        """`schema.name`, for people."""
        return self.table.qualified_name


@contextmanager
def bounded(engine: Engine, seconds: float, *, is_reading: bool = False) -> Iterator[Connection]:
    """A connection in a transaction in which no statement runs or waits for ever.

    Groundwork's own errors become refusals: nothing was changed then.
    """
    try:
        with engine.connect() as connection, connection.begin():
            if is_reading:
                connection.execute(text("SET TRANSACTION READ ONLY"))
            for setting in _SETTINGS:
                connection.execute(text(setting))
            connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
            connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_SECONDS * 1000}"))
            yield connection
    except GroundworkError as error:
        raise refusal(error) from error


def refusal(error: GroundworkError) -> RemedyRefusedError:
    """An error of ours as the reason why a remedy does nothing, in one line."""
    parts = (("where", error.where), ("expected", error.expected), ("found", error.found), ("next", error.next_step))
    told = [error.what, *(f"{label}: {value}" for label, value in parts if value is not None)]
    return RemedyRefusedError(" — ".join(" ".join(str(each).split()) for each in told))


def subject_of(scene: Scene) -> Subject:
    """The table that the scene's failure is about.

    Raises: RemedyRefusedError when nothing names one, no contract declares it, or the database has another one.
    """
    found = _declared(scene)
    with bounded(scene.target, LOCK_SECONDS, is_reading=True) as connection:
        there = {column.name for column in live_columns(connection, *found.place)}
    missing = [column.name for column in found.table.columns if column.name not in there]
    if missing:
        what = f"lacks {', '.join(missing)}" if there else "is not there"
        raise RemedyRefusedError(
            f"this cannot be shown to be the right database: the declared table {found.name} {what}"
        )
    return found


def subject_named(scene: Scene, name: str) -> Subject:
    """The declared table called `schema.name`, wherever it stands.

    Raises: RemedyRefusedError when no contract, or more than one domain, declares it.
    """
    contracts = scene.project / "governance" / "contracts"
    domains = sorted({domain for domain, known in read_catalogue(contracts).tables if known == name})
    if len(domains) > 1:
        raise RemedyRefusedError(f"several domains have a table {name}: {', '.join(domains)}")
    if not domains:
        raise RemedyRefusedError(f"no contract declares the table that is meant: {name}")
    try:
        domain = read_domain(domains[0], contracts)
        return Subject(domain=domain, table=domain.table(name))
    except ConfigError as error:
        raise refusal(error) from error


def _declared(scene: Scene) -> Subject:
    known = {name for _, name in read_catalogue(scene.project / "governance" / "contracts").tables}
    named = list(dict.fromkeys(_named(scene)))
    found = next((name for name in named if name in known), None)
    if found is not None:
        return subject_named(scene, found)
    if not named:
        raise RemedyRefusedError("neither the error nor the task says which table is meant")
    raise RemedyRefusedError(f"no contract declares the table that is meant: {', '.join(named)}")


def _named(scene: Scene) -> Iterator[str]:
    """Names of tables, the surest first: the server's own word, then the error's, then the task's."""
    error, seen = scene.error, 0
    while error is not None and seen < _CHAIN_LIMIT:
        diagnosis = getattr(getattr(error, "orig", error), "diag", None)
        schema, table = getattr(diagnosis, "schema_name", None), getattr(diagnosis, "table_name", None)
        if schema and table:
            yield from _roots(scene.target, schema, table)
        where = getattr(error, "where", None)
        if isinstance(error, GroundworkError) and isinstance(where, str):
            yield where.partition(",")[0].strip()
        error, seen = getattr(error, "orig", None) or error.__cause__ or error.__context__, seen + 1
    if scene.circumstances.table:
        yield scene.circumstances.table


def _roots(target: Engine, schema: str, table: str) -> Iterator[str]:
    """The table, or the one that it is a partition of."""
    with bounded(target, LOCK_SECONDS, is_reading=True) as connection:
        root = connection.execute(_ROOT, {"schema": schema, "table": table}).first()
    if root is not None:
        yield f"{root[0]}.{root[1]}"
    yield f"{schema}.{table}"
