"""Error patterns as data: which signals make a fault class, what each strike tries, what goes to a person at once.

One file per pattern in `governance/patterns/<name>.yaml`; the name of the file is the name of the class. Teams add
files; code changes only when a pattern names a remedy that does not exist yet (`groundwork.orbt.remedies`).
Source: requirement O2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from groundwork.model.errors import ConfigError
from groundwork.model.fault import UNKNOWN, Answer, Urgency
from groundwork.orbt.remedies import REMEDIES


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Solution(_Part):
    """One thing to try; `remedy` names the code that does it, null when only a person can."""

    name: str
    remedy: str | None = None

    @field_validator("remedy")
    @classmethod
    def _known(cls, remedy: str | None) -> str | None:
        if remedy is not None and remedy not in REMEDIES:
            raise ValueError(f"no remedy is called `{remedy}`; there are {', '.join(sorted(REMEDIES))}")
        return remedy


class Signals(_Part):
    """What an exception must show, any one of them: SQLSTATEs (`08*` is a whole class), classes, status codes, text."""

    sqlstates: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    http_statuses: tuple[int, ...] = ()
    messages: tuple[str, ...] = ()

    @field_validator("messages")
    @classmethod
    def _compiles(cls, messages: tuple[str, ...]) -> tuple[str, ...]:
        for message in messages:
            try:
                re.compile(message)
            except re.error as error:
                raise ValueError(f"`{message}` is not a regular expression: {error}") from error
        return messages


class Trigger(_Part):
    """A reason to ask a person at once: one of `sqlstates`, or the class struck the task in `runs` runs (this one
    counted) within `within_hours`.
    """

    reason: str
    sqlstates: tuple[str, ...] = ()
    runs: int | None = Field(default=None, ge=2)
    within_hours: float = Field(default=24, gt=0)


class Backoff(_Part):
    """Waiting before a retry: base times factor for each strike, never more than the maximum; seconds."""

    base_seconds: float = Field(default=10, gt=0)
    factor: float = Field(default=3, ge=1)
    max_seconds: float = Field(default=300, gt=0)


class Pattern(_Part):
    """One family of errors."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    description: str
    urgency: Urgency = Urgency.MEDIUM
    is_retriable: bool = True
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

    Raises: ConfigError when a file is not a valid pattern or there is none at all.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError("there are no error patterns", where=str(folder), expected="one `<name>.yaml` per pattern")
    return Patterns(_read(path) for path in files)


def _read(path: Path) -> Pattern:
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        pattern = Pattern.model_validate(data)
    except (OSError, YAMLError, ValidationError) as error:
        raise ConfigError("this error pattern cannot be read", where=str(path), found=str(error)) from error
    if pattern.name != path.stem:
        raise ConfigError("a pattern has the name of its file", where=str(path), expected=path.stem, found=pattern.name)
    return pattern
