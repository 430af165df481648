"""The daily report is kept in both forms and sent once a day where the policy routes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from groundwork.operators.report import DailyReportOperator
from groundwork.store.migrate import migrate
from groundwork.store.report import Reports
from tests.fix_postgres import Database
from tests.operators.fix_channels import Mails

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
GOVERNANCE = Path(__file__).parents[2] / "governance"
_POLICY = """
kind: notifications
version: 1.0.0
channels:
  mail: {kind: smtp, connection: post, to: [lead@example.com], sender: g@example.com}
  duty: {kind: pagerduty, connection: none}
routes: [{channels: [mail, duty]}]
"""


@pytest.fixture
def store(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mails: Mails) -> Iterator[Engine]:
    from groundwork.operators import connections

    migrate(database.engine)
    shutil.copytree(GOVERNANCE, tmp_path / "governance")
    (tmp_path / "governance" / "policies" / "notifications.yaml").write_text(_POLICY)
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    for name in ("WAREHOUSE", "GROUNDWORK_STORE"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", database.url.replace("postgresql+psycopg", "postgres"))
    post = {"conn_type": "smtp", "host": "127.0.0.1", "port": mails.port}
    extra = {"disable_ssl": True, "disable_tls": True}
    monkeypatch.setenv("AIRFLOW_CONN_POST", json.dumps({**post, "extra": extra}))
    connections.engine.cache_clear()
    yield database.engine
    for name in ("warehouse", "groundwork_store"):
        connections.engine(name).dispose()
    connections.engine.cache_clear()


def test_the_report_is_kept_and_mailed_once(store: Engine, mails: Mails) -> None:
    nobody: Any = {}
    for _ in range(2):
        markdown = DailyReportOperator(task_id="report", domain="market").run(nobody)
    kept = Reports(store).latest("market")
    assert kept is not None
    assert kept["markdown"] == markdown
    assert kept["html"].startswith("<!doctype html>")
    (mail,) = mails.taken  # no pager was asked, and the second report of the day is kept but not sent
    assert str(mail["Subject"]).startswith("Daily report: market, ")
    body = mail.get_body(("html",))
    assert body is not None
    assert "<h2>Recommendations</h2>" in body.get_content()


def test_a_mail_server_that_is_away_fails_no_report(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_POST", json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": 1}))
    nobody: Any = {}
    assert "# Daily report" in DailyReportOperator(task_id="report", domain="market").run(nobody)
