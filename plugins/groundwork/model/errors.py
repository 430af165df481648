"""The one root of Groundwork's errors, with children by what the caller must do.

Every error says what went wrong, where, what was expected and found, and the next step. The values stay readable as
attributes; the message is built from them. Mapping to Airflow's exceptions happens in `groundwork.operators.errors`.
"""

from __future__ import annotations


class GroundworkError(Exception):
    """Root of all errors that Groundwork raises on purpose.

    Each part is a plain sentence or value; `next_step` is the command, file or setting to try.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: object = None,
        found: object = None,
        next_step: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what]
        labelled = (("where", self.where), ("expected", self.expected), ("found", self.found), ("next", self.next_step))
        parts.extend(f"  {label}: {value}" for label, value in labelled if value is not None)
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not pickle by themselves; Airflow sends them between processes.
        return (_rebuild, (type(self), self.what, self.where, self.expected, self.found, self.next_step))


def _rebuild(
    kind: type[GroundworkError], what: str, where: str | None, expected: object, found: object, next_step: str | None
) -> GroundworkError:
    return kind(what, where=where, expected=expected, found=found, next_step=next_step)


class ConfigError(GroundworkError):
    """Something a person declared or set is wrong: change it, then run again."""


class RetriableError(GroundworkError):
    """The same call may succeed later: a connection lost, a lock not granted, a server starting."""


class SkippableError(GroundworkError):
    """There was nothing to do, which is not a failure."""


class FatalError(GroundworkError):
    """Trying again cannot help and nobody declared it wrong: a broken invariant."""


class DataQualityError(GroundworkError):
    """Data broke a rule of its contract beyond what the contract tolerates."""
