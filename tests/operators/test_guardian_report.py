"""The guardian's report: kept whatever the checks did, failing when one failed, shown on its page."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sqlalchemy import text

from groundwork.operators.guardian_contracts import ValidateSchemaOperator
from groundwork.operators.guardian_database import CompareToDatabaseOperator, ExplainMigrationOperator
from groundwork.operators.guardian_report import GuardianReportOperator
from groundwork.pages.reports import latest_guardian_report
from tests.operators.fix_guardian import Place

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_CHECKS = ("validate_schema", "compare_to_db", "explain_migration")


def _report() -> GuardianReportOperator:
    needed = {"explain_migration": "compare_to_db"}
    return GuardianReportOperator(task_id="report", domain="market", checks=_CHECKS, when_needed=needed)


def _look(place: Place, fail_on: str = "errors") -> None:
    place.execute(ValidateSchemaOperator(task_id="validate_schema", domain="market", fail_on=fail_on))
    place.execute(CompareToDatabaseOperator(task_id="compare_to_db", domain="market", fail_on="never"))
    place.execute(ExplainMigrationOperator(task_id="explain_migration", domain="market", fail_on=fail_on))


def test_a_domain_in_order_is_reported_so(place: Place) -> None:
    place.make_tables()
    with pytest.raises(AirflowSkipException):
        _look(place)
    found = place.execute(_report())
    assert [check["state"] for check in found["checks"]] == ["fine", "fine", "skipped"]
    shown = latest_guardian_report(place.store)
    assert shown is not None
    assert "**No check failed.**" in shown.markdown


def test_a_failed_check_fails_the_run_after_the_report_is_kept(place: Place) -> None:
    place.make_tables()
    with place.warehouse.begin() as connection:
        connection.execute(text("DROP INDEX market.orders_open_idx"))
    with pytest.raises(AirflowFailException):
        _look(place, fail_on="findings")
    with pytest.raises(AirflowFailException, match=r"(?s)1 of 3 checks failed.*explain_migration: failed"):
        place.execute(_report())
    shown = latest_guardian_report(place.store)
    assert shown is not None
    assert "| `compare_to_db` | found | 0 | 1 |" in shown.markdown
    assert "orders_open_idx" in shown.markdown
    place.xcom.clear()
    _look(place)  # the same day, by another policy: the report takes the place of the first
    assert place.execute(_report())["is_fine"] is True
    again = latest_guardian_report(place.store)
    assert again is not None
    assert "**No check failed.** 2 found something" in again.markdown


def test_a_check_that_left_nothing_did_not_finish(place: Place) -> None:
    with pytest.raises(AirflowFailException, match=r"(?s)3 of 3 checks failed.*explain_migration: unfinished"):
        place.execute(_report())


def test_a_hostile_finding_stays_text(place: Place) -> None:
    summary = {
        "told": "`x` | <script>alert(1)</script>\n# big",
        "errors": 0,
        "findings": 1,
        "lines": ["- ``` **x**"],
        "next_step": None,
        "is_failed": False,
    }
    for name in _CHECKS:
        place.xcom[name, "guardian"] = summary
    place.execute(_report())
    shown = latest_guardian_report(place.store)
    assert shown is not None
    assert "`'x' | <script>alert(1)</script> # big`" in shown.markdown
