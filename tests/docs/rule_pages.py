"""Makes a page of the manual for each lint rule: its docstring, with a bad and a good example from its case file."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from groundwork.contracts.lint import Finding, lint_files
from groundwork.contracts.lint.rules import RULES
from tests.contracts.lint_cases import Case, cases
from tests.contracts.samples import SHOP_TEXT

_MOST_LINES = 16  # of an example: longer ones show their begin
_WIDEST = 150  # characters of a line of an example
_NOTE = "<!-- Made by `python -m tests.docs.generate`: change the rule's docstring or its case file instead. -->\n"


def rule_page(name: str) -> str:
    """The page of the rule `name`."""
    rule = RULES[name]
    parts = [_NOTE, f"# {name}\n*{rule.severity}* · {rule.manual}\n"]
    bad = [case for case in _cases(name) if case.finds]
    good = [case for case in _cases(name) if not case.finds and case.text != SHOP_TEXT]
    parts += [f"\n## Found: {case.name}\n{_difference(case)}{_told(case)}" for case in bad[:2]]
    parts += [f"\n## Right: {case.name}\n{_difference(case)}" for case in good[:1]]
    parts.append(
        "\nThe examples change the contract `tests/contracts/cases/shop.odcs.yaml`. [All rules](../rules.md)\n"
    )
    return "".join(parts)


def fixable_rules() -> set[str]:
    """The rules some of whose findings `validate-schema --fix` mends, as their cases show."""
    return {finding.rule for case in _all_cases() if case.finds for finding in _findings(case) if finding.is_fixable}


def first_sentence(name: str) -> str:
    """What the rule is about."""
    return RULES[name].manual.partition("\n\n")[0].replace("\n", " ")


@cache
def _all_cases() -> tuple[Case, ...]:
    return tuple(cases())


def _cases(name: str) -> list[Case]:
    return [case for case in _all_cases() if case.rule == name]


def _difference(case: Case) -> str:
    old, new = SHOP_TEXT.splitlines(), case.text.splitlines()
    lines = [line for line in difflib.unified_diff(old, new, n=1, lineterm="") if not line.startswith(("---", "+++"))]
    shown = ["…" if line.startswith("@@") else _cut(line) for line in lines][1:]
    rest = ["…"] if len(shown) > _MOST_LINES else []
    return "\n".join(["```diff", *shown[:_MOST_LINES], *rest, "```", ""])


def _cut(line: str) -> str:
    return line if len(line) <= _WIDEST else f"{line[:_WIDEST]}…"


def _told(case: Case) -> str:
    return "".join(
        f"\n> {_cut(finding.message)}<br>fix: {_cut(finding.fix)}{' (`--fix` does it)' if finding.is_fixable else ''}\n"
        for finding in _findings(case)
    )


def _findings(case: Case) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.odcs.yaml"
        path.write_text(case.text, encoding="utf-8")
        yield from (finding for finding in lint_files([path], domain="shop") if finding.rule == case.rule)
