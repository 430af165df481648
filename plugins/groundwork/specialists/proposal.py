"""What a specialist's rules propose: options with what was measured, a choice, and why."""

from __future__ import annotations

from dataclasses import dataclass

from groundwork.model.decision import DecisionKind, Option
from groundwork.specialists.advisor import Answer, Question
from groundwork.specialists.evidence import Evidence


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The options and the rules' own answer."""

    kind: DecisionKind
    specialist: str
    evidence: Evidence
    options: tuple[Option, ...]
    answer: Answer

    @property
    def question(self) -> Question:
        """The same decision as a question to an advisor; the rules' answer is not told, so as not to lead."""
        return Question(
            kind=self.kind, subject=self.evidence.subject, options=self.options, evidence=self.evidence.to_json()
        )
