"""Every column says how freely it may be shown.

`classification` is public, internal, confidential or restricted. Access, masking and exports are decided by it, so a
column without one could only be guessed at.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from groundwork.contracts.lint.subject import DomainPart, Problem
from groundwork.model.vocabulary import Classification, Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every column without a known classification."""
    known = list(Classification)
    for table in domain.tables:
        for column in table.columns:
            found = column.data.get("classification")
            if found is None:
                yield column.problem(
                    "/name",
                    f"the column `{column.name}` has no classification",
                    "add `classification: internal`, or how it is to be guarded",
                )
            elif found not in known:
                close = difflib.get_close_matches(str(found).lower(), known, n=1)
                fix = f"write `{close[0]}`" if close else f"write one of {', '.join(known)}"
                edit = column.setting("/classification", str(close[0])) if close else None
                yield column.problem("/classification", f"the classification `{found}` is not known", fix, edit=edit)
