"""What this process knows of the try it runs: set before the try, read when it ends. One try at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TryState:
    """`troubled` are targets whose success is news, `probed` those for which this try is the probe; `runs_on` tells
    people what stands in for what; `is_later` that this try follows a failed one.
    """

    name: str
    troubled: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()
    served: frozenset[str] = frozenset()


_current: dict[str, TryState] = {}


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


def forget() -> None:
    """No try runs any more."""
    _current.clear()
