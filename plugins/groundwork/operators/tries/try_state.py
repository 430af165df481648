"""What this process knows of the try it runs: set before the try, read when it ends. One try at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundwork.model.task_try import TaskTry


@dataclass(frozen=True, kw_only=True)
class TryState:
    """`troubled` are targets whose success is news, `probed` those for which this try is the probe; `runs_on` tells
    people what stands in for what, `served` are connections whose kept answers it reads.
    """

    name: str
    troubled: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()
    served: frozenset[str] = frozenset()


_current: dict[str, TryState] = {}
_to_undo: list[Callable[[], object]] = []


def task_try_of(task_instance: Any) -> TaskTry:
    """The try that a task instance of Airflow, of the task's process or of the scheduler, is in."""
    return TaskTry(
        dag_id=task_instance.dag_id,
        run_id=task_instance.run_id,
        task_id=task_instance.task_id,
        map_index=-1 if task_instance.map_index is None else task_instance.map_index,
        try_number=max(task_instance.try_number, 1),
    )


def key_of(task_instance: Any) -> str:
    """One name for the try that a task instance is in."""
    place = (task_instance.dag_id, task_instance.run_id, task_instance.task_id, task_instance.map_index)
    return "/".join(map(str, place)) + f"#{task_instance.try_number}"


def keep(state: TryState) -> None:
    """This is the try that runs now."""
    _current.clear()
    _current[state.name] = state


def current(task_instance: Any) -> TryState | None:
    """What is known of the try of this task instance; null when its beginning was not seen."""
    return _current.get(key_of(task_instance))


def served_connections() -> frozenset[str]:
    """Connections whose kept answers the try that runs now reads."""
    return frozenset[str]().union(*(state.served for state in _current.values()))


def at_end(undo: Callable[[], object]) -> None:
    """Have what is changed in this process for the try undone at its end; twice the same is done once."""
    if undo not in _to_undo:
        _to_undo.append(undo)


def end() -> None:
    """No try runs any more: what was changed for it is undone."""
    forget()
    while _to_undo:
        _to_undo.pop()()


def forget() -> None:
    """Nothing is known of a try any more."""
    _current.clear()
