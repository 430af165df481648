"""Remedies that let the next try run on another server: a replica for tasks that read, a fallback for any.

Nothing is changed anywhere: the server is looked at, and the next try is told. Only what people declared is used
(`groundwork.orbt.tries.alternative_policy`), and only when it is shown to be what they declared.
"""

# groundwork: allow-file raw_sql,own_session looks at the servers that tasks are about to run on

from __future__ import annotations

import re
from abc import abstractmethod
from typing import ClassVar

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Alternative, AlternativeKind
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene
from groundwork.orbt.remedies.target import look
from groundwork.orbt.tries.alternative_policy import AlternativePolicy, Choice, read_alternative_policy
from groundwork.store.target_identity import Identity, TargetIdentities

MAX_LAG_SECONDS = 300.0  # where the policy names none
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")  # as drivers tell a statement
# A standby that hears from its primary and has replayed all it got lags by nothing; else its newest change tells. Of
# the receiver a plain role sees no more than that there is one: it ends with its connection to the primary.
_STATE = text(
    """
    SELECT pg_is_in_recovery() AS is_standby,
           current_setting('transaction_read_only') = 'on' AS is_read_only,
           CASE WHEN NOT pg_is_in_recovery() THEN 0
                WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                     AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS lag_seconds,
           to_regclass(:table) IS NOT NULL AS has_table
    """
)


class _OtherConnection(Remedy):
    """Let the next tries run on another connection."""

    limits = Limits(seconds=20, blast_radius="the next tries of this task instance")
    way_back = "the alternative ends with the task's success, or when the breaker of the first choice closes"
    needs_store: ClassVar[bool] = False

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The other connection, looked at."""
        alternative = self._found(scene)
        return (f"run the next try on `{alternative.instead}`: {alternative.reason}",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Tell the next try."""
        alternative = self._found(scene)
        journal.use(alternative)
        journal.note(f"the next try runs on `{alternative.instead}`: {alternative.reason}")

    @abstractmethod
    def _found(self, scene: Scene) -> Alternative:
        """The connection, looked at. Raises: RemedyRefusedError when it will not do."""


class UseReplica(_OtherConnection):
    """Let the next try read from the declared replica."""

    name = "use_replica"
    summary = "lets the next try read from the declared replica, when that is close enough behind"

    def _found(self, scene: Scene) -> Alternative:
        policy, first, choice = _declared(scene)
        if choice.replica is None:
            raise RemedyRefusedError(f"no replica of `{first}` is declared in governance/policies/alternatives.yaml")
        if not (policy.only_reads(scene.task_try, scene.circumstances) or _is_select(scene.statement)):
            raise RemedyRefusedError(
                f"nothing shows that the task only reads `{first}`; when it does, add it to `readers` in the policy"
            )
        with _engine(scene, choice.replica).connect() as connection:
            state = _state(connection, scene.circumstances.table)
            identity = look(connection)
        if not state.is_standby:
            raise RemedyRefusedError(f"`{choice.replica}` is no standby: it may hold other data than `{first}`")
        _require_same_data(scene, first, identity)
        limit = choice.max_lag_seconds or MAX_LAG_SECONDS
        if state.lag_seconds is None or state.lag_seconds > limit:
            lag = "unknown" if state.lag_seconds is None else f"{state.lag_seconds:.0f} s"
            raise RemedyRefusedError(f"`{choice.replica}` is behind by {lag}, and {limit:g} s are allowed")
        return Alternative(
            kind=AlternativeKind.REPLICA,
            names=first,
            instead=choice.replica,
            reason=f"a standby that is {state.lag_seconds:.0f} s behind at most",
        )


class UseFallback(_OtherConnection):
    """Let the next try run on the declared fallback database."""

    name = "use_fallback"
    summary = "lets the next try run on the declared fallback database, when that takes writes and is another server"
    cost: ClassVar[int] = 3

    def _found(self, scene: Scene) -> Alternative:
        _, first, choice = _declared(scene)
        if choice.fallback is None:
            raise RemedyRefusedError(f"no fallback of `{first}` is declared in governance/policies/alternatives.yaml")
        fallback = _engine(scene, choice.fallback)
        if _place(fallback) == _place(scene.target):
            raise RemedyRefusedError(f"`{choice.fallback}` leads to the same server as `{first}`")
        if fallback.url.database != scene.target.url.database:
            raise RemedyRefusedError(f"`{choice.fallback}` leads to another database than `{first}`")
        with fallback.connect() as connection:
            state = _state(connection, scene.circumstances.table)
        if state.is_standby or state.is_read_only:
            raise RemedyRefusedError(f"`{choice.fallback}` takes no writes")
        if scene.circumstances.table is not None and not state.has_table:
            raise RemedyRefusedError(f"`{choice.fallback}` has no table {scene.circumstances.table}")
        return Alternative(
            kind=AlternativeKind.FALLBACK,
            names=first,
            instead=choice.fallback,
            reason="another server with a database of the same name, and it takes writes",
        )


def _declared(scene: Scene) -> tuple[AlternativePolicy, str, Choice]:
    first = scene.circumstances.target
    if first is None:
        raise RemedyRefusedError("which connection failed is not known")
    if scene.target.dialect.name != "postgresql":
        raise RemedyRefusedError(f"`{first}` is no PostgreSQL")
    try:
        policy = read_alternative_policy(scene.project)
    except ConfigError as wrong:
        raise RemedyRefusedError(str(wrong)) from wrong
    return policy, first, policy.choice(first, scene.circumstances.table)


def _engine(scene: Scene, connection_id: str) -> Engine:
    try:
        return scene.engine_of(connection_id)
    except ConfigError as wrong:
        raise RemedyRefusedError(str(wrong)) from wrong


def _state(connection: Connection, table: str | None) -> Row[tuple[bool, bool, float | None, bool]]:
    connection.execute(text("SET LOCAL statement_timeout = '5s'"))
    quoted = None
    if table is not None:
        quote = connection.dialect.identifier_preparer.quote
        quoted = ".".join(map(quote, table.split(".", 1)))
    return connection.execute(_STATE, {"table": quoted}).one()


def _require_same_data(scene: Scene, first: str, found: Identity) -> None:
    """Where it is remembered what the first choice is, the replica has to be its copy; else the same name has to do."""
    expected = None
    if scene.store is not None:
        try:
            expected = TargetIdentities(scene.store).of(first)
        except SQLAlchemyError:
            expected = None
    if expected is not None and not expected.is_same(found):
        raise RemedyRefusedError(f"the standby is a copy of another database than `{first}`")
    if expected is None and found.database != scene.target.url.database:
        raise RemedyRefusedError(f"the standby has the database {found.database}, not {scene.target.url.database}")


def _place(engine: Engine) -> tuple[str | None, int]:
    return engine.url.host, engine.url.port or 5432


def _is_select(statement: str | None) -> bool:
    """Whether the statement that failed is one query that changes nothing."""
    if not statement:
        return False
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = sqlglot.parse(_PLACEHOLDER.sub("NULL", statement), read="postgres")
    except SqlglotError:
        return False
    changing = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.Create, exp.Drop, exp.Command)
    return len(found) == 1 and isinstance(found[0], exp.Query) and found[0].find(*changing) is None
