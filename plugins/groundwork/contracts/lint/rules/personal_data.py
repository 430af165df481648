"""Personal data is guarded.

A column with the custom property `personalData` names a known kind, is classified confidential or restricted, and has
a `masking`, so that whoever lacks the clearance sees a mask. A `masking` elsewhere is a known one too.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.subject import ColumnPart, DomainPart, Problem
from groundwork.model.policy import Mask
from groundwork.model.vocabulary import Classification, PersonalData, Severity

SEVERITY = Severity.ERROR
_GUARDED = tuple(word for word in Classification if word.rank >= Classification.CONFIDENTIAL.rank)


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every column whose personal data is not guarded, and every unknown mask."""
    for table in domain.tables:
        for column in table.columns:
            yield from _column(column)


def _column(column: ColumnPart) -> Iterator[Problem]:
    kind, masking = column.custom_text("personalData"), column.custom_text("masking")
    if masking is not None and masking not in list(Mask):
        yield column.problem(
            column.custom_pointer("masking"), f"the masking `{masking}` is not known", f"write one of {', '.join(Mask)}"
        )
    if kind is None:
        return
    if kind not in list(PersonalData):
        yield column.problem(
            column.custom_pointer("personalData"),
            f"the kind of personal data `{kind}` is not known",
            f"write one of {', '.join(PersonalData)}",
        )
    classification = column.text("classification")
    if classification in list(Classification) and classification not in _GUARDED:
        yield column.problem(
            "/classification",
            f"`{column.name}` holds personal data and is {classification}",
            "write `classification: confidential` or `restricted`",
        )
    if masking is None:
        yield column.problem(
            column.custom_pointer("personalData"),
            f"`{column.name}` holds personal data and has no masking",
            "add to `customProperties`: `{property: masking, value: partial}`",
        )
