"""Statements that wait for others, run out of time, or are planned badly."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import text

from .fault import Fault, Outcome
from .history import struck_before
from .servers import ROLE
from .site import Site
from .work import PAYMENT, execute, given_kinds, given_orders, load, payment_right, rows_right

CLASS = "slow_queries"
_BLOCKED = ("SET LOCAL lock_timeout = '300ms'", *PAYMENT)
_PATIENCE_SECONDS = 120.0
_MANY = 400_000
_LOOK_UP = "(SELECT sum(amount) FROM shop.sales WHERE reference = :reference)"
_LOOK_UPS = 200
_RARE = (
    "SELECT count(*) FROM shop.sales AS a JOIN shop.sales AS b ON a.reference = b.reference "
    "WHERE a.kind = 'rare' AND b.kind = 'rare'"
)
_RARE_ROWS = 24_000
_SALES = "INSERT INTO shop.sales (id, reference, kind, amount) SELECT id, md5(id::text)"


def _pay_or_wait(site: Site) -> Any:
    return execute(site, *_BLOCKED)


def _deadlock(site: Site) -> None:
    given_kinds(site)
    for role, patience in ((ROLE, "100ms"), ("stranger", "20s")):  # so that ours is the one that is chosen
        site.admin(f"ALTER ROLE {role} SET deadlock_timeout = '{patience}'")
        site.finally_(lambda role=role: site.admin(f"ALTER ROLE {role} RESET deadlock_timeout"))  # type: ignore[misc]
    other = site.session()
    other.execute("UPDATE shop.kinds SET kind = kind WHERE id = 2")
    site.notes["other"] = other


def _pay_against(site: Site) -> Any:
    """The first try wants a row of somebody who wants a row of ours."""
    other: psycopg.Connection | None = site.notes.pop("other", None)
    waits: threading.Thread | None = None
    try:
        with site.engine().begin() as connection:
            for statement in PAYMENT:
                connection.execute(text(statement))
            if other is not None:
                waits = threading.Thread(target=other.execute, args=("UPDATE shop.kinds SET kind = kind WHERE id = 1",))
                waits.start()
                _until_it_waits(site, other.info.backend_pid)
            connection.execute(text("UPDATE shop.kinds SET kind = kind WHERE id = 2"))
    finally:
        if waits is not None and other is not None:
            waits.join(_PATIENCE_SECONDS)
            other.rollback()
    return 1


def _until_it_waits(site: Site, pid: int) -> None:
    """A deadlock is looked for once per wait, so that ours must be the last to begin one."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    query = f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"  # noqa: S608  a number
    while not site.rows(query):
        if time.monotonic() > deadline:
            raise RuntimeError("the other session does not wait")
        time.sleep(0.02)


def _pay_serializably(site: Site) -> Any:
    """During the first try somebody else changes what it has read."""
    engine = site.engine().execution_options(isolation_level="REPEATABLE READ")
    with engine.begin() as connection:
        connection.execute(text("SELECT kind FROM shop.kinds")).all()
        if site.try_number == 1:
            site.admin("UPDATE shop.kinds SET kind = kind")
        for statement in PAYMENT:
            connection.execute(text(statement))
    return 1


def _blocked(site: Site, role: str, application: str) -> psycopg.Connection:
    given_kinds(site)
    blocker = site.session(role, application)
    blocker.execute("UPDATE shop.kinds SET kind = kind WHERE id = 1")
    return blocker


def _blocked_for_a_while(site: Site) -> None:
    blocker = _blocked(site, "stranger", "reporting")
    site.at(25, blocker.rollback)


def _blocked_by_strangers(site: Site) -> None:
    blocker = _blocked(site, "stranger", "reporting")
    site.notes["blocker"] = blocker.info.backend_pid


def _blocked_by_ours(site: Site) -> None:
    """A session of ours sits in its transaction for ever; another task of ours waits for it, as this one does."""
    _blocked(site, ROLE, "groundwork:forgotten")
    sibling = site.session(ROLE, "groundwork:sibling")

    def wait() -> None:
        try:
            sibling.execute("UPDATE shop.kinds SET kind = kind WHERE id = 1")
            sibling.rollback()
        except psycopg.Error:
            return

    threading.Thread(target=wait, daemon=True).start()


def _stranger_untouched(site: Site, value: Any) -> str | None:
    alive = any(pid == site.notes["blocker"] for (pid,) in site.rows("SELECT pid FROM pg_stat_activity"))
    return payment_right(site, value) if alive else "the stranger's session was ended"


