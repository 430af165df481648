"""Servers, ways to them, pools and credentials that fail."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import psycopg
from sqlalchemy import text

from .fault import Fault, Outcome
from .proxy import Mode
from .servers import ROLE
from .site import Site
from .work import (
    compared,
    given_kinds,
    given_orders,
    given_sales,
    load,
    pay,
    payment_right,
    rows_right,
    total,
    total_right,
)

CLASS = "connection_failures"


def _killed_in_the_load(site: Site) -> None:
    given_orders(site, already=500)
    site.notes["middle"] = site.server.kill
    site.at(5, site.server.start)


def _killed_for_good(site: Site) -> None:
    given_sales(site)
    site.world.servers.caught_up()
    site.server.kill()


def _killed_with_a_fallback(site: Site) -> None:
    """Another server takes writes: it holds the same tables, and Airflow has a connection to it."""
    given_orders(site)
    site.notes["fallback"] = site.offer_fallback()
    site.server.kill()


def _on_the_fallback(site: Site, _: Any) -> str | None:
    query = "SELECT id, customer, quantity, price, note FROM shop.orders ORDER BY id"
    trouble = compared(site.rows(query), [])
    if trouble is not None:
        return f"on the first choice: {trouble}"
    with site.world.servers.quiet.connect(site.notes["fallback"]) as connection:
        return compared(connection.execute(query).fetchall(), site.notes["truth"])


def _killed_under_a_write(site: Site) -> None:
    given_kinds(site)
    site.server.kill()


def _stopped_for_upgrade(site: Site) -> None:
    given_orders(site)
    site.server.stop("fast")
    site.at(60, site.server.start)


def _terminated(site: Site) -> None:
    given_orders(site, already=100)
    site.notes["middle"] = lambda: site.admin(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}' "  # noqa: S608  our role
        "AND starts_with(application_name, 'groundwork') AND datname = current_database()"
    )


def _server_full(site: Site) -> None:
    given_kinds(site)
    crowd: list[psycopg.Connection] = []
    url = site.server.url("stranger", "stranger", site.database).replace("+psycopg", "")
    with contextlib.suppress(psycopg.OperationalError):
        while len(crowd) < 300:
            crowd.append(psycopg.connect(url, application_name="crowd"))

    def leave() -> None:
        while crowd:
            crowd.pop().close()

    site.finally_(leave)
    site.at(20, leave)


def _role_limit(site: Site) -> None:
    """Sessions of our own that were left behind use up what the role may have; they go by themselves."""
    given_kinds(site)
    left = [site.session(ROLE, "groundwork:left") for _ in range(4)]
    site.admin(f"ALTER ROLE {ROLE} CONNECTION LIMIT 4")

    def leave() -> None:
        for each in left:
            each.close()

    site.finally_(lambda: site.admin(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1"))
    site.at(15, leave)


def _pool_exhausted(site: Site) -> None:
    given_kinds(site)


def _pay_past_a_leak(site: Site) -> Any:
    """The first try leaks its process's connections until the pool has none left."""
    if site.try_number > 1:
        return pay(site)
    engine = site.engine().execution_options()
    engine.pool._timeout = 0.2  # type: ignore[attr-defined]  # thirty seconds prove no more than this
    leaked = []
    try:
        for _ in range(40):
            leaked.append(engine.connect())
        return pay(site)
    finally:
        site.finally_(lambda: [each.invalidate() for each in leaked])


def _rotated(site: Site) -> None:
    """The password was changed on both sides, but not for a process that has the old one in its pool."""
    given_kinds(site)
    site.admin(f"ALTER ROLE {ROLE} PASSWORD 'fresh'")
    site.finally_(lambda: site.admin(f"ALTER ROLE {ROLE} PASSWORD '{ROLE}'"))
    site.at(6, lambda: site.connect_warehouse(site.warehouse_uri(password="fresh")))  # noqa: S106  of a throw-away server


def _rotated_and_forgotten(site: Site) -> None:
    given_kinds(site)
    site.admin(f"ALTER ROLE {ROLE} PASSWORD 'fresh'")
    site.finally_(lambda: site.admin(f"ALTER ROLE {ROLE} PASSWORD '{ROLE}'"))


def _locked(site: Site) -> None:
    given_kinds(site)
    site.admin(f"ALTER ROLE {ROLE} NOLOGIN")
    unlock = f"ALTER ROLE {ROLE} LOGIN"
    site.finally_(lambda: site.admin(unlock))
    site.at(25, lambda: site.admin(unlock))


def _cut(site: Site) -> None:
    given_orders(site)
    site.world.warehouse_way.cut_after_bytes = 40_000


def _refused(site: Site) -> None:
    given_orders(site)
    site.world.warehouse_way.switch(Mode.REFUSE)
    site.at(15, site.world.warehouse_way.restore)


