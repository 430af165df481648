"""What is done to a running Airflow from outside: processes that stand still, a scheduler that is killed."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from groundwork.local.layout import Layout
from groundwork.local.supervisor import Deployment

_GONE_SECONDS = 240.0


@dataclass(kw_only=True)
class Stopped:
    """Tasks that said who they are are stopped with their supervisors, so that nobody tells Airflow anything of them.

    At the end they go on, the task first, which is the worst case: it is not told before it can write. Then they have
    ended by themselves, or been ended by whoever noticed.
    """

    folder: Path
    tasks: list[psutil.Process] = field(default_factory=list)
    supervisors: list[psutil.Process] = field(default_factory=list)

    def __enter__(self) -> Stopped:
        return self

    def are_stopped(self) -> bool:
        """Stop those that have said so since the last call, the supervisor first; true."""
        for path in self.folder.glob("*.pid"):
            with suppress(psutil.NoSuchProcess, ValueError):
                task = psutil.Process(int(path.read_text(encoding="utf-8")))
                supervisor = task.parent()
                if supervisor is None:
                    continue
                self.supervisors.append(supervisor)
                supervisor.suspend()
                self.tasks.append(task)
                task.suspend()
                path.unlink()
        return True

    def __exit__(self, *_: object) -> None:
        (self.folder / "continue").touch()
        for process in [*self.tasks, *self.supervisors]:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        until = time.monotonic() + _GONE_SECONDS
        while any(_is_there(task) for task in self.tasks) and time.monotonic() < until:
            time.sleep(0.1)


def kill_scheduler(layout: Layout) -> None:
    """End the scheduler with all the tasks it runs, as a crash of its machine would."""
    record = Deployment(layout=layout).record("scheduler")
    if record is None:
        raise RuntimeError("there is no scheduler")
    parent = psutil.Process(record.pid)
    for process in [parent, *parent.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _is_there(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
