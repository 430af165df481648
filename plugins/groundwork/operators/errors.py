"""The one place where Groundwork's errors become Airflow's.

Only skipping needs an exception of Airflow's: everything else is raised as it is, so that the retry policy sees the
real class and the log shows what, where, expected, found and the next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from groundwork.model.errors import SkippableError


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn a `SkippableError` into Airflow's skip; let everything else pass."""
    from airflow.sdk.exceptions import AirflowSkipException

    try:
        yield
    except SkippableError as error:
        raise AirflowSkipException(str(error)) from error
