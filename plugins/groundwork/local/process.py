"""One supervised process: started in a session of its own, recorded, found again, and ended with all its children.

A record names process id, creation time and boot, so that a reused id is never taken for ours. Children stay in the
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

_CLOCK_TOLERANCE_SECONDS = 0.05  # creation times come from clock ticks
# Not `subprocess`: its objects want to see their child end, and this child outlives its starter.
_IN_FOLDER = 'cd "$1" && shift && exec "$@"'


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of a started process; `created_at` in seconds since the epoch, `digest` of all it read at start."""

    pid: int
    created_at: float
    boot: str
    digest: str
    log: str

    @property
    def leader(self) -> psutil.Process | None:
        """The started process itself, while it lives."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.created_at) < _CLOCK_TOLERANCE_SECONDS
            if self.boot == _boot() and is_same and process.status() != psutil.STATUS_ZOMBIE:
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
            is_younger = process.create_time() >= self.created_at - _CLOCK_TOLERANCE_SECONDS
            return is_in_session and is_younger and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, PermissionError, psutil.Error):
            return False

    def _is_id_reused(self) -> bool:
        try:
            created_at = psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return False
        return abs(created_at - self.created_at) >= _CLOCK_TOLERANCE_SECONDS


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


def _boot() -> str:
    """What tells one run of the machine from another."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return str(int(psutil.boot_time()))
