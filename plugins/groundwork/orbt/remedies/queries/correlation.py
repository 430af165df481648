"""Statistics over columns that go together: taking them for independent, the planner expects far fewer rows."""

# groundwork: allow-file raw_sql,own_session,direct_driver a remedy makes and drops statistics on the server

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.session import run
from groundwork.model.fault import Change
from groundwork.orbt.classify import sqlstate
from groundwork.orbt.remedies.queries.contract_tables import contract_tables
from groundwork.orbt.remedies.queries.index_candidates import restricted
from groundwork.orbt.remedies.queries.plans import Node, Plan
from groundwork.orbt.remedies.queries.statement import Statement, failed, limit_statements, looking
from groundwork.orbt.remedies.queries.timing import is_faster, measure
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

_TABLE = text(
    """
    SELECT class.oid, pg_has_role(class.relowner, 'USAGE') AS is_owned, class.relkind IN ('r', 'p') AS is_table,
           ARRAY(SELECT ARRAY(SELECT attname::text FROM pg_attribute AS attribute
                              WHERE attrelid = stxrelid AND attnum = ANY (stxkeys) ORDER BY attname)::text
                 FROM pg_statistic_ext WHERE stxrelid = class.oid) AS known
    FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = :schema AND class.relname = :table
    """
)
_MADE = text(
    "SELECT stxrelid::bigint AS table_oid FROM pg_statistic_ext JOIN pg_namespace AS space ON space.oid = stxnamespace "
    "WHERE space.nspname = :schema AND stxname = :name"
)
_OFF = 10.0  # times by which an estimate has to be wrong
_MOST_COLUMNS = 8  # of extended statistics in PostgreSQL
_CANCELLED = "57014"
_LOOK_SECONDS = 15.0
_TIME_SECONDS = 10.0  # for which the statement is run to count its rows, and to be timed


@dataclass(frozen=True, kw_only=True)
class _Wrong:
    """A table whose rows were estimated wrongly by conditions on several columns."""

    schema: str
    table: str
    columns: tuple[str, ...]
    expected: float
    found: float


class ExtendStatistics(Remedy):
    """Let the planner know which columns go together, and keep that only if the statement got faster."""

    name = "extend_statistics"
    summary = (
        "tells the planner which columns of a table go together, where it misjudged them; dropped unless that helped"
    )
    limits = Limits(
        seconds=180,
        lock="SHARE UPDATE EXCLUSIVE",
        blast_radius="new statistics on one table of a contract that our role owns",
    )
    way_back = "the statistics are dropped"
    is_writing = True
    cost: ClassVar[int] = 3

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The statistics that would be made; the statement is run to count its rows."""
        wrong = self._wanted(scene, failed(scene))
        return (f"CREATE STATISTICS on {_told(wrong)}, kept only if the failed statement gets faster",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Make them, compare, keep or leave them to be dropped."""
        statement = failed(scene)
        limit = float(scene.settings.get("time_seconds", _TIME_SECONDS))
        wrong = self._wanted(scene, statement)
        before = measure(scene.target, statement, limit)
        name, table = _name(wrong), sql.Identifier(wrong.schema, wrong.table).as_string()
        with scene.target.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            row = connection.execute(_TABLE, {"schema": wrong.schema, "table": wrong.table}).one()
            journal.will(f"create statistics {name} on {table}", schema=wrong.schema, name=name, table_oid=row.oid)
            made, columns = sql.Identifier(wrong.schema, name), map(sql.Identifier, wrong.columns)
            create = sql.SQL("CREATE STATISTICS {} (dependencies, mcv) ON {} FROM {}").format(
                made, sql.SQL(", ").join(columns), sql.Identifier(wrong.schema, wrong.table)
            )
            run(connection, create.as_string())
            run(connection, f"ANALYZE {table}")
        after = measure(scene.target, statement, limit)
        if not is_faster(before, after):
            raise RemedyRefusedError(f"with statistics on {_told(wrong)} it is not faster: {before}, then {after}")
        journal.note(f"created statistics {name} on {_told(wrong)}: {before}, now {after}")

    def undo(self, scene: Scene, change: Change) -> str:
        """Drop the statistics when they are the ones that were made."""
        facts = change.facts
        with scene.target.begin() as connection:
            row = connection.execute(_MADE, {"schema": facts["schema"], "name": facts["name"]}).first()
            if row is None or row.table_oid != facts["table_oid"]:
                return f"statistics {facts['name']} are not there"
            run(connection, "SET LOCAL lock_timeout = '10s'")
            gone = sql.SQL("DROP STATISTICS IF EXISTS {}").format(sql.Identifier(facts["schema"], facts["name"]))
            run(connection, gone.as_string())
        return f"dropped statistics {facts['name']}"

    def _wanted(self, scene: Scene, statement: Statement) -> _Wrong:
        reasons = []
        seconds = float(scene.settings.get("time_seconds", _TIME_SECONDS))
        with looking(scene.target, _LOOK_SECONDS) as connection:
            for wrong in _misjudged(_counted(connection, statement, seconds)):
                obstacle = _obstacle(connection, wrong, scene)
                if obstacle is None:
                    return wrong
                reasons.append(f"{_told(wrong)}: {obstacle}")
        raise RemedyRefusedError(
            f"no statistics would help: {'; '.join(reasons) or 'the planner judged its conditions well'}"
        )


