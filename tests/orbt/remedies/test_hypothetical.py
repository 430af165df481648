"""Indexes tried in the planner's mind before one is built, on a Debian PostgreSQL that has the extension hypopg."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.model.fault import RemedyResult
from groundwork.orbt.remedies.queries import hypothetical
from groundwork.orbt.remedies.queries.index_candidates import Candidate
from groundwork.orbt.remedies.queries.statement import parsed
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.store.migrate import migrate
from tests.orbt.remedies.fix_scene import scene_on
from tests.orbt.remedies.fix_steady_time import cost_decides
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("cost_decides")]
__all__ = ["cost_decides"]
_ROWS = 60_000
_LATEST = "SELECT * FROM shop.orders WHERE customer = 'customer 77' ORDER BY placed_at DESC LIMIT 10"
_MANY = "SELECT count(*) FROM shop.orders WHERE status = 'shut'"


class DebianPostgres(EmbeddedPostgres):
    """A server like the embedded one, of Debian's programs."""

    @property
    def binaries(self) -> Path:
        """Of the newest major version that has hypopg."""
        return max(_programs())


def _programs() -> list[Path]:
    found = Path("/usr/share/postgresql").glob("*/extension/hypopg.control")
    folders = (Path("/usr/lib/postgresql") / each.parts[-3] / "bin" for each in found)
    return [each for each in folders if (each / "initdb").exists()]


