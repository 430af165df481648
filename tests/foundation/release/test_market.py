"""The whole market, loaded from its sources, passes every gate."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from groundwork.foundation.release.gates import GATES, decide, measure_gate
from groundwork.foundation.release.subject import Budgets, ReleaseSubject
from groundwork.quality.run import validate_domain
from groundwork.store.migrate import migrate
from groundwork.store.release import Releases
from tests.fix_market import PROJECT, Market
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_market_is_released(loaded_market: Market, module_database: Database) -> None:
    engine, server = loaded_market.engine, module_database.server
    migrate(engine)
    validate_domain(
        engine,
        engine,
        loaded_market.domain,
        expectations=PROJECT / "expectations",
        run_id="r",
        stage="after_load",
        use_great_expectations=False,
    )
    scratch = create_engine(server.url("postgres", server.superuser_password, "postgres"))
    subject = ReleaseSubject(
        domain=loaded_market.domain,
        contracts=PROJECT / "governance" / "contracts",
        warehouse=engine,
        store=engine,
        scratch=scratch,
        target="warehouse",
        budgets=Budgets(slowest_query_seconds=60),  # whatever else the machine has to do
    )
    Releases(engine).start("market/1", "market", "test")
    found = {gate: measure_gate(subject, gate, run_id="market/1") for gate in GATES}
    scratch.dispose()
    decision = decide(engine, "market", run_id="market/1", actor="test")
    assert decision.is_passed, decision.to_text()
    tables = found["backup_verified"].details["tables"]
    assert isinstance(tables, dict)
    assert set(tables) == {table.qualified_name for table in loaded_market.domain.tables}
    assert tables["market.stock_prices"] == loaded_market.value("SELECT count(*) FROM market.stock_prices")
