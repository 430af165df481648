"""Two commands on one deployment wait for one another, and a killed one leaves no lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from groundwork.local.lock import operation_lock
from groundwork.model.errors import RetriableError
from tests.patience import PATIENCE_SECONDS

_HOLDER = """
import sys, time
from pathlib import Path
from groundwork.local.lock import operation_lock
with operation_lock(Path(sys.argv[1]), "demo", print):
    print("held", flush=True)
    time.sleep(600)
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen((sys.executable, "-c", _HOLDER, str(path)), stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_holder_is_named_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    told: list[str] = []
    with _holder(path) as holder:

        def hear(line: str) -> None:
            told.append(line)
            holder.kill()

        with operation_lock(path, "up", hear, timeout_seconds=PATIENCE_SECONDS):
            pass
    assert told == [f"waiting for `groundwork demo` (process {holder.pid}), which works on this deployment"]


def test_a_lock_held_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with _holder(path) as holder:
        with (
            pytest.raises(RetriableError, match="another command"),
            operation_lock(path, "up", lambda _: None, timeout_seconds=0.3),
        ):
            pytest.fail("the lock was given twice")
        holder.kill()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with _holder(path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
    told: list[str] = []
    with operation_lock(path, "up", told.append, timeout_seconds=PATIENCE_SECONDS):
        assert told == []
