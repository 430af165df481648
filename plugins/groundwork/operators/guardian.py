"""What the tasks of the schema guardian share: findings are told, kept for the report, and fail the task by policy.

A guardian's task looks and changes nothing. What it found goes to the log line by line, its summary to XCom under the
key `guardian` (also when the task then fails), and its result to XCom as every task's does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException

from groundwork.model.errors import ConfigError
from groundwork.operators.operator import GroundworkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

SUMMARY = "guardian"  # XCom key of a task's summary
MOST = 200  # findings that one XCom holds; the log has all, the counts count all
_SHOWN = 20  # findings that an error's message and a summary hold


class FailOn(StrEnum):
    """What makes a guardian's task fail: nothing, what is wrong for sure, or whatever was found."""

    NEVER = "never"
    ERRORS = "errors"
    FINDINGS = "findings"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one task saw; `findings` counts everything, `errors` those that are wrong for sure."""

    told: str
    errors: int = 0
    findings: int = 0
    lines: Sequence[str] = ()
    next_step: str | None = None
    found: Mapping[str, Any] = field(default_factory=dict)

    def summary(self, *, is_failed: bool) -> dict[str, Any]:
        """What the report says of it, JSON-ready."""
        return {
            "told": self.told,
            "errors": self.errors,
            "findings": self.findings,
            "lines": list(self.lines[:_SHOWN]),
            "next_step": self.next_step if self.findings else None,
            "is_failed": is_failed,
        }


class GuardianOperator(GroundworkOperator):
    """Root of the guardian's tasks.

    :param fail_on: `never`, `errors` (what is wrong for sure) or `findings` (whatever was found) (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "fail_on")
    operation_kind: ClassVar[str] = "schema"

    def __init__(self, *, fail_on: str = FailOn.ERRORS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fail_on = fail_on

    @abstractmethod
    def look(self, context: Context) -> Look:
        """Look, and change nothing."""

    def run(self, context: Context) -> dict[str, Any]:
        """Return what was found; fails for good when policy says so, because trying again finds the same."""
        policy = self._policy()
        look = self.look(context)
        for line in look.lines:
            self.log.warning("%s", line)
        self.log.info("%s", look.told)
        counted = {FailOn.NEVER: 0, FailOn.ERRORS: look.errors, FailOn.FINDINGS: look.findings}[policy]
        context["ti"].xcom_push(key=SUMMARY, value=look.summary(is_failed=bool(counted)))
        if counted:
            raise AirflowFailException(str(self._refusal(look, policy, counted)))
        return dict(look.found)

    def _policy(self) -> FailOn:
        try:
            return FailOn(str(self.fail_on).strip().lower())
        except ValueError as error:
            raise ConfigError(
                "there is no such policy", where="fail_on", expected=f"one of {', '.join(FailOn)}", found=self.fail_on
            ) from error

    def _refusal(self, look: Look, policy: FailOn, counted: int) -> ConfigError:
        hidden = len(look.lines) - _SHOWN
        lines = [*look.lines[:_SHOWN], *([f"… and {hidden:,} more in this log"] if hidden > 0 else [])]
        return ConfigError(
            "\n".join([look.told, *lines]),
            where=f"domain {self.domain}",
            expected=f"no {policy}",
            found=f"{counted:,} {policy}",
            next_step=look.next_step,
        )
