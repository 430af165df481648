"""The suites that stand in `expectations/` for marts hold on marts that dbt made of the loaded market."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.quality.run import validate_domain
from groundwork.quality.suites import read_suites
from groundwork.store.migrate import migrate
from groundwork.transform.build import build
from tests.fix_market import PROJECT, Market

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_marts_hold_what_their_suites_say_and_a_lost_row_is_found(loaded_market: Market, tmp_path: Path) -> None:
    engine = loaded_market.engine
    migrate(engine)
    build(
        PROJECT / "dbt_project",
        engine.url,
        schema="market",
        target_path=tmp_path,
    )
    wanted = read_suites(PROJECT / "expectations", loaded_market.domain, of_transformed=True)
    assert len(wanted) == 3

    def failing() -> list[str]:
        report = validate_domain(
            engine,
            engine,
            loaded_market.domain,
            expectations=PROJECT / "expectations",
            run_id="after dbt",
            stage="after_transform",
        )
        assert len(report.results) == len(wanted)
        return [result.check.id for result in report.results if not result.passed]

    assert failing() == []
    loaded_market.run("DELETE FROM market_marts.fct_daily_prices WHERE ticker = 'IBM' AND price_date > '2013-01-01'")
    assert failing() == ["market_marts.fct_daily_prices.fct_daily_prices.every_price_arrived.expectation"]
