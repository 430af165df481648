"""The criteria of the phase `data_integration` hold on a loaded domain, and fail where something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.flow import defects
from groundwork.foundation.data_integration import data_sync_working, error_handling, real_time_updates
from groundwork.model.vocabulary import Phase
from tests.fix_market import PROJECT, Market
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres

_LIMIT = "groundwork.foundation.data_integration._LONGEST_LAG_SECONDS"
LEFT = """
    SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'groundwork_drill%') AS schemas,
           (SELECT count(*) FROM groundwork_flow.load WHERE is_trial) AS loads,
           (SELECT count(*) FROM groundwork_flow.quarantine WHERE is_trial) AS quarantined,
           (SELECT count(*) FROM groundwork_flow.watermark WHERE schema_name LIKE 'groundwork_drill%') AS watermarks
"""


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is that changes arrive; how fast depends on what else the machine has to do."""
    monkeypatch.setattr(_LIMIT, 3600.0)
    monkeypatch.setattr("groundwork.foundation.data_integration._PATIENCE_SECONDS", PATIENCE_SECONDS)


@pytest.mark.usefixtures("slow_machine")
def test_all_criteria_hold_on_the_loaded_domain(loaded_market: Market) -> None:
    results = [
        data_sync_working(loaded_market.engine, loaded_market.domain, PROJECT),
        real_time_updates(loaded_market.engine, loaded_market.domain),
        error_handling(loaded_market.engine, loaded_market.domain, PROJECT),
    ]
    assert tuple(result.criterion for result in results) == Phase.DATA_INTEGRATION.criteria
    for result in results:
        assert result.passed, result
        assert result.likely_cause is None
        assert result.next_step is None
        assert result.operation.id.startswith("DATA.MARKET.")


def test_sync_names_the_table_that_differs(market: Market) -> None:
    market.load_all()
    market.run("UPDATE market.orders SET quantity = quantity + 1 WHERE ticker = 'IBM'")
    result = data_sync_working(market.engine, market.domain, PROJECT)
    assert not result.passed
    assert "market.orders (0 missing" in result.found
    assert "8 of 9 agree" in result.found
    assert result.next_step


def test_sync_fails_before_the_first_load(market: Market) -> None:
    result = data_sync_working(market.engine, market.domain, PROJECT)
    assert not result.passed
    assert "never loaded" in result.found
    assert result.likely_cause == "a table was never loaded"


@pytest.mark.usefixtures("slow_machine")
def test_updates_leave_no_watch_and_no_change_behind(loaded_market: Market) -> None:
    result = real_time_updates(loaded_market.engine, loaded_market.domain, samples=3)
    assert result.passed
    assert len(result.details["lag_seconds"]) == 3
    assert result.details["longest_lag_seconds"] > 0
    watching = (
        "SELECT count(*) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE tgname LIKE 'groundwork%' AND relnamespace = 'market'::regnamespace"
    )
    assert loaded_market.value(watching) == 0
    assert loaded_market.value("SELECT count(*) FROM groundwork_flow.change") == 0


def test_updates_fail_without_rows(market: Market) -> None:
    result = real_time_updates(market.engine, market.domain)
    assert not result.passed
    assert result.likely_cause == "no table has rows yet"


def test_updates_that_arrive_late_fail(loaded_market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.foundation.data_integration._PATIENCE_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(_LIMIT, 0.0)
    result = real_time_updates(loaded_market.engine, loaded_market.domain, samples=1)
    assert not result.passed
    assert result.found.startswith("1 of 1")
    assert result.likely_cause == "the server is overloaded, or triggers are disabled"


def test_updates_fail_when_no_bell_rings(loaded_market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.foundation.data_integration._PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("groundwork.flow.capture.subscription.CHANNEL", "another_channel")
    result = real_time_updates(loaded_market.engine, loaded_market.domain)
    assert not result.passed
    assert result.found.startswith("0 of 5")


def test_the_drill_leaves_nothing_behind(loaded_market: Market) -> None:
    before = loaded_market.value("SELECT count(*) FROM groundwork_flow.load")
    result = error_handling(loaded_market.engine, loaded_market.domain, PROJECT)
    assert result.passed, result
    rules = {defect["expected"]["rule"] for defect in result.details["defects"]}
    assert len(rules) >= 6
    assert {"column_count", "encoding", "nul_byte", "type", "not_null", "duplicate_key", "matches"} <= rules
    assert tuple(loaded_market.rows(LEFT)[0]) == (0, 0, 0, 0)
    assert loaded_market.value("SELECT count(*) FROM groundwork_flow.load") == before


def test_the_drill_fails_when_a_defect_is_not_seen(loaded_market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    real = defects.csv_line
    monkeypatch.setattr(defects, "csv_line", lambda header, row: real(header, {**row, "ticker": "NOTBROKEN"}))
    result = error_handling(loaded_market.engine, loaded_market.domain, PROJECT)
    assert not result.passed
    assert "not recognised" in (result.likely_cause or "")
    assert tuple(loaded_market.rows(LEFT)[0]) == (0, 0, 0, 0)


def test_a_drill_that_breaks_off_cleans_up(loaded_market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broke off")

    monkeypatch.setattr("groundwork.foundation.error_handling.load_table", fail)
    with pytest.raises(RuntimeError, match="broke off"):
        error_handling(loaded_market.engine, loaded_market.domain, PROJECT)
    with loaded_market.engine.connect() as connection:
        assert tuple(connection.execute(text(LEFT)).one()) == (0, 0, 0, 0)


def test_a_missing_source_is_told(market: Market, tmp_path: Path) -> None:
    from groundwork.model.errors import ConfigError

    with pytest.raises(ConfigError, match="cannot be opened"):
        data_sync_working(market.engine, market.domain, tmp_path)
