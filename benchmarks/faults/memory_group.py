"""A control group of the kernel with little memory, for tasks that shall run out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LIMIT_BYTES = 96 << 20
_GROUPS = Path("/sys/fs/cgroup")


@contextmanager
def memory_group(name: str) -> Iterator[Path | None]:
    """The folder of the group; null where this user may make none."""
    is_unified = (_GROUPS / "cgroup.controllers").exists()
    group = (_GROUPS if is_unified else _GROUPS / "memory") / f"groundwork-{os.getpid()}-{name}"
    limits = (
        ("memory.max", "memory.swap.max") if is_unified else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    )
    made: Path | None = None
    try:
        group.mkdir()
        (group / limits[0]).write_text(str(_LIMIT_BYTES), encoding="utf-8")
        with suppress(OSError):  # where swap is not counted, there is none to flee to
            (group / limits[1]).write_text("0" if is_unified else str(_LIMIT_BYTES), encoding="utf-8")
        made = group
    except OSError:
        pass
    try:
        yield made
    finally:
        with suppress(OSError):
            group.rmdir()
