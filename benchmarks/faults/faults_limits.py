"""Limits that are reached, pages that are destroyed, and code that is wrong."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from .fault import Fault, Outcome
from .servers import ROLE
from .site import Site
from .work import (
    PAYMENT,
    execute,
    fill,
    given_kinds,
    given_orders,
    load,
    pay,
    payment_right,
    rows_right,
)

CLASS, CONNECTION, CODE, UNKNOWN = "resource_exhaustion", "connection_failures", "programming_error", "unknown"


def _disk_full(site: Site) -> None:
    """The shop stands on a small disk that somebody else has filled."""
    site.use_server(site.world.servers.quiet)
    given_kinds(site)
    site.admin(
        "ALTER TABLE shop.sales SET TABLESPACE small", "CREATE TABLE bystanders.fill (piece text) TABLESPACE small"
    )
    site.finally_(lambda: site.admin("DROP TABLE bystanders.fill", "ALTER TABLE shop.sales SET TABLESPACE pg_default"))
    fill(site.admin, "bystanders.fill")


def _temporary_limit(site: Site) -> None:
    given_kinds(site)
    site.admin(f"ALTER ROLE {ROLE} SET temp_file_limit = '64kB'", f"ALTER ROLE {ROLE} SET work_mem = '64kB'")
    reset = (f"ALTER ROLE {ROLE} RESET temp_file_limit", f"ALTER ROLE {ROLE} RESET work_mem")
    site.finally_(lambda: site.admin(*reset))


def _sort_much(site: Site) -> Any:
    return execute(
        site,
        *PAYMENT,
        "SELECT max(x) FROM (SELECT md5(id::text) AS x FROM generate_series(1, 60000) AS id ORDER BY 1 OFFSET 3) AS s",
    )


def _lock_table_full(site: Site) -> None:
    """A stranger takes locks until the server has room for no more."""
    given_kinds(site)
    greedy = site.session(autocommit=True)
    step = 4_096
    while step:
        try:
            greedy.execute(
                "SELECT count(pg_advisory_lock(id)) FROM generate_series(%s::bigint, %s::bigint) AS id",
                (site.notes.get("next", 0), site.notes.get("next", 0) + step - 1),
            )
            site.notes["next"] = site.notes.get("next", 0) + step
        except psycopg.errors.OutOfMemory:
            site.notes["next"] = site.notes.get("next", 0) + step
            step //= 2
    last = site.notes["next"]
    greedy.execute(
        "SELECT count(pg_advisory_unlock(id)) FROM generate_series(%s::bigint, %s::bigint) AS id", (last - 9_000, last)
    )

    def leave() -> None:
        greedy.close()
        _until_there_is_room(site)

    site.finally_(leave)
    site.at(50, leave)


def _until_there_is_room(site: Site) -> None:
    """A server takes a while to forget a hundred thousand locks, and lets nobody in meanwhile."""
    deadline = time.monotonic() + 120
    while True:
        try:
            site.admin("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _lock_many(site: Site) -> Any:
    """A task that locks rows of its own by name, as loads do."""
    return execute(site, "SELECT count(pg_advisory_xact_lock(-id)) FROM generate_series(1, 12000) AS id", *PAYMENT)


def _hold_too_much(site: Site) -> Any:
    if site.try_number == 1:
        bytearray(1 << 50)
    return pay(site)


def _key_error(site: Site) -> Any:
    return {"host": 1}["hots"]


def _misspelled(site: Site) -> Any:
    return execute(site, "SELEKT 1")


def _not_written(site: Site, _: Any) -> str | None:
    return payment_right(site, None)


def _flaky(site: Site) -> Any:
    if site.try_number == 1:
        raise RuntimeError("the moon is in the wrong house")
    return pay(site)


def _odd(site: Site) -> Any:
    raise RuntimeError("the moon is in the wrong house")


def _corrupt(site: Site) -> None:
    """A page of the table is destroyed on disk, and the server notices by its checksum."""
    given_orders(site, already=2_000)
    path = site.rows("SELECT pg_relation_filepath('shop.orders')")[0][0]
    site.admin("CHECKPOINT")
    site.server.stop("fast")
    with (site.server.data / path).open("r+b") as page:
        page.seek(8192 + 3000)
        page.write(b"\xde\xad\xbe\xef" * 64)
    site.server.start()


def _untouched(site: Site, _: Any) -> str | None:
    """A corrupt table is not written to."""
    site.admin("SET zero_damaged_pages = on")
    return None


def _limit(name: str, kind: str, make: Any, work: Any = pay, is_right: Any = payment_right, **more: Any) -> Fault:
    given = {"fault_class": CONNECTION, "outcome": Outcome.HEALED, "table": "shop.sales", **more}
    return Fault(name=name, kind=kind, make=make, work=work, is_right=is_right, **given)


_ASKED = {"outcome": Outcome.ESCALATED}
_LOAD = {"work": load, "is_right": rows_right(), "table": "shop.orders"}

FAULTS = (
    _limit(
        "disk full",
        "disk",
        _disk_full,
        needs_small_disk=True,
        fault_class=CLASS,
        is_structural=True,
        may_change=("bystanders.fill",),
        **_ASKED,
    ),
    _limit("temporary files above their limit", "disk", _temporary_limit, _sort_much, fault_class=CLASS, **_ASKED),
    _limit("the server has no room for locks", "memory", _lock_table_full, _lock_many, fault_class=CLASS),
    _limit("the process has no memory left", "memory", given_kinds, _hold_too_much, fault_class=CLASS),
    _limit(
        "corrupt page",
        "disk",
        _corrupt,
        load,
        _untouched,
        fault_class="data_integrity_issues",
        table="shop.orders",
        **_ASKED,
    ),
    _limit("mistake in code", "code", given_kinds, _key_error, _not_written, fault_class=CODE, **_ASKED),
    _limit("mistake in SQL", "code", given_kinds, _misspelled, _not_written, fault_class=CODE, **_ASKED),
    _limit("something unheard of, once", "unknown", given_kinds, _flaky, fault_class=UNKNOWN),
    _limit("something unheard of, always", "unknown", given_kinds, _odd, _not_written, fault_class=UNKNOWN, **_ASKED),
)
