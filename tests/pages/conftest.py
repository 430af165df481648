"""Lists the fixture modules of the pages' tests."""

from tests.pages.fix_browser import browser, page, role
from tests.pages.fix_server import airflow_server

__all__ = ["airflow_server", "browser", "page", "role"]
