"""One supervised process: started in a session of its own, recorded, found again, and ended with all its children.

A record names process id, birth and boot, so that a reused id is never taken for ours. The birth counts from the boot
where the system tells it: a creation time by the clock moves whenever the clock is set right. Children stay in the
session of their leader, which is how they are found after the leader alone was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from groundwork.local.layout import write_private

_TOLERANCE_SECONDS = 0.05  # births come from clock ticks
_START_TICKS = 19  # place of `starttime` in /proc/PID/stat, counted after the name
# Not `subprocess`: its objects want to see their child end, and this child outlives its starter.
_IN_FOLDER = 'cd "$1" && shift && exec "$@"'


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of a started process: `created_at` in seconds since the epoch, `birth` in seconds since the boot,
    `digest` of all it read at start.
    """

    pid: int
    created_at: float
    birth: float
    boot: str
    digest: str
    log: str

    @property
    def leader(self) -> psutil.Process | None:
        """The started process itself, while it lives."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            is_ours = self.boot == _boot() and not self._is_id_reused()
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def members(self) -> list[psutil.Process]:
        """Every living process of the session, the leader first; nobody when the session is not ours any more."""
        if self.boot != _boot() or self._is_id_reused():
            return []
        found = [process for process in psutil.process_iter() if self._has(process)]
        return sorted(found, key=lambda process: process.pid != self.pid)

    def _has(self, process: psutil.Process) -> bool:
        try:
            is_in_session = os.getsid(process.pid) == self.pid and process.uids().effective == os.geteuid()
            is_younger = _birth(process.pid) >= self.birth - _TOLERANCE_SECONDS
            return is_in_session and is_younger and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, PermissionError, psutil.Error):
            return False

    def _is_id_reused(self) -> bool:
        try:
            return abs(_birth(self.pid) - self.birth) >= _TOLERANCE_SECONDS
        except psutil.NoSuchProcess:
            return False


def start(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path, record: Path, digest: str
) -> Record:
    """Start `command` with its output in a fresh `log` (the one before is kept beside it), and write its record."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        pid = os.posix_spawn(
            "/bin/sh",
            ("sh", "-c", _IN_FOLDER, "sh", str(folder), *command),
            dict(environment),
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, sink, 1),
                (os.POSIX_SPAWN_DUP2, sink, 2),
            ),
            setsid=True,
        )
    finally:
        os.close(sink)
    made = Record(
        pid=pid,
        created_at=psutil.Process(pid).create_time(),
        birth=_birth(pid),
        boot=_boot(),
        digest=digest,
        log=str(log),
    )
    write_private(record, json.dumps(asdict(made)))
    return made


def read(record: Path) -> Record | None:
    """The record in the file, or null when there is none that reads."""
    try:
        return Record(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def stop(records: Sequence[Record], grace_seconds: float = 15) -> int:
    """End the sessions: ask all at once, kill what is left after the grace time; the number of processes ended."""
    seen: set[psutil.Process] = set()
    deadline = time.monotonic() + grace_seconds
    asked: set[psutil.Process] = set()
    while living := {process for record in records for process in record.members()}:
        seen |= living
        is_late = time.monotonic() > deadline
        for process in living if is_late else living - asked:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL if is_late else signal.SIGTERM)
        asked |= living
        psutil.wait_procs(list(living), timeout=0.2)
    return len(seen)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file; empty when there is none."""
    try:
        with log.open("rb") as source:
            source.seek(max(0, log.stat().st_size - 16_384))
            return "\n".join(source.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _birth(pid: int) -> float:
    """When the process began, in seconds since the boot; by the clock where the system has no `/proc`.

    Raises:
        psutil.NoSuchProcess: nobody has this id.
    """
    with contextlib.suppress(OSError):
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(after_name[_START_TICKS]) / os.sysconf("SC_CLK_TCK")
    return psutil.Process(pid).create_time()


def _boot() -> str:
    """What tells one run of the machine from another."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return str(int(psutil.boot_time()))
