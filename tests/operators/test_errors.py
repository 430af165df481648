"""Groundwork's errors reach Airflow as they are, but for the one that means "skip"."""

from __future__ import annotations

import pickle

import pytest

from groundwork.model.errors import ConfigError, GroundworkError, RetriableError, SkippableError

pytestmark = pytest.mark.airflow


def test_nothing_to_do_is_a_skip() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from groundwork.operators.errors import airflow_errors

    with pytest.raises(AirflowSkipException, match="dry run"), airflow_errors():
        raise SkippableError("a dry run")


@pytest.mark.parametrize("kind", [ConfigError, RetriableError])
def test_other_errors_keep_their_class(kind: type[GroundworkError]) -> None:
    from groundwork.operators.errors import airflow_errors

    with pytest.raises(kind), airflow_errors():
        raise kind("something")


def test_an_error_survives_the_way_between_processes() -> None:
    error = ConfigError("what", where="here", expected=1, found=2, next_step="do this")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert type(copy) is ConfigError
    assert str(copy) == str(error) == "what\n  where: here\n  expected: 1\n  found: 2\n  next: do this"