def _counted(connection: Connection, statement: Statement, seconds: float) -> Plan:
    """The plan with the rows that were really there, for which the statement may run so long.

    Raises: RemedyRefusedError when the statement may not be run for that, or does not end in time.
    """
    if not statement.is_harmless(connection):
        raise RemedyRefusedError("the statement does more than read, so it is not run to count its rows")
    limit_statements(connection, seconds)
    try:
        found = statement.execute(connection, "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON, VERBOSE) ").scalar_one()
    except DBAPIError as error:
        if sqlstate(error) == _CANCELLED:
            raise RemedyRefusedError("the statement does not end in time, so its rows cannot be counted") from error
        raise
    limit_statements(connection, _LOOK_SECONDS)
    plans = json.loads(found) if isinstance(found, str) else found
    return Plan(root=plans[0]["Plan"])


def _misjudged(plan: Plan) -> list[_Wrong]:
    """The tables whose conditions on several columns let in far more or fewer rows than planned, the worst first."""
    found = [each for node in plan.nodes if (each := _wrong(node)) is not None]
    return sorted(found, key=lambda each: -abs(each.found - each.expected))


def _wrong(node: Node) -> _Wrong | None:
    if "Relation Name" not in node or not int(node.get("Actual Loops", 0)):
        return None
    equal, _ = restricted(node, str(node.get("Alias")))
    expected, found = max(float(node["Plan Rows"]), 1.0), max(float(node["Actual Rows"]), 1.0)
    if len(equal) < 2 or max(expected / found, found / expected) < _OFF:
        return None
    return _Wrong(
        schema=str(node["Schema"]),
        table=str(node["Relation Name"]),
        columns=equal[:_MOST_COLUMNS],
        expected=expected,
        found=found,
    )


def _obstacle(connection: Connection, wrong: _Wrong, scene: Scene) -> str | None:
    row = connection.execute(_TABLE, {"schema": wrong.schema, "table": wrong.table}).one()
    is_any_table = bool(scene.settings.get("any_table", False))
    if not row.is_table or not row.is_owned:
        return "our role does not own it"
    if not is_any_table and (wrong.schema, wrong.table) not in contract_tables(scene.project):
        return "it is of no contract, and policy does not allow other tables"
    columns = connection.execute(text("SELECT (:columns)::text[]::text"), {"columns": sorted(wrong.columns)})
    if columns.scalar_one() in row.known:
        return "it has such statistics already"
    return None


def _name(wrong: _Wrong) -> str:
    digest = hashlib.sha256("\0".join((wrong.schema, wrong.table, *wrong.columns)).encode()).hexdigest()[:12]
    return f"st_{wrong.table.encode()[:40].decode(errors='ignore')}_{digest}"


def _told(wrong: _Wrong) -> str:
    rows = f"{wrong.found:,.0f} rows where {wrong.expected:,.0f} were planned"
    return f"{wrong.schema}.{wrong.table} ({', '.join(wrong.columns)}), {rows}"
