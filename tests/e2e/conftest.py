"""Lists the fixture modules of the tests in a running Airflow."""

from tests.e2e.fix_workshop import workshop

__all__ = ["workshop"]