def _no_index(site: Site) -> None:
    site.admin(
        f"{_SALES}, 'sold', id % 100 FROM generate_series(1, {_MANY}) AS id",
        "ANALYZE shop.sales",
    )


def _look_up(site: Site) -> Any:
    """Few rows of many, found by a column without an index, in far less time than reading all of them over and over."""
    with site.engine().begin() as connection:
        for setting in ("statement_timeout = '2s'", "max_parallel_workers_per_gather = 0", "jit = off"):
            connection.execute(text(f"SET LOCAL {setting}"))
        query = text(f"SELECT {' + '.join([_LOOK_UP] * _LOOK_UPS)}")
        reference = "d3eb9a9233e52948740d7eb8c3062d14"  # md5 of 99999
        return connection.execute(query, {"reference": reference}).scalar()


def _looked_up(_: Site, value: Any) -> str | None:
    wanted = 99 * _LOOK_UPS
    return None if value is None or value == wanted else f"found {value}, expected {wanted}"


def _stale(site: Site) -> None:
    """What is rare is not known to be there: the planner expects one row and compares thousands with each other."""
    site.admin(
        f"{_SALES}, 'sold', 1 FROM generate_series(1, 12000) AS id",
        "ANALYZE shop.sales",
        f"{_SALES}, 'rare', 1 FROM generate_series(20001, {20_000 + _RARE_ROWS}) AS id",
    )


def _count_rare(site: Site) -> Any:
    with site.engine().begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = '4s'"))
        return connection.execute(text(_RARE)).scalar()


def _rare_right(_: Site, value: Any) -> str | None:
    return None if value in (None, _RARE_ROWS) else f"found {value}, expected {_RARE_ROWS}"


def _sleep_once(site: Site) -> Any:
    with site.engine().begin() as connection:
        if site.try_number == 1:
            connection.execute(text("SELECT pg_sleep(60)"))
        for statement in PAYMENT:
            connection.execute(text(statement))
    return 1


def _transaction_timeout(site: Site) -> Any:
    with site.engine().begin() as connection:
        if site.try_number == 1:
            connection.execute(text("SET LOCAL transaction_timeout = '200ms'"))
            connection.execute(text("SELECT pg_sleep(5)"))
        for statement in PAYMENT:
            connection.execute(text(statement))
    return 1


def _throttled(site: Site) -> None:
    """What comes through is so little that the load does not end in its time."""
    given_orders(site)
    site.world.warehouse_way.bytes_per_second = 3_000
    site.at(16, site.world.warehouse_way.restore)


def _every_day(site: Site) -> None:
    _blocked(site, "stranger", "reporting")
    now = datetime.now(UTC)
    for run in range(3):
        struck_before(site, CLASS, f"earlier{run}", at=now - timedelta(hours=5 + run))


def _slow(name: str, kind: str, **more: Any) -> Fault:
    given = {"work": _pay_or_wait, "is_right": payment_right, "outcome": Outcome.HEALED, "table": "shop.kinds", **more}
    return Fault(name=name, kind=kind, fault_class=CLASS, **given)


FAULTS = (
    _slow("deadlock", "locks", make=_deadlock, work=_pay_against),
    _slow("serialization failure", "locks", make=given_kinds, work=_pay_serializably),
    _slow("blocked for 25 s by a stranger", "locks", make=_blocked_for_a_while),
    _slow(
        "blocked for ever by a stranger",
        "locks",
        make=_blocked_by_strangers,
        is_right=_stranger_untouched,
        outcome=Outcome.ESCALATED,
    ),
    _slow("blocked for ever by a session of ours", "locks", make=_blocked_by_ours),
    _slow("blocked every day", "locks", make=_every_day, outcome=Outcome.ESCALATED),
    _slow(
        "missing index, the query runs out of time",
        "plans",
        make=_no_index,
        work=_look_up,
        is_right=_looked_up,
        table="shop.sales",
        is_writing=False,
        may_change=("index", "relation i"),
    ),
    _slow(
        "stale statistics, the query runs out of time",
        "plans",
        make=_stale,
        work=_count_rare,
        is_right=_rare_right,
        table="shop.sales",
        is_writing=False,
    ),
    _slow("task ran out of its execution timeout", "timeouts", make=given_kinds, work=_sleep_once, execution_seconds=6),
    _slow(
        "way to the server too slow for the load",
        "network",
        make=_throttled,
        work=load,
        is_right=rows_right(),
        table="shop.orders",
        execution_seconds=15,
    ),
    _slow("transaction ran out of its timeout", "timeouts", make=given_kinds, work=_transaction_timeout),
)