def _reset(site: Site) -> None:
    given_orders(site)
    site.world.warehouse_way.switch(Mode.RESET)
    site.at(15, site.world.warehouse_way.restore)


def _black_hole(site: Site) -> None:
    given_kinds(site)
    site.world.warehouse_way.switch(Mode.BLACK_HOLE)
    site.at(12, site.world.warehouse_way.restore)


def _latency(site: Site) -> None:
    given_kinds(site)
    site.world.warehouse_way.latency_seconds = 3.0
    site.at(12, site.world.warehouse_way.restore)


def _half_open(site: Site) -> None:
    given_kinds(site)


def _pay_half_open(site: Site) -> Any:
    """The peer vanishes without a word between two statements of the first try, and what is sent later is reset."""
    with site.engine().begin() as connection:
        connection.execute(text("SELECT 1"))
        if site.try_number == 1:
            site.world.warehouse_way.reset_open()
            time.sleep(0.1)
        from .work import PAYMENT

        for statement in PAYMENT:
            connection.execute(text(statement))
    return 1


def _unknown_host(site: Site) -> None:
    given_kinds(site)
    site.connect_warehouse(site.warehouse_uri(host="no-such-host.invalid"))
    site.at(8, lambda: site.connect_warehouse(site.warehouse_uri()))


def _idle_timeout(site: Site) -> None:
    given_kinds(site)
    site.admin(f"ALTER ROLE {ROLE} SET idle_in_transaction_session_timeout = '150ms'")
    reset = f"ALTER ROLE {ROLE} RESET idle_in_transaction_session_timeout"
    site.finally_(lambda: site.admin(reset))


def _pay_after_thinking(site: Site) -> Any:
    """The first try thinks longer within its transaction than the server allows."""
    with site.engine().begin() as connection:
        connection.execute(text("SELECT 1"))
        if site.try_number == 1:
            time.sleep(0.6)
        from .work import PAYMENT

        for statement in PAYMENT:
            connection.execute(text(statement))
    return 1


def _never_accepts(site: Site) -> None:
    given_kinds(site)
    site.world.warehouse_way.switch(Mode.REFUSE)


def _connection(name: str, kind: str, **more: Any) -> Fault:
    given = {"work": pay, "is_right": payment_right, "outcome": Outcome.HEALED, "table": "shop.sales", **more}
    return Fault(name=name, kind=kind, fault_class=CLASS, **given)


_LOAD = {"work": load, "is_right": rows_right(), "table": "shop.orders"}

FAULTS = (
    _connection("server killed in a load, back in 5 s", "server", make=_killed_in_the_load, **_LOAD),
    _connection(
        "server gone for good, a replica is there",
        "server",
        make=_killed_for_good,
        work=total,
        is_right=total_right,
        is_writing=False,
        outcome=Outcome.ON_ALTERNATIVE,
    ),
    _connection(
        "server gone for good under a load, a fallback takes writes",
        "server",
        make=_killed_with_a_fallback,
        work=load,
        is_right=_on_the_fallback,
        table="shop.orders",
        outcome=Outcome.ON_ALTERNATIVE,
    ),
    _connection("server gone for good under a write", "server", make=_killed_under_a_write, outcome=Outcome.ESCALATED),
    _connection("server stopped for 60 s", "server", make=_stopped_for_upgrade, **_LOAD),
    _connection("session ended by an administrator", "server", make=_terminated, **_LOAD),
    _connection("no session left on the server", "pool", make=_server_full),
    _connection("no session left for the role", "pool", make=_role_limit),
    _connection("own pool exhausted by a leak", "pool", make=_pool_exhausted, work=_pay_past_a_leak),
    _connection("idle transaction ended by the server", "pool", make=_idle_timeout, work=_pay_after_thinking),
    _connection("password rotated", "credentials", make=_rotated),
    _connection(
        "password rotated, nobody told us", "credentials", make=_rotated_and_forgotten, outcome=Outcome.ESCALATED
    ),
    _connection("role locked for 25 s", "credentials", make=_locked),
    _connection("connection reset in the middle of a load", "network", make=_cut, **_LOAD),
    _connection("connection refused for 15 s", "network", make=_refused, **_LOAD),
    _connection("every connection reset for 15 s", "network", make=_reset, **_LOAD),
    _connection("black hole for 12 s", "network", make=_black_hole, is_long=True),
    _connection("latency above the time to connect", "network", make=_latency, is_long=True),
    _connection("peer vanished in a transaction", "network", make=_half_open, work=_pay_half_open),
    _connection("host unknown for 8 s", "network", make=_unknown_host),
    _connection("network gone for good under a write", "network", make=_never_accepts, outcome=Outcome.ESCALATED),
)
