"""The mark that a try leaves on its machine while it runs: its process, and how often memory had run out before.

Written before every try and taken away when it ends by itself, so this imports little. `lost_tries` reads those that
stay.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from groundwork.operators.tries.fence import birth_of

if TYPE_CHECKING:
    from groundwork.model.task_try import TaskTry

_CGROUP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")
_KILLS = "oom_kill "  # how the line with the count begins


def mark_begun(home: Path, this: TaskTry) -> None:
    """Leave the mark of a try that begins; a disk that refuses costs only what could be told later.

    The keys are the fields of `groundwork.operators.tries.lost_tries.Mark`.
    """
    mark = {
        "try_number": this.try_number,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "began_at": time.time(),
        "kills": kills(),
        "birth": birth_of(os.getpid()),
    }
    path = path_of(home, this)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(mark), encoding="utf-8")


def mark_ended(home: Path, this: TaskTry) -> None:
    """Take the mark away: the try ended by itself."""
    with suppress(OSError):
        path_of(home, this).unlink(missing_ok=True)


def path_of(home: Path, this: TaskTry) -> Path:
    """Where the mark of a task instance is; the same for all of its tries."""
    return home / "tries" / f"{this.instance_digest}.json"


def kills() -> int | None:
    """How often a process of this control group was killed for lack of memory; null where that is not counted."""
    try:
        lines = _CGROUP.read_text(encoding="utf-8").splitlines()
        for line in lines:
            _, controllers, place = line.split(":", 2)
            if not controllers:
                path = _CGROUPS / place.lstrip("/") / "memory.events"
            elif "memory" in controllers.split(","):
                path = _CGROUPS / "memory" / place.lstrip("/") / "memory.oom_control"
            else:
                continue
            if path.exists():
                told = path.read_text(encoding="utf-8").splitlines()
                return next((int(each.removeprefix(_KILLS)) for each in told if each.startswith(_KILLS)), None)
    except (OSError, ValueError):
        pass
    return None
