"""Faults of what heals: of its store, its remedies and its clock, and several faults at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from groundwork.store.strike import Strikes

from .api import Answer
from .fault import Fault, Outcome
from .history import struck_before
from .proxy import Mode
from .site import Site
from .work import fill, given_kinds, given_orders, given_quotes, load, load_of, pay, payment_right, rows_right

CONNECTION = "connection_failures"


def _store_away(site: Site) -> None:
    """The way to the warehouse and the way to the store are cut together."""
    given_orders(site)
    for way in (site.world.warehouse_way, site.world.store_way):
        way.switch(Mode.REFUSE)
        site.at(14, way.restore)


def _store_full(site: Site) -> None:
    """The store has no room for strikes until somebody makes some; the warehouse fails meanwhile."""
    given_kinds(site)

    def store(*queries: str) -> None:
        with site.world.servers.quiet.connect(site.store_database) as connection:
            for query in queries:
                connection.execute(query)

    store(
        "ALTER TABLE groundwork.strike SET TABLESPACE small", "CREATE TABLE public.fill (piece text) TABLESPACE small"
    )
    fill(store, "public.fill")

    def mend() -> None:
        store("DROP TABLE IF EXISTS public.fill", "ALTER TABLE groundwork.strike SET TABLESPACE pg_default")

    site.finally_(mend)
    site.at(30, mend)
    site.world.warehouse_way.switch(Mode.REFUSE)
    site.at(5, site.world.warehouse_way.restore)


def _two_at_once(site: Site) -> None:
    """The database is away, and behind that the API is busy."""
    given_quotes(site)
    api = site.world.api
    api.answer = Answer.UNAVAILABLE
    site.world.warehouse_way.switch(Mode.REFUSE)
    site.at(4, site.world.warehouse_way.restore)
    site.at(45, lambda: setattr(api, "answer", Answer.WELL))


def _fail_then(mode: Mode) -> Any:
    """The first try loses its session; from then on the way is broken, so that remedies meet a fault of their own."""

    def work(site: Site) -> Any:
        if site.try_number > 1:
            return pay(site)
        try:
            with site.engine().begin() as connection:
                pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
                site.admin(f"SELECT pg_terminate_backend({pid})")
                connection.execute(text("SELECT 1"))
        finally:
            site.world.warehouse_way.switch(mode)
        return None

    return work


def _until(seconds: float) -> Any:
    def make(site: Site) -> None:
        given_kinds(site)
        site.at(seconds, site.world.warehouse_way.restore)

    return make


def _clock_jumped(site: Site) -> None:
    """Strikes of other runs are dated in the future: a clock was wrong and was set back since."""
    given_orders(site)
    now = datetime.now(UTC)
    struck_before(site, CONNECTION, "tomorrow", at=now + timedelta(days=1))
    struck_before(site, CONNECTION, "next-year", at=now + timedelta(days=365))
    site.world.warehouse_way.switch(Mode.REFUSE)
    site.at(6, site.world.warehouse_way.restore)


def _breaker_jumped(site: Site) -> None:
    """A clock that was two hours ahead opened the warehouse's breaker; since it is right again, a connection is cut."""
    given_orders(site)
    with site.world.servers.quiet.connect(site.store_database) as connection:
        connection.execute(
            "INSERT INTO groundwork.breaker (target, state, failures, window_from, times_opened, cool_down_seconds, "
            "probe_seconds, opened_at, retry_at, is_held, reason, changed_at) "
            "SELECT 'connection:warehouse', 'open', 5, at, 1, 30, 120, at, at + interval '30 seconds', false, '', at "
            "FROM (SELECT now() + interval '2 hours' AS at)"
        )
    site.world.warehouse_way.cut_after_bytes = 2_000


def _healed_within_the_hour(site: Site, value: Any) -> str | None:
    took = site.clock.now()
    return rows_right()(site, value) if took < 3_600 else f"the task waited for {took / 3600:.0f} hours"


def _remedy_hangs(site: Site) -> None:
    """Statistics are stale, and a stranger holds a lock that refreshing them would wait for."""
    given_kinds(site)
    site.admin(
        "INSERT INTO shop.sales (id, reference, kind, amount) "
        "SELECT id, 'x', 'old', 1 FROM generate_series(1001, 4000) AS id"
    )
    site.admin("GRANT ALL ON shop.sales TO stranger")
    stranger = site.session()
    stranger.execute("LOCK TABLE shop.sales IN SHARE UPDATE EXCLUSIVE MODE")
    site.notes["stranger"] = stranger.info.backend_pid


def _pay_late(site: Site) -> Any:
    """The first try runs out of its time; what it would have refreshed has nothing to do with it."""
    with site.engine().begin() as connection:
        if site.try_number == 1:
            connection.execute(text("SET LOCAL statement_timeout = '200ms'"))
            connection.execute(text("SELECT pg_sleep(60), count(*) FROM shop.sales"))
        return connection.execute(text(_RENAME)).rowcount


_RENAME = "UPDATE shop.kinds SET kind = kind || '+' WHERE id = 1"


def _paid_late(site: Site, _: Any) -> str | None:
    if not any(pid == site.notes["stranger"] for (pid,) in site.rows("SELECT pid FROM pg_stat_activity")):
        return "the stranger's session was ended"
    with site.store() as store:
        told = [each for row in Strikes(store).latest() for each in row["remedies"]]
    if any("was stopped" not in each["report"] for each in told if each["remedy"] == "analyze_tables"):
        return "the remedy was not stopped"
    (kind,) = site.rows("SELECT kind FROM shop.kinds WHERE id = 1")[0]
    return None if kind == "a+" else f"the row was changed {kind.count('+')} times"


def _lost_again_and_again(site: Site) -> None:
    given_kinds(site)
    now = datetime.now(UTC)
    for run in range(3):
        struck_before(site, CONNECTION, f"earlier{run}", at=now - timedelta(hours=1 + run))
    site.world.warehouse_way.switch(Mode.REFUSE)


def _healer(name: str, kind: str, make: Any, **more: Any) -> Fault:
    given = {"outcome": Outcome.HEALED, "work": pay, "is_right": payment_right, "table": "shop.sales", **more}
    return Fault(name=name, kind=kind, make=make, **{"fault_class": CONNECTION, **given})


_LOAD = {"work": load, "is_right": rows_right(), "table": "shop.orders"}
_QUOTES = {"work": load_of("quotes"), "is_right": rows_right("quotes"), "table": "shop.quotes"}

FAULTS = (
    _healer("store away with the warehouse", "store", _store_away, **_LOAD),
    _healer("store full while the warehouse is away", "store", _store_full, needs_small_disk=True),
    _healer("database away, then its API busy", "two at once", _two_at_once, **_QUOTES),
    _healer("remedies meet a reset", "remedy", _until(6), work=_fail_then(Mode.RESET)),
    _healer("remedies meet a black hole", "remedy", _until(6), work=_fail_then(Mode.BLACK_HOLE), is_long=True),
    _healer("strikes are dated in the future", "clock", _clock_jumped, **_LOAD),
    _healer(
        "a breaker is dated in the future",
        "clock",
        _breaker_jumped,
        **{**_LOAD, "is_right": _healed_within_the_hour},
    ),
    _healer(
        "a remedy hangs",
        "remedy",
        _remedy_hangs,
        work=_pay_late,
        is_right=_paid_late,
        fault_class="slow_queries",
    ),
    _healer("connection lost in every run", "network", _lost_again_and_again, outcome=Outcome.ESCALATED),
)
