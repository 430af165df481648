"""Progress, summary and task errors as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from groundwork.local.airflow_api import TaskState
from groundwork.local.layout import Layout
from groundwork.local.progress import PlainProgress, overview
from groundwork.local.steps import Steps
from groundwork.local.summary import Summary, told, told_failure
from groundwork.local.task_log import failure

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def _task(name: str, state: str | None, *, after: int = 0, tries: int = 1, index: int = -1) -> TaskState:
    started = _BEGAN + timedelta(seconds=after) if state else None
    seconds = 1.5 if state in {"success", "failed"} else None
    return TaskState(task=name, map_index=index, state=state, started_at=started, seconds=seconds, try_number=tries)


def test_plain_progress_tells_each_end_once_and_in_order() -> None:
    lines: list[str] = []
    display = PlainProgress(lines.append)
    display.show([_task("a.two", "running", after=2), _task("a.one", "success", after=1), _task("b.x", None)])
    display.show([_task("a.two", "success", after=2), _task("a.one", "success", after=1), _task("b.x", None)])
    display.show(
        [_task("a.two", "success", after=2), _task("a.one", "success", after=1), _task("b.x", "failed", tries=3)]
    )
    assert [line.split()[1] for line in lines] == ["a.one", "a.two", "b.x"]
    assert "try 3" in lines[-1]


def test_a_repeated_try_is_told_again() -> None:
    lines: list[str] = []
    display = PlainProgress(lines.append)
    for state, tries in (("up_for_retry", 1), ("running", 2), ("failed", 2)):
        display.show([_task("load", state, tries=tries, index=3)])
    assert len(lines) == 2
    assert all("load[3]" in line for line in lines)


def test_the_overview_folds_phases_that_are_through() -> None:
    lines = overview(
        [_task("one.a", "success"), _task("one.b", "success", after=1), _task("two.c", "running", after=2)]
    )
    assert [line.split()[1] for line in lines] == ["one", "two", "two.c"]
    assert "2/2 tasks" in lines[0]


def test_steps_tell_outcome_and_time_and_let_errors_through() -> None:
    lines: list[str] = []
    steps = Steps(write=lines.append)
    with steps.step("first") as step:
        step.outcome = "already there"
    with pytest.raises(ValueError, match="x"), steps.step("second"):
        raise ValueError("x")
    assert "already there" in lines[0]
    assert "failed" in lines[1]
    assert set(steps.seconds) == {"first", "second"}


def _book(table: str, **counts: int) -> Mapping[str, Any]:
    parts = dict.fromkeys(("read", "loaded", "updated", "unchanged", "quarantined", "duplicates"), 0)
    return {"schema_name": "market", "table_name": table, **parts, **counts}


def _summary(**parts: Any) -> Summary:
    return Summary(**{"run": None, "phases": (), "criteria": (), "rows": {}, "books": (), **parts})


def test_the_summary_balances_the_books() -> None:
    books = [_book("a", read=5, loaded=3, duplicates=2), _book("b", read=1, quarantined=1)]
    text = "\n".join(told(_summary(rows={"market.a": 3, "market.b": 0, "market.c": 7}, books=books)))
    assert "3 tables; 6 read = 3 loaded + 0 updated + 0 unchanged + 1 quarantined + 2 duplicates" in text


def test_the_summary_shows_books_that_do_not_balance() -> None:
    assert "5 read ≠" in "\n".join(told(_summary(rows={"market.a": 3}, books=[_book("a", read=5, loaded=3)])))


def test_sections_without_a_source_are_left_out() -> None:
    text = "\n".join(told(_summary()))
    assert not any(word in text for word in ("checks", "quality", "dbt", "read ="))


def test_a_failed_gate_says_what_to_do() -> None:
    criterion = {
        "phase": "schema_design", "criterion": "schema_validated", "operation_id": "X", "expected": "no difference",
        "found": "2 differences", "how_measured": "compared", "likely_cause": None, "next_step": "run it again",
    }  # fmt: skip
    text = "\n".join(told_failure([criterion]))
    assert all(word in text for word in ("schema_validated", "no difference", "2 differences", "run it again"))
    assert "cause" not in text


def test_the_last_error_of_the_newest_try_is_found(tmp_path: Path) -> None:
    layout = Layout(project=tmp_path, home=tmp_path)
    folder = layout.logs / "airflow" / "dag_id=d" / "run_id=r" / "task_id=g.t" / "map_index=2"
    folder.mkdir(parents=True)
    error = {"level": "error", "event": "failed", "error_detail": [{"exc_type": "ValueError", "exc_value": "bad"}]}
    later = {"level": "info", "event": "after"}
    (folder / "attempt=1.log").write_text("\n".join(["not json", json.dumps(error), "[]", json.dumps(later)]))
    found = failure(layout, "d", "r", _task("g.t", "failed", index=2))
    assert found.error == "ValueError: bad"
    assert found.log == folder / "attempt=1.log"
    assert failure(layout, "d", "r", _task("absent", "failed")).log is None
