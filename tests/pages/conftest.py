"""Fixtures of the pages' tests."""

from tests.pages.fix_server import airflow_server

__all__ = ["airflow_server"]
