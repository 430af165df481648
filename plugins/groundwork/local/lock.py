"""One operation at a time on a deployment: a lock that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from groundwork.model.errors import RetriableError

_POLL_SECONDS = 0.2


@contextlib.contextmanager
def operation_lock(
    path: Path, purpose: str, notice: Callable[[str], None], timeout_seconds: float = 1800
) -> Iterator[None]:
    """Hold the deployment's lock; while another process has it, `notice` is told once whom one waits for.

    Raises: RetriableError when it is still held after the time.
    """
    with path.open("a+", encoding="utf-8") as file:
        _wait(file.fileno(), path, notice, time.monotonic() + timeout_seconds)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "purpose": purpose}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _wait(descriptor: int, path: Path, notice: Callable[[str], None], deadline: float) -> None:
    is_told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_told:
                notice(f"waiting for {_holder(path)}, which works on this deployment")
                is_told = True
            if time.monotonic() > deadline:
                raise RetriableError(
                    "another command works on this deployment", where=str(path), found=_holder(path),
                    next_step="wait for it or end it, then run the same command again",
                ) from None  # fmt: skip
            time.sleep(_POLL_SECONDS)
        else:
            return


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"`groundwork {holder['purpose']}` (process {holder['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another command"
