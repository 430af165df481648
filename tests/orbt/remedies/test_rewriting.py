"""Queries written another way: sound by themselves, and taken only when faster and proved the same."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.model.fault import AlternativeKind, RemedyResult, statement_digest
from groundwork.orbt.remedies.queries import rewriting
from groundwork.orbt.remedies.queries.rewrites import rewrites
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on
from tests.orbt.remedies.fix_steady_time import cost_decides

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("cost_decides")]
__all__ = ["cost_decides"]
_COLUMNS = {
    ("shop", "orders"): {"id": "integer", "customer": "text", "amount": "integer", "at": "timestamp"},
    ("shop", "paid"): {"order_id": "integer"},
}
_ABOVE_MEAN = """
    SELECT o.id, o.amount FROM shop.orders AS o
    WHERE o.amount > (SELECT avg(i.amount) FROM shop.orders AS i WHERE i.customer = o.customer) ORDER BY o.id
"""


@pytest.fixture(scope="module")
def shop(module_database: Database) -> Engine:
    migrate(module_database.engine)
    with module_database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA shop"))
        connection.execute(
            text(
                "CREATE TABLE shop.orders AS SELECT id, 'c' || id % 40 AS customer, id * 7 % 100 AS amount, "
                "timestamp '2026-01-01' + id * interval '1 hour' AS at FROM generate_series(1, 1200) AS id"
            )
        )
        connection.execute(text("INSERT INTO shop.orders SELECT * FROM shop.orders WHERE id < 10"))
        connection.execute(text("INSERT INTO shop.orders VALUES (NULL, NULL, NULL, NULL)"))
        connection.execute(text("CREATE INDEX ON shop.orders (at)"))
        connection.execute(
            text("CREATE TABLE shop.paid AS SELECT id AS order_id FROM generate_series(1, 500, 3) AS id")
        )
        connection.execute(text("INSERT INTO shop.paid VALUES (NULL), (4), (4)"))
        connection.execute(text("ANALYZE shop.orders, shop.paid"))
    return module_database.engine


def heal(engine: Engine, statement: str, parameters: Any = None, **settings: Any) -> RemedyResult:
    scene = scene_on(engine, store=engine, statement=statement, parameters=parameters, settings=settings)
    return run("rewrite_statement", scene, asked_by="person:ann")


@pytest.mark.parametrize(
    "query",
    [
        _ABOVE_MEAN,
        "SELECT id, (SELECT count(*) FROM shop.paid AS p WHERE p.order_id = o.id) AS times FROM shop.orders AS o",
        "SELECT id FROM shop.orders AS o WHERE EXISTS (SELECT 1 FROM shop.paid AS p WHERE p.order_id = o.id)",
        "SELECT id FROM shop.orders AS o WHERE NOT EXISTS (SELECT 1 FROM shop.paid AS p WHERE p.order_id = o.id)",
        "SELECT id FROM shop.orders WHERE id IN (SELECT order_id FROM shop.paid)",
        "SELECT id FROM shop.orders WHERE customer = 'c1' OR customer = 'c2' OR (customer = 'c3')",
        "SELECT id FROM shop.orders WHERE customer = 'c1' OR amount = 3",
        "SELECT id FROM shop.orders WHERE at::date = '2026-01-03'",
        "SELECT s.id FROM (SELECT id, customer, amount FROM shop.orders) AS s WHERE s.amount < 5 AND s.customer = 'c5'",
    ],
)
def test_every_way_gives_the_same_rows(shop: Engine, query: str) -> None:
    with shop.connect() as connection:
        expected = sorted(map(str, connection.execute(text(query)).all()))
        for what, other in rewrites(query, _COLUMNS, {}):
            assert sorted(map(str, connection.exec_driver_sql(other).all())) == expected, what


def test_ways_are_found_and_told() -> None:
    def found(query: str) -> dict[str, str]:
        return dict(rewrites(query, _COLUMNS, {"orders": "shop"}))

    assert "JOIN" in found(_ABOVE_MEAN)["sub-queries as joins"]
    listed = found("SELECT id FROM orders WHERE customer = 'c1' OR customer = 'c2'")["alternatives as a list"]
    assert "IN ('c1', 'c2')" in listed
    assert '"shop"."orders"' in listed
    assert ">=" in found("SELECT id FROM orders WHERE at::date = $1")["a day as a range"]
    assert found("SELECT id FROM orders") == {}
    assert found("SELECT FROM WHERE") == {}
    assert found("SELECT nothing FROM orders") == {}


def test_a_query_that_runs_for_each_row_is_joined_and_proved(shop: Engine) -> None:
    result = heal(shop, _ABOVE_MEAN)
    assert result.is_done, result.report
    assert "the rows are the same" in result.report
    alternative = result.alternative
    assert alternative is not None
    assert (alternative.kind, alternative.names) == (AlternativeKind.STATEMENT, statement_digest(_ABOVE_MEAN))
    with shop.connect() as connection:
        assert connection.exec_driver_sql(alternative.instead).all() == connection.exec_driver_sql(_ABOVE_MEAN).all()


def test_named_parameters_keep_their_names(shop: Engine) -> None:
    query = _ABOVE_MEAN.replace("WHERE o.amount", "WHERE o.customer <> %(but)s AND o.customer LIKE 'c%%' AND o.amount")
    result = heal(shop, query, {"but": "c3"})
    assert result.is_done, result.report
    assert result.alternative is not None
    assert "%(but)s" in result.alternative.instead
    with shop.connect() as connection:
        rows = [connection.exec_driver_sql(each, {"but": "c3"}).all() for each in (query, result.alternative.instead)]
    assert rows[0] == rows[1]
    assert rows[0]


@pytest.mark.parametrize(
    ("query", "parameters", "why"),
    [
        ("SELECT id FROM shop.orders", None, "no other way to ask it costs so much less"),
        (_ABOVE_MEAN.replace("SELECT o.id", "SELECT random(), o.id"), None, "answer differently"),
        ("SELECT id FROM shop.orders WHERE id = %s", [1], "go by their places"),
        ("DELETE FROM shop.orders", None, "does more than read"),
    ],
)
def test_what_has_no_better_way_is_left(shop: Engine, query: str, parameters: Any, why: str) -> None:
    result = heal(shop, query, parameters)
    assert not result.is_done
    assert why in result.report


def test_a_way_that_gives_other_rows_is_refused(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("SELECT id, amount FROM shop.orders LIMIT 5", _ABOVE_MEAN.replace("ORDER BY o.id", "ORDER BY -o.id")):
        cheap = wrong.replace("(SELECT avg(i.amount) FROM shop.orders AS i WHERE i.customer = o.customer)", "49.5")
        monkeypatch.setattr(rewriting, "rewrites", lambda *_, cheap=cheap: (("nonsense", cheap),))
        result = heal(shop, _ABOVE_MEAN)
        assert not result.is_done
        assert "rows differ" in result.report


def test_rows_that_cannot_be_compared_in_time_are_no_proof(shop: Engine) -> None:
    result = heal(shop, _ABOVE_MEAN, check_seconds=0.001)
    assert not result.is_done
    assert "comparing the rows took more than 0.001 s" in result.report


def test_by_itself_it_is_only_proposed(shop: Engine) -> None:
    scene = scene_on(shop, store=shop, statement=_ABOVE_MEAN)
    proposed = run("rewrite_statement", scene).report
    assert proposed.startswith("proposed: sub-queries as joins: cost")
    assert "once its rows are the same" in proposed
    assert dry_run("rewrite_statement", scene).report.startswith("would: sub-queries as joins")