@pytest.fixture(scope="module")
def server() -> Iterator[DebianPostgres]:
    """The server, with a role that may log in and owns nothing of the extension."""
    if not _programs():
        pytest.skip("no PostgreSQL with hypopg is installed (apt-get install postgresql-15-hypopg)")
    home = Path(tempfile.mkdtemp(prefix="groundwork-hypopg-"))
    home.chmod(0o755)
    made = DebianPostgres(home=home / "postgres", port=free_port())
    made.start(PATIENCE_SECONDS)
    with made.connect() as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE ROLE shopkeeper LOGIN PASSWORD 'shopkeeper'")
        connection.execute("CREATE DATABASE shop OWNER shopkeeper")
    yield made
    made.stop("immediate")
    shutil.rmtree(made.place, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def shop(server: DebianPostgres) -> Iterator[Engine]:
    """A shop's orders without any index, with statistics."""
    engine = create_engine(server.url("shopkeeper", "shopkeeper", "shop"))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA shop"))
        connection.execute(
            text(
                "CREATE TABLE shop.orders AS SELECT id, 'customer ' || id % 100 AS customer, "
                "timestamp '2026-01-01' + id * interval '7 minutes' AS placed_at, "
                "CASE id % 3 WHEN 0 THEN 'open' ELSE 'shut' END AS status, repeat('x', 60) AS note "
                f"FROM generate_series(1, {_ROWS}) AS id"
            )
        )
        connection.execute(text("ANALYZE shop.orders"))
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def tidy(server: DebianPostgres, shop: Engine) -> Iterator[None]:
    """The extension stands in a schema of an odd name that is open to the role; no index outlives its test."""
    with server.connect("shop") as connection:
        connection.execute('CREATE SCHEMA "Odd % tools"')
        connection.execute('CREATE EXTENSION hypopg SCHEMA "Odd % tools"')
        connection.execute('GRANT USAGE ON SCHEMA "Odd % tools" TO shopkeeper')
        yield
        connection.execute('DROP EXTENSION hypopg; DROP SCHEMA "Odd % tools"')
        for name in indexes(shop):
            connection.execute(f"DROP INDEX shop.{name}".encode())
        connection.execute("TRUNCATE groundwork.remedy_run")


def indexes(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'shop' ORDER BY 1"
        return list(connection.execute(text(query)).scalars())


def heal(engine: Engine, statement: str, *, is_dry: bool = False) -> RemedyResult:
    settings: dict[str, Any] = {"any_table": True}
    scene = scene_on(engine, store=engine, statement=statement, settings=settings)
    return dry_run("create_index", scene) if is_dry else run("create_index", scene)


def test_the_best_hypothetical_index_for_filter_and_order_is_built_and_kept(shop: Engine) -> None:
    proposed = heal(shop, _LATEST, is_dry=True)
    assert 'ON "shop"."orders" ("customer", "placed_at")' in proposed.report
    assert "hypothetical indexes (hypopg) is on shop.orders (customer, placed_at): the planner expects cost" in (
        proposed.report
    )
    assert indexes(shop) == []
    result = heal(shop, _LATEST)
    assert result.is_done, result.report
    assert "the planner expects cost" in result.report
    assert "customer 77" not in result.report
    assert indexes(shop) == ["ix_orders_customer_placed_at_orbt"]


def test_an_index_that_picks_too_many_rows_is_bettered(shop: Engine) -> None:
    with shop.begin() as connection:
        connection.execute(text("CREATE INDEX by_customer ON shop.orders (customer)"))
    result = heal(shop, "SELECT * FROM shop.orders WHERE customer = 'customer 77' AND id = 4077")
    assert result.is_done, result.report
    assert indexes(shop) == ["by_customer", "ix_orders_id_orbt"], "of two that bring the same the narrower one"


def test_what_the_planner_would_not_use_is_not_built(shop: Engine) -> None:
    result = heal(shop, _MANY.replace("count(*)", "*"))
    assert not result.is_done
    assert "shop.orders (status): the planner would not use it" in result.report
    assert result.changes == ()
    assert indexes(shop) == []


@pytest.mark.parametrize(
    "right",
    [
        'REVOKE USAGE ON SCHEMA "Odd % tools" FROM shopkeeper',
        'REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA "Odd % tools" FROM PUBLIC',
    ],
)
def test_without_the_right_to_call_it_the_plan_decides_as_before(
    server: DebianPostgres, shop: Engine, right: str
) -> None:
    with server.connect("shop") as connection:
        connection.execute(right.encode())
    result = heal(shop, _LATEST, is_dry=True)
    assert "hypopg is installed in the schema Odd % tools, but our role may not call it" in result.report
    assert "CREATE INDEX CONCURRENTLY" in result.report
    assert "too large a part" in heal(shop, _MANY).report


def test_an_extension_that_fails_is_told_and_the_plan_decides_as_before(server: DebianPostgres, shop: Engine) -> None:
    with server.connect("shop") as connection:
        connection.execute(
            'CREATE OR REPLACE FUNCTION "Odd % tools".hypopg_create_index'
            "(IN sql_order text, OUT indexrelid oid, OUT indexname text) RETURNS SETOF record LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = 'undefined_file'; END $$"
        )
    result = heal(shop, _LATEST)
    assert result.is_done, result.report
    assert "hypopg is installed, but does not answer (SQLSTATE 58P01)" in result.report
    assert len(indexes(shop)) == 1


def test_a_database_without_it_is_not_asked(server: DebianPostgres, shop: Engine) -> None:
    with server.connect("shop") as connection:
        connection.execute("DROP EXTENSION hypopg")
        assert "hypo" not in heal(shop, _LATEST, is_dry=True).report
        connection.execute('CREATE EXTENSION hypopg SCHEMA "Odd % tools"')


def test_hypothetical_indexes_end_with_their_question(shop: Engine) -> None:
    with shop.connect() as connection:
        found = hypothetical.find(connection)
    assert found is not None
    candidates = [
        Candidate(schema="shop", table="orders", columns=columns, rows=1, cost=1)
        for columns in (("customer", "placed_at"), ("note",), ("customer", "placed_at", "id"), ("customer",))
    ]
    trials = hypothetical.tried(shop, found, parsed(_LATEST), candidates)
    assert not isinstance(trials, str)
    assert [each.after is None for each in trials] == [False, True, False, False]
    assert all(each.size_bytes > 100_000 for each in trials)
    best = hypothetical.best(trials)
    assert best is not None
    assert best.candidate == candidates[0]
    with shop.connect() as connection:
        listed = 'SELECT count(*) FROM "Odd % tools".hypopg()'
        assert connection.exec_driver_sql(listed, execution_options={"no_parameters": True}).scalar_one() == 0


def test_a_little_is_not_worth_an_index() -> None:
    candidate = Candidate(schema="s", table="t", columns=("a",), rows=1, cost=1)
    little = hypothetical.Trial(candidate=candidate, before=100, after=90, size_bytes=1)
    unused = hypothetical.Trial(candidate=candidate, before=100, after=None, size_bytes=1)
    assert hypothetical.best([little, unused]) is None
    assert hypothetical.best([]) is None
