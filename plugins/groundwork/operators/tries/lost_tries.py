"""Tries that ended without a word: their process was killed, and nobody was left to ask the retry policy.

A try leaves a mark with its process on this machine and takes it away when it ends by itself. Who comes next (the next
try, or the end of the run) finds that a try has no strike and records one, once; the mark and what the kernel tells say
whether memory ran out. Tries before a person cleared the task are none of these: Airflow starts to count anew there.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundwork.operators.tries.begun_tries import begun
from groundwork.operators.tries.circumstances import circumstances_of, impact_of
from groundwork.operators.tries.fence import end_process
from groundwork.operators.tries.marks import kills, mark_ended, path_of
from groundwork.operators.tries.try_state import task_try_of
from groundwork.settings import Settings

if TYPE_CHECKING:
    from groundwork.model.fault import Circumstances, Fault, TaskTry
    from groundwork.operators.tries.policy import Policy

_log = logging.getLogger(__name__)
_KERNEL_LOG = Path("/dev/kmsg")
_KERNEL_LINES = 20_000  # of the kernel's log looked at
_KILLED = re.compile(r"^\d+,\d+,(\d+),.*?;.*Killed process (\d+)\b")
OUT_OF_MEMORY = "resource_exhaustion"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a try leaves on its machine: its process with its birth in ticks since the boot, its beginning in Unix time,
    how often memory had run out.
    """

    try_number: int
    host: str
    pid: int
    began_at: float
    kills: int | None = None
    birth: int | None = None


def end_left_behind(home: Path, lost: TaskTry) -> None:
    """End the process of a try that is over for Airflow, or of one before it, where it still stands on this machine.

    A try that ended by itself took its mark away.
    """
    mark = _mark_at(home, lost)
    if mark is None or mark.try_number > lost.try_number or mark.host != socket.gethostname():
        return
    if end_process(mark.pid, mark.birth):
        _log.warning("try %d was given up and its process %d still stood here: it was ended", mark.try_number, mark.pid)


def tell_lost_tries(policy: Policy, task_instance: Any, struck: Collection[int]) -> tuple[int, ...]:
    """Record a strike for each earlier try of the task instance that began and has none; their numbers.

    Raises: what the store raises; then the next try does it.
    """
    this = task_try_of(task_instance)
    retries = getattr(task_instance.task, "retries", 0) or 0
    first = max((getattr(task_instance, "max_tries", retries) or 0) - retries, 0) + 1
    lost = begun(this, [number for number in range(first, this.try_number) if number not in struck])
    return tuple(number for number in lost if tell_lost_try(policy, task_instance, number, is_retried=True))


def tell_lost_try(policy: Policy, task_instance: Any, number: int, *, is_retried: bool) -> bool:
    """Record the strike of one try that ended without a word; false when it turns out to have one.

    A process of it that still stands on this machine is ended. Raises: what the store raises.
    """
    from groundwork.store.strike import Strikes

    lost, home = replace(task_try_of(task_instance), try_number=number), Settings.from_environment().home
    end_left_behind(home, lost)
    responder = policy.responder()
    responder.take_in()
    if Strikes(responder.store()).is_known(lost):
        return False
    fault, where = lost_fault(home, lost, circumstances_of(task_instance, policy))
    response = responder.respond(fault, lost, impact_of(task_instance), has_try_left=is_retried, circumstances=where)
    mark_ended(home, lost)
    _log.warning("try %d ended without a word: %s [%s]", number, fault.message, response.strike.reason)
    return True


def lost_fault(home: Path, lost: TaskTry, where: Circumstances) -> tuple[Fault, Circumstances]:
    """What is known of a try that was killed, and where: memory that ran out is the machine's, not the target's."""
    from groundwork.model.fault import WORKER_LOST, Fault

    mark = _read_mark(home, lost)
    told = _memory_ran_out(mark) if mark is not None else None
    if mark is not None and told is not None:
        fault = Fault(fault_class=OUT_OF_MEMORY, exception="none", message=f"the process was killed: {told}")
        return fault, replace(where, target=f"worker:{mark.host}", engine=None)
    ran = f" (process {mark.pid} on {mark.host})" if mark is not None else ""
    return Fault(
        fault_class=WORKER_LOST, exception="none", message=f"the try ended without a word: its process is gone{ran}"
    ), where


def _memory_ran_out(mark: Mark) -> str | None:
    """What the kernel tells of the process's end, when it was for lack of memory; null when it tells nothing."""
    if mark.host != socket.gethostname():
        return None
    if _kernel_killed(mark.pid, mark.began_at):
        return f"out of memory, says the kernel's log of process {mark.pid}"
    now = kills()
    if now is not None and mark.kills is not None and now > mark.kills:
        return f"out of memory, the control group counts {now - mark.kills} more since the try began"
    return None


def _kernel_killed(pid: int, since: float) -> bool:
    """Whether the kernel's log, where it may be read, tells that it killed the process after `since`."""
    try:
        started_at = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        log = os.open(_KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        for _ in range(_KERNEL_LINES):
            found = _KILLED.match(os.read(log, 8192).decode(errors="replace"))
            if found and int(found[2]) == pid and started_at + int(found[1]) / 1e6 >= since - 1:
                return True
    except OSError:  # BlockingIOError: the end of what there is
        return False
    finally:
        os.close(log)
    return False


def _read_mark(home: Path, lost: TaskTry) -> Mark | None:
    mark = _mark_at(home, lost)
    return mark if mark is not None and mark.try_number == lost.try_number else None


def _mark_at(home: Path, this: TaskTry) -> Mark | None:
    try:
        return Mark(**json.loads(path_of(home, this).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
