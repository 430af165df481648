"""What a remedy is: declared limits, a precondition, a plan for a dry run, the act itself, and the way back.

A remedy tells the journal what it is about to change before it changes it; whoever finds it failed, hanging or dead
undoes what the journal holds, newest first. Remedies hold no state: one instance serves every scene.
Not here: when a remedy may run and how it is stopped (`groundwork.orbt.remedies.run`), which one is tried (`patterns`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from sqlalchemy import Engine

from groundwork.model.fault import Alternative, Change, Circumstances, Fault, TaskTry

Mode = Literal["run", "propose", "never"]  # propose: only the dry run, until a person asks for it


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a remedy may cost at most.

    `seconds` of work, `rows` changed (null: it changes none), the strongest `lock` it takes on a table (null: none),
    and what it can touch at all (`blast_radius`, for people).
    """

    seconds: float
    rows: int | None = None
    lock: str | None = None
    blast_radius: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The failure a remedy is asked to mend, and what it may act through.

    `target` is the engine of the connection the failed task names (`circumstances.target`); `engine_of` gives the
    engine of another Airflow connection and raises ConfigError when there is none. `store` is null while the store is
    away. `statement` and `parameters` are what the server was asked when it failed, as far as the exception tells;
    both may hold row values: never kept, never logged. `settings` are the remedy's own and `limits` those that hold,
    both as policy says; null limits are the remedy's own.
    """

    fault: Fault
    task_try: TaskTry
    circumstances: Circumstances
    target: Engine
    engine_of: Callable[[str], Engine]
    store: Engine | None
    project: Path
    home: Path
    error: BaseException | None = None
    statement: str | None = None
    parameters: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits | None = None


class RemedyRefusedError(Exception):
    """The remedy looked and found that it cannot help here; its text is the report. Nothing was changed."""


class Journal(Protocol):
    """Where a remedy tells what it changes."""

    def will(self, what: str, **facts: Any) -> None:
        """Keep, before it is done, what is about to change and the JSON-ready facts that undoing it needs."""

    def note(self, report: str) -> None:
        """Add a line to the report."""

    def use(self, alternative: Alternative) -> None:
        """Let the next tries of the task instance run on something else."""

    def ask_person(self, why: str) -> None:
        """Say that only a person can do the rest."""


class Remedy(ABC):
    """One thing that ORBT can do about a failure. Subclasses declare what the class variables ask for."""

    name: ClassVar[str]
    summary: ClassVar[str]  # what it does, one sentence for people
    limits: ClassVar[Limits]
    way_back: ClassVar[str]  # how its changes are undone, or why there is nothing to undo
    is_writing: ClassVar[bool] = False  # changes data or structure of the target: never on a standby
    needs_store: ClassVar[bool] = True  # false: runs while the store is away, under the target's own lock alone
    default_mode: ClassVar[Mode] = "run"  # where the policy says nothing
    cost: ClassVar[int] = 1  # 1 cheap and harmless … 5 expensive; tells people what to expect

    def precondition(self, scene: Scene) -> str | None:
        """Why the remedy cannot run here, or null; looks, changes nothing."""
        return None

    @abstractmethod
    def plan(self, scene: Scene) -> tuple[str, ...]:
        """What it would do and change, one line each: the dry run.

        Raises: RemedyRefusedError when there is nothing to do; SQLAlchemyError or OSError when the target is away.
        """

    @abstractmethod
    def apply(self, scene: Scene, journal: Journal) -> None:
        """Do it. Raises as `plan` does; what the journal holds by then is undone."""

    def undo(self, scene: Scene, change: Change) -> str:
        """Undo one change and say so; safe to repeat, and when the change was never made.

        Raises: SQLAlchemyError or OSError when it cannot be done now.
        """
        return f"nothing to undo: {self.way_back}"
