"""Processes are found again by their record, ended with all their children, and never mistaken for others."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from groundwork.local import process
from tests.patience import until

_PARENT = """
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(2)]
print(*(child.pid for child in children), flush=True)
time.sleep(600)
"""
_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
)


class Started:
    """A started process with its log and record."""

    def __init__(self, folder: Path, program: str) -> None:
        self.log = folder / "log"
        self.path = folder / "record.json"
        self.record = process.start(
            (sys.executable, "-c", program),
            environment={"PATH": os.environ["PATH"]},
            folder=folder,
            log=self.log,
            record=self.path,
            digest="one",
        )
        until(lambda: self.log.read_text().endswith("\n"), "its first line")

    @property
    def children(self) -> list[int]:
        """Process ids that the parent wrote."""
        return [int(word) for word in self.log.read_text().split()]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    made = Started(tmp_path, _PARENT)
    yield made
    process.stop([made.record], grace_seconds=0)


def _is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_process_is_found_by_its_record(started: Started) -> None:
    found = process.read(started.path)
    assert found == started.record
    assert found.leader is not None
    assert {member.pid for member in found.members()} == {found.pid, *started.children}
    assert oct(started.path.stat().st_mode)[-3:] == oct(started.log.stat().st_mode)[-3:] == "600"


def test_stopping_ends_all_children(started: Started) -> None:
    assert process.stop([started.record]) == 3
    assert not any(_is_running(pid) for pid in (started.record.pid, *started.children))
    assert process.stop([started.record]) == 0


def test_children_of_a_killed_leader_are_found_and_ended(started: Started) -> None:
    os.kill(started.record.pid, signal.SIGKILL)
    until(lambda: started.record.leader is None, "the end of the leader")
    assert {member.pid for member in started.record.members()} == set(started.children)
    assert process.stop([started.record]) == 2
    assert not any(_is_running(pid) for pid in started.children)


def test_who_does_not_listen_is_killed_after_the_grace_time(tmp_path: Path) -> None:
    stubborn = Started(tmp_path, _STUBBORN)
    began = time.monotonic()
    assert process.stop([stubborn.record], grace_seconds=1) == 1
    assert time.monotonic() - began >= 1
    assert not _is_running(stubborn.record.pid)


@pytest.mark.parametrize("change", [{"birth": 1.0}, {"boot": "another"}])
def test_a_reused_process_id_is_not_ours(started: Started, change: dict[str, object]) -> None:
    stale = dataclasses.replace(started.record, **change)
    assert stale.leader is None
    assert stale.members() == []
    assert process.stop([stale]) == 0
    assert _is_running(started.record.pid)


def test_a_clock_that_is_set_right_changes_nothing(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    was = psutil.Process(started.record.pid).create_time()
    moved = psutil.boot_time() + 3600
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: moved)
    assert psutil.Process(started.record.pid).create_time() == pytest.approx(was + 3600), "the clock did move"
    assert started.record.leader is not None
    assert {member.pid for member in started.record.members()} == {started.record.pid, *started.children}
    assert process.stop([started.record]) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"pid": 1})])
def test_a_record_that_does_not_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content)
    assert process.read(tmp_path / "record.json") is None
    assert process.read(tmp_path / "absent.json") is None


def test_the_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    made = Started(tmp_path, "print('after')")
    process.stop([made.record])
    assert process.tail(tmp_path / "log").endswith("after")
    assert (tmp_path / "log.1").read_text() == "before\n"
