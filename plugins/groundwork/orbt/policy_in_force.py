"""Which policy holds while its file cannot be read: the last good one of this process, else what is built in.

For what happens around a strike: a mistyped key must neither cost a failure its strike nor an incident its person. What
restrains is not read this way (`groundwork.orbt.remedies.policy`); commands and checks read strictly and say what is
wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from groundwork.model.errors import ConfigError
from groundwork.orbt.policy_document import PolicyPart

_log = logging.getLogger(__name__)
_LAST_GOOD: dict[Path, Any] = {}
_TOLD: set[str] = set()
Policy = TypeVar("Policy", bound=PolicyPart)


def policy_in_force(path: Path, read: Callable[[], Policy], otherwise: Callable[[], Policy]) -> Policy:
    """What `read` makes of the file at `path`; while it cannot, what it made last, or `otherwise`. Never raises."""
    try:
        policy = read()
    except Exception as error:  # whatever is wrong with the file, what asks goes on
        is_known = path in _LAST_GOOD
        tell_once(
            error, "it holds as it was before" if is_known else "what can be read of it or is built in holds", path
        )
        return _LAST_GOOD[path] if is_known else otherwise()
    _LAST_GOOD[path] = policy
    return policy


def tell_once(error: Exception, meanwhile: str, path: Path | None = None) -> None:
    """Tell an error of a policy's file in the log, the same one once per process."""
    told = f"{path or ''} {error}"
    if told not in _TOLD:
        _TOLD.add(told)
        _log.error("a policy cannot be read, %s until it is corrected: %s", meanwhile, error)


def problem_of(error: Exception, path: Path, what: str = "this policy cannot be read") -> ConfigError:
    """An error of reading a policy's file as one that names the file; one that does so already stays as it is."""
    if isinstance(error, ConfigError):
        return error
    return ConfigError(what, where=str(path), found=f"{type(error).__name__}: {error}")
