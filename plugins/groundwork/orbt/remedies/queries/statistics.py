"""The planner's statistics, made fresh where its plans may rest on old ones."""

# groundwork: allow-file raw_sql,own_session a remedy acts on the server's statistics

from __future__ import annotations

from sqlalchemy import Connection, text

from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

_STALE = text(
    """
    SELECT statistics.schemaname AS schema, statistics.relname AS table_name
    FROM pg_stat_user_tables AS statistics
    JOIN pg_class AS class ON class.oid = statistics.relid
    WHERE pg_has_role(class.relowner, 'USAGE')
      AND (statistics.n_mod_since_analyze > 0.1 * statistics.n_live_tup + 50
           OR class.reltuples < 0 AND pg_relation_size(class.oid) > 0)
    ORDER BY statistics.n_mod_since_analyze DESC LIMIT 10
    """
)


class AnalyzeTables(Remedy):
    """Refresh the statistics of tables of ours whose plans may rest on old ones; at most ten, most changed first."""

    name = "analyze_tables"
    summary = "refreshes the planner's statistics of the ten tables that changed most since they were made"
    limits = Limits(seconds=90, lock="SHARE UPDATE EXCLUSIVE", blast_radius="tables that our role owns")
    way_back = "fresh statistics replace old ones; there is nothing to undo"
    is_writing = True

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The tables."""
        with scene.target.connect() as connection:
            names = _stale(connection)
        if not names:
            raise RemedyRefusedError("the planner's statistics are fresh")
        return tuple(f"ANALYZE {name}" for name in names)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Analyze them."""
        with scene.target.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            names = _stale(connection)
            if not names:
                raise RemedyRefusedError("the planner's statistics are fresh")
            connection.execute(text("SET statement_timeout = '60s'"))
            for name in names:
                connection.execute(text(f"ANALYZE {name}"))
            connection.execute(text("RESET statement_timeout"))
        journal.note(f"refreshed the planner's statistics of {', '.join(names)}")


def _stale(connection: Connection) -> list[str]:
    quote = connection.dialect.identifier_preparer.quote
    return [f"{quote(row.schema)}.{quote(row.table_name)}" for row in connection.execute(_STALE)]
