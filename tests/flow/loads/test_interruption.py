"""A load that dies leaves nothing; two loads of one table wait for each other; a retry completes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from groundwork.flow.record import Batch, Source
from groundwork.model.errors import RetriableError
from tests.fix_market import Market
from tests.flow.loads.test_load import HEADER, price
from tests.patience import PATIENCE_SECONDS, until

pytestmark = pytest.mark.postgres

STATE = """
    SELECT (SELECT count(*) FROM market.stock_prices) AS rows,
           (SELECT count(*) FROM groundwork_flow.load) AS loads,
           (SELECT count(*) FROM groundwork_flow.quarantine) AS quarantined,
           (SELECT jsonb_object_agg(partition_key, value) FROM groundwork_flow.watermark) AS watermark
"""


class Interrupted:
    """A source that calls `act` before it hands out its second batch."""

    def __init__(self, source: Source, act: Callable[[], None]) -> None:
        self._source = source
        self._act = act

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def batches(self) -> Iterator[Batch]:
        """All batches of the source behind this one."""
        for number, batch in enumerate(self._source.batches()):
            if number == 1:
                self._act()
            yield batch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    days = [f"2020-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    path.write_text(HEADER + "broken\n" + "".join(price("NEW", day) for day in days))
    return path


def _kill_the_load(market: Market) -> None:
    killed = market.value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks "
        "WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert killed == 1


def test_a_killed_backend_leaves_everything_as_it_was(market: Market, file: Path) -> None:
    market.load("stock_prices")
    before = market.rows(STATE)
    whole = market.source("stock_prices", file, batch_rows=20)
    source = Interrupted(whole, lambda: _kill_the_load(market))
    with pytest.raises(RetriableError, match="nothing was changed"):
        market.load("stock_prices", source_override=source)
    assert market.rows(STATE) == before
    result = market.load("stock_prices", source_override=whole)
    assert (result.loaded, result.quarantined) == (336, 1)
    assert market.value("SELECT count(*) FROM market.stock_prices") == before[0].rows + 336
    assert result.watermark_after["NEW"] == "2020-12-28"


def test_a_source_that_dies_in_the_middle_leaves_everything_as_it_was(market: Market, file: Path) -> None:
    market.load("stock_prices")
    before = market.rows(STATE)

    def vanish() -> None:
        raise RetriableError("the source broke off while it was read")

    with pytest.raises(RetriableError, match="broke off"):
        market.load(
            "stock_prices", source_override=Interrupted(market.source("stock_prices", file, batch_rows=20), vanish)
        )
    assert market.rows(STATE) == before


def test_two_loads_of_one_table_wait_for_each_other(market: Market, file: Path) -> None:
    is_inside, may_go_on = threading.Event(), threading.Event()

    def pause() -> None:
        is_inside.set()
        assert may_go_on.wait(PATIENCE_SECONDS)

    results: dict[str, object] = {}
    source = market.source("stock_prices", file, batch_rows=20)

    def load(name: str, chosen: object) -> None:
        results[name] = market.load("stock_prices", source_override=chosen, run_id=name)

    first = threading.Thread(target=load, args=("first", Interrupted(source, pause)))
    first.start()
    assert is_inside.wait(PATIENCE_SECONDS)
    second = threading.Thread(target=load, args=("second", market.source("stock_prices", file, batch_rows=20)))
    second.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    try:
        until(lambda: market.value(waiting) == 1, "the waiting of the second load")
        assert "second" not in results
    finally:
        may_go_on.set()
        first.join(PATIENCE_SECONDS)
        second.join(PATIENCE_SECONDS)
    assert (results["first"].loaded, results["first"].duplicates) == (336, 0)
    assert (results["second"].loaded, results["second"].duplicates) == (0, 336)


def test_a_lock_that_is_not_granted_is_worth_another_try(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    market.load("dividend_aristocrats")
    monkeypatch.setattr("groundwork.flow.loads.session._SETTINGS", ("SET lock_timeout = '100ms'",))
    with market.engine.connect() as other, other.begin():
        other.execute(text("LOCK TABLE market.dividend_aristocrats IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(RetriableError, match="SQLSTATE 55P03"):
            market.load("dividend_aristocrats")


def test_a_server_that_is_away_is_worth_another_try(market: Market) -> None:
    market.engine.dispose()
    away = market.engine.url.set(port=1)
    lost = Market(domain=market.domain, engine=create_engine(away))
    with pytest.raises(RetriableError):
        lost.load("dividend_aristocrats")
