"""One mistake in a contract, as a value that prints for people and machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from groundwork.model.vocabulary import Severity


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A mistake; `line` and `column` count from 1, `fix` is what to write instead."""

    rule: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    fix: str
    is_fixable: bool = False  # whether `validate-schema --fix` can do it

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)

    def __str__(self) -> str:
        made = " (--fix does it)" if self.is_fixable else ""
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.severity} {self.rule}: {self.message}\n    fix: {self.fix}{made}"
