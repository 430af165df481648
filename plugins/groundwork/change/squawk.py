"""What the linter squawk says of a migration's statements, each with our answer where the live catalog knows more.

squawk reads text alone; a plan knows how large a table is, what its session sets, and what the caller accepted. An
opinion without an answer stays open, for a person to judge.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.change.stage import MigrationPlan, Risk, Stage
from groundwork.model.errors import FatalError

_SETTINGS = "SET lock_timeout = '3s';\nSET statement_timeout = '3600s';\n"
_SECONDS = 60
_STYLE = "the contract decides which types and names a table has"
_CLIENTS = "the contract declares it so; `contract-diff` names whom it breaks and the version due"
_RESUMED = "an interrupted migration is resumed by comparing anew, so a statement that was done is not run again"


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One thing that squawk says of one statement; `answer` is why it does not matter here, null when it may."""

    statement: str
    rule: str
    message: str
    help: str | None
    answer: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def opinions(plan: MigrationPlan) -> tuple[Opinion, ...]:
    """What squawk says of the plan, answered. Raises: FatalError when squawk cannot be run."""
    pairs = [(stage, statement) for stage in plan.stages for statement in stage.sql if _is_for_squawk(statement)]
    found = said([statement for _, statement in pairs])
    return tuple(
        Opinion(
            statement=pairs[number][1],
            rule=each["rule_name"],
            message=each["message"],
            help=each.get("help"),
            answer=_answer(each["rule_name"], pairs[number][0]),
        )
        for number, each in found
    )


def said(statements: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Squawk's findings as (number of the statement from 0, finding), in order."""
    text, starts = _SETTINGS, []
    for statement in statements:
        starts.append(text.count("\n"))
        text += f"{statement.rstrip().rstrip(';')};\n"
    if not starts:
        return
    for each in _run(text):
        number = max((index for index, start in enumerate(starts) if start <= each["line"]), default=None)
        if number is not None:
            yield number, each


def _run(text: str) -> list[dict[str, Any]]:
    program = Path(sys.executable).with_name("squawk")
    try:
        done = subprocess.run(
            (str(program), "--reporter", "json", "--stdin-filepath", "migration.sql"),
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise FatalError(
            "squawk could not be run",
            where=str(program),
            found=f"{type(error).__name__}: {error}",
            next_step="make install, or leave squawk out",
        ) from error
    return found


def _is_for_squawk(statement: str) -> bool:
    """Batches hold marks for pages, and counting rows is no DDL."""
    return "$first" not in statement and not statement.startswith("SELECT ")


def _answer(rule: str, stage: Stage) -> str | None:
    answer = _ANSWERS.get(rule)
    if answer is not None:
        return answer
    is_new = stage.what.startswith("create ") and stage.is_transactional
    if is_new:
        return "the table is made in the same transaction: nobody can wait for it"
    if rule in _OF_LOCKS and stage.risk is Risk.NONE:
        return f"it holds its lock for a moment only: {stage.why}"
    if rule in _OF_LOSS and stage.risk is Risk.NONE:
        return f"nothing is lost by it: {stage.why}"
    if rule in _OF_LOCKS or rule in _OF_LOSS:
        return f"the stage says what it puts at stake ({stage.risk}) and runs only when that is accepted: {stage.why}"
    return None


_ANSWERS: dict[str, str] = {
    "prefer-robust-stmts": _RESUMED,
    "require-lock-timeout": "the session sets a lock timeout before each statement",
    "require-statement-timeout": "the session sets a statement timeout",
    **dict.fromkeys(
        (
            "prefer-bigint-over-int",
            "prefer-bigint-over-smallint",
            "prefer-big-int",
            "prefer-identity",
            "prefer-text-field",
            "prefer-timestamp-tz",
            "ban-char-field",
            "require-table-schema",
        ),
        _STYLE,
    ),
    **dict.fromkeys(
        (
            "ban-alter-identity",
            "ban-drop-default",
            "ban-drop-not-null",
            "renaming-object",
            "require-enum-value-ordering",
        ),
        _CLIENTS,
    ),
}
_OF_LOCKS = frozenset(
    [
        "adding-required-field",
        "adding-not-nullable-field",
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-serial-primary-key-field",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-concurrent-partition-detach",
        "ban-concurrent-index-creation-in-transaction",
        "transaction-nesting",
        "require-timeout-settings",
        "renaming-column",
        "renaming-table",
        "ban-alter-domain-with-add-constraint",
        "ban-create-domain-with-constraint",
    ]
)
_OF_LOSS = frozenset(
    [
        "ban-drop-column",
        "ban-drop-constraint",
        "ban-drop-sequence",
        "ban-drop-table",
        "ban-drop-type",
        "ban-truncate-cascade",
    ]
)
