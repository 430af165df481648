"""Links from tasks to pages."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from groundwork.operators.links import EvidenceLink

pytestmark = pytest.mark.airflow
RUN = "manual__2026-11-21T02:12:44+00:00"
_RUN_PAGE = "/ui/runs/manual__2026-11-21T02%3A12%3A44%2B00%3A00"


@pytest.mark.parametrize(
    ("base", "dag", "domain", "expected"),
    [
        ("http://h:8080", "data_foundation", "market", f"http://h:8080/plugin/groundwork/groundwork{_RUN_PAGE}"),
        ("http://h:8080/", "governance", "market", "http://h:8080/plugin/groundwork/groundwork/ui/domains/market"),
        ("https://h/flow", "validation", "a b", "https://h/flow/plugin/groundwork/flow/groundwork/ui/domains/a%20b"),
        ("http://h", "daily_report", None, "http://h/plugin/groundwork/groundwork/ui"),
    ],
)
def test_a_task_links_to_the_page_that_tells_most(
    monkeypatch: pytest.MonkeyPatch, base: str, dag: str, domain: str | None, expected: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    operator = SimpleNamespace(**({"domain": domain} if domain else {}))
    task_instance = SimpleNamespace(dag_id=dag, run_id=RUN)
    link = EvidenceLink()
    assert link.name == "Groundwork evidence"
    assert link.get_link(operator, ti_key=task_instance) == expected  # type: ignore[arg-type]
