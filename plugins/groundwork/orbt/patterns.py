"""Error patterns as data: which signals make a fault class, what each strike tries, what goes to a person at once.

One file per pattern in `governance/patterns/<name>.yaml`; the name of the file is the name of the class. Teams add
files; code changes only when a pattern names a remedy that does not exist yet (`groundwork.orbt.remedies.catalogue`).
Source: requirement O2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from groundwork.model.errors import ConfigError
from groundwork.model.fault import UNKNOWN, Answer, Urgency
from groundwork.orbt.observations import Condition
from groundwork.orbt.policy_document import Expression, PolicyPart, read_policy_document
from groundwork.orbt.policy_in_force import problem_of, tell_once
from groundwork.orbt.remedies.catalogue import REMEDIES, of_remedies

_UNREADABLE = "this error pattern cannot be read"


class Solution(PolicyPart):
    """One thing to try; `remedy` names the code that does it, null when only a person can."""

    name: str
    remedy: str | None = None

    @field_validator("remedy")
    @classmethod
    def _known(cls, remedy: str | None) -> str | None:
        if remedy is not None and remedy not in REMEDIES:
            raise ValueError(f"no remedy is called `{remedy}`; {of_remedies(remedy)}")
        return remedy


class Observed(PolicyPart):
    """What was measured when the task failed: all of `conditions` hold (`blocked_sessions >= 1`).

    With `exceptions` it decides about errors of these classes, before what other patterns say of the class alone;
    without, about errors that nothing else tells.
    """

    conditions: tuple[Condition, ...] = Field(min_length=1)
    exceptions: tuple[str, ...] = ()


class Signals(PolicyPart):
    """What a failure must show, any one of them: SQLSTATEs (`08*` is a whole class), classes, status codes, text, or
    what was measured when it happened. `deciding` are classes that interrupt whatever runs: they decide wherever they
    stand in the chain of causes, because cleaning up after them raises errors of its own.
    """

    deciding: tuple[str, ...] = ()
    sqlstates: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    http_statuses: tuple[int, ...] = ()
    messages: tuple[Expression, ...] = ()
    observed: tuple[Observed, ...] = ()


class Trigger(PolicyPart):
    """A reason to ask a person at once: one of `sqlstates`, or all of `conditions`, or the class struck the task in
    `runs` runs (this one counted) within `within_hours`.
    """

    reason: str
    sqlstates: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    runs: int | None = Field(default=None, ge=2)
    within_hours: float = Field(default=24, gt=0)


class Backoff(PolicyPart):
    """Waiting before a retry: base times factor for each strike, never more than the maximum; seconds."""

    base_seconds: float = Field(default=10, gt=0)
    factor: float = Field(default=3, ge=1)
    max_seconds: float = Field(default=300, gt=0)


class Pattern(PolicyPart):
    """One family of errors."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    description: str
    urgency: Urgency = Urgency.MEDIUM
    is_retriable: bool = True
    cause: Literal["task", "target"] = "task"  # whether all tasks that use one target fail for one cause
    recommended_action: Answer = Answer.RETRY
    signals: Signals = Signals()
    backoff: Backoff = Backoff()
    strike_1: tuple[Solution, ...] = ()
    strike_2: tuple[Solution, ...] = ()
    escalate: tuple[Trigger, ...] = ()
    recommendations: tuple[str, ...] = ()

    def solutions(self, strike_number: int) -> tuple[Solution, ...]:
        """What to try on this strike; nothing from the third on."""
        return {1: self.strike_1, 2: self.strike_2}.get(strike_number, ())


class Patterns:
    """The patterns of one folder, in order of name."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._by_name = {pattern.name: pattern for pattern in sorted(patterns, key=lambda pattern: pattern.name)}

    def __iter__(self) -> Iterator[Pattern]:
        return iter(self._by_name.values())

    def named(self, name: str) -> Pattern:
        """The pattern called `name`; a plain retriable one when nobody declared it."""
        fallback = Pattern(name=UNKNOWN, description="A failure that no pattern describes.")
        return self._by_name.get(name) or self._by_name.get(UNKNOWN) or fallback


@cache
def read_patterns(folder: Path) -> Patterns:
    """Every pattern in `folder`, read once per process.

    Raises: ConfigError that tells of every file that is not a valid pattern, or that there is none at all.
    """
    found, problems = readable_patterns(folder)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigError(
            f"{len(problems)} error patterns cannot be read",
            where=str(folder),
            found="; ".join(" ".join(str(each).split()) for each in problems),
            next_step="groundwork policies check",
        )
    return found


def patterns_in_force(folder: Path) -> Patterns:
    """The patterns that hold for a failure now; never raises.

    A file that cannot be read is left out and told in the log: what it describes counts as `unknown` meanwhile. It is
    read again for the next failure, so that a correction holds at once.
    """
    try:
        return read_patterns(folder)
    except Exception:  # a mistyped file must not cost a failure its strike
        found, problems = readable_patterns(folder)
        for problem in problems:
            tell_once(problem, "what it describes counts as unknown")
        return found


def readable_patterns(folder: Path) -> tuple[Patterns, tuple[ConfigError, ...]]:
    """The patterns of `folder` as its files are now, and what is wrong with the others; never raises."""
    found, problems = [], []
    files = sorted(folder.glob("*.yaml"))
    for path in files:
        try:
            found.append(read_pattern(path))
        except Exception as error:  # whatever is wrong with one file, the others hold
            problems.append(problem_of(error, path, _UNREADABLE))
    if not files:
        expected = "one `<name>.yaml` per pattern"
        problems.append(ConfigError("there are no error patterns", where=str(folder), expected=expected))
    return Patterns(found), tuple(problems)


def read_pattern(path: Path) -> Pattern:
    """The pattern in a file. Raises: ConfigError when it is none, or has another name than its file."""
    pattern = read_policy_document(path, Pattern, _UNREADABLE)
    if pattern.name != path.stem:
        raise ConfigError("a pattern has the name of its file", where=str(path), expected=path.stem, found=pattern.name)
    return pattern
