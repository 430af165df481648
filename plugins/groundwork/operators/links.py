"""Links from a task in the Airflow UI to what Groundwork keeps of it.

Airflow asks for the link in the task's process when the task ends, and stores it; the page is a plugin view, so the
link opens inside Airflow's own frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

FOUNDATION_DAG = "data_foundation"
VIEW_ROUTE = "/plugin/groundwork"  # the plugin's view in the Airflow UI; the page's own path follows
PAGES = "/groundwork/ui"


class EvidenceLink(BaseOperatorLink):
    """A button on the task that opens its run's evidence, or its domain's page outside of `data_foundation`."""

    @property
    def name(self) -> str:
        """The button's words."""
        return "Groundwork evidence"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address of the page about this task's run."""
        return page_address(ti_key.dag_id, ti_key.run_id, getattr(operator, "domain", None))


def page_address(dag_id: str, run_id: str, domain: str | None) -> str:
    """The full address of the page that tells most of a run: its evidence, else its domain, else the overview."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="") or ""
    if dag_id == FOUNDATION_DAG:
        page = f"/runs/{quote(run_id, safe='')}"
    else:
        page = f"/domains/{quote(domain, safe='')}" if domain else ""
    path = base.rstrip("/").partition("://")[2].partition("/")[2]
    prefix = f"/{path}" if path else ""
    return f"{base.rstrip('/')}{VIEW_ROUTE}{prefix}{PAGES}{page}"
