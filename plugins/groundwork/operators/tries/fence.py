"""Earlier tries whose process still stands on this machine when Airflow has long begun another one.

A machine that stood still, or a supervisor that lost the way to Airflow, leaves such a process behind. Airflow ends it
with its next heartbeat at the earliest, and until then it could write a second time. A process is known by its id and
its birth, so that a reused id is never taken for it. One on another machine is left to Airflow.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_START_TICKS = 19  # place of `starttime` in /proc/PID/stat, counted after the name


def birth_of(pid: int) -> int | None:
    """When a process began, in ticks since the boot; null when there is none, or the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(told.rpartition(")")[2].split()[_START_TICKS])
    except (OSError, ValueError, IndexError):
        return None


def end_process(pid: int, birth: int | None) -> bool:
    """Kill the process that was born then, with its children where it leads a group, but never this one.

    True when it was there.
    """
    if birth is None or birth_of(pid) != birth or pid in {os.getpid(), os.getppid()}:
        return False
    with suppress(OSError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
        return True
    return False
