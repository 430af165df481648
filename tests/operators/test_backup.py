"""Backups as the Dag's task makes them: every table of a domain, and a failure only after all others were tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.operators import connections
from groundwork.operators.backup import back_up_domain, domains_to_back_up
from groundwork.orbt.backups.file import backups
from tests.cli.test_load import environment
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import make_shop

pytestmark = pytest.mark.postgres


def test_a_domain_is_backed_up_and_what_failed_fails_the_task(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shop(database.engine, tmp_path)
    for name, value in environment(tmp_path, database).items():
        monkeypatch.setenv(name, value)
    connections.engine.cache_clear()
    try:
        assert domains_to_back_up() == ["shop"]
        done = back_up_domain("shop")
        assert [each["rows"] for each in done["made"]] == [5, 5, 10]
        assert len({each.taken_at for each in backups(tmp_path / "home" / "backups")}) == 1
        with database.engine.begin() as connection:
            connection.execute(text("DROP TABLE shop.lines"))
        with pytest.raises(Exception, match="not every table was backed up"):
            back_up_domain("shop")
        assert len(backups(tmp_path / "home" / "backups")) == 5
    finally:
        connections.engine("warehouse").dispose()
        connections.engine.cache_clear()
