"""Columns that go together: found by counting rows, told to the planner, kept only when that helps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.model.fault import RemedyResult, TaskTry
from groundwork.orbt.remedies.recover import take_back
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.store.migrate import migrate
from groundwork.store.remedy_run import RemedyRuns
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on

pytestmark = pytest.mark.postgres
_SLOW = (
    "SELECT count(*) FROM shop.sent AS s JOIN shop.sent AS o USING (id) "
    "WHERE s.city = 'city 7' AND s.zip = 'zip 7' AND s.land = 'land 7' AND o.city = 'city 7' AND o.zip = 'zip 7'"
)

_ENDLESS = "SELECT count(*) FROM shop.sent AS s, shop.sent AS o, shop.sent AS p"


@pytest.fixture(scope="module")
def prepared(module_database: Database) -> Engine:
    """Parcels sent, whose city, zip code and country say the same."""
    migrate(module_database.engine)
    with module_database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA shop"))
        connection.execute(
            text(
                "CREATE TABLE shop.sent AS SELECT id, 'city ' || id % 20 AS city, 'zip ' || id % 20 AS zip, "
                "'land ' || id % 20 AS land FROM generate_series(1, 4000) AS id"
            )
        )
        connection.execute(text("ANALYZE shop.sent"))
    return module_database.engine


@pytest.fixture
def shop(prepared: Engine) -> Iterator[Engine]:
    yield prepared
    with prepared.begin() as connection:
        connection.execute(text("TRUNCATE groundwork.remedy_run"))


def heal(engine: Engine, statement: str = _SLOW, *, run_id: str = "r1", **settings: Any) -> RemedyResult:
    task_try = TaskTry(dag_id="drill", run_id=run_id, task_id="load", try_number=1)
    whole = {"any_table": True, **settings}
    return run(
        "extend_statistics", scene_on(engine, store=engine, statement=statement, task_try=task_try, settings=whole)
    )


def statistics(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM pg_statistic_ext")).scalar_one()


def test_columns_that_go_together_are_told_to_the_planner(shop: Engine, tmp_path: Path) -> None:
    scene = scene_on(shop, store=shop, statement=_SLOW, settings={"any_table": True})
    assert "CREATE STATISTICS on shop.sent (city, zip, land), 200 rows where" in (
        dry_run("extend_statistics", scene).report
    )
    assert statistics(shop) == 0
    result = heal(shop)
    assert result.is_done, result.report
    assert "created statistics st_sent_" in result.report
    assert "city 7" not in result.report
    assert statistics(shop) == 1
    assert "the planner judged its conditions well" in heal(shop, run_id="r2").report
    (row,) = RemedyRuns(shop).latest(state="done")
    assert take_back(shop, row["id"], lambda _: shop, tmp_path, tmp_path).is_undone
    assert statistics(shop) == 0


def test_statistics_that_do_not_help_are_dropped_again(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.orbt.remedies.queries.correlation.is_faster", lambda before, after: before is after)
    result = heal(shop)
    assert "it is not faster: cost" in result.report
    assert "dropped statistics st_sent_" in result.report
    assert statistics(shop) == 0


@pytest.mark.parametrize(
    ("statement", "settings", "why"),
    [
        ("SELECT count(*) FROM shop.sent WHERE city = 'city 7'", {}, "judged its conditions well"),
        ("DELETE FROM shop.sent WHERE city = 'city 7' AND zip = 'zip 7'", {}, "does more than read"),
        (_SLOW, {"any_table": False}, "it is of no contract"),
        (_ENDLESS, {"time_seconds": 0.001}, "does not end in time"),
    ],
)
def test_where_nothing_is_to_be_told_nothing_is_made(
    shop: Engine, statement: str, settings: dict[str, Any], why: str
) -> None:
    result = heal(shop, statement, **settings)
    assert not result.is_done
    assert why in result.report
    assert statistics(shop) == 0


def test_looking_into_the_catalog_may_take_longer_than_the_statement(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = text("SELECT count(*) > 1 FROM pg_sleep(0.2) WHERE CAST(:names AS text[]) IS NOT NULL")
    monkeypatch.setattr("groundwork.orbt.remedies.queries.statement._VOLATILE", slow)
    assert "does not end in time" in heal(shop, _ENDLESS, time_seconds=0.001).report
