"""Comments that allow findings: `# groundwork: allow RULE reason`, found by the tokenizer, never in strings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from groundwork.rules.finding import Allowed, Finding, Span
from groundwork.rules.subject import Problem

_COMMENT = re.compile(r"(?:#|--)+\s*groundwork:\s*(?P<verb>[\w-]*)\s*(?P<rule>\S*)\s*(?P<reason>.*)")
_MARK = "groundwork:"
_EXAMPLE = "groundwork: allow raw_sql the reason in a few words"


@dataclass(kw_only=True)
class Allowance:
    """One rule that a comment allows on `lines`, or in the whole file when they are null."""

    rule: str
    reason: str
    span: Span
    lines: range | None
    used: bool = field(default=False)

    def covers(self, finding: Finding) -> bool:
        """Whether it allows the finding."""
        if finding.rule != self.rule or not self.reason:
            return False
        if self.lines is None:
            return True
        start, end = finding.span.line, finding.span.end_line
        return any(line in self.lines for line in (start, end, finding.written_line)) or (
            start <= self.lines.start <= end
        )


@dataclass(frozen=True, kw_only=True)
class _Comment:
    line: int
    column: int
    text: str
    is_alone: bool


def python_allowances(source: str, tree: ast.Module) -> list[Allowance]:
    """The allowances of a Python file."""
    if _MARK not in source:
        return []
    comments = [
        _Comment(
            line=token.start[0],
            column=token.start[1] + 1,
            text=token.string,
            is_alone=not token.line[: token.start[1]].strip(),
        )
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and _MARK in token.string
    ]
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)] if comments else []
    return _allowances(comments, source.splitlines(), _extents(statements), _first_line(tree))


def sql_allowances(lines: Sequence[str]) -> list[Allowance]:
    """The allowances of a SQL file: comments that begin with two dashes, alone or behind a statement."""
    comments = []
    first = len(lines) + 1
    for number, line in enumerate(lines, 1):
        found = re.match(r"(?P<before>(?:'(?:[^']|'')*'|[^'-]|-(?!-))*)--", line)
        if found and _MARK in line[found.end() - 2 :]:
            text, before = line[found.end() - 2 :], found["before"]
            comments.append(_Comment(line=number, column=found.end() - 1, text=text, is_alone=not before.strip()))
        elif line.strip() and not line.lstrip().startswith("--"):
            first = min(first, number)
    return _allowances(comments, lines, {}, first)


def _extents(statements: Sequence[ast.stmt]) -> dict[int, range]:
    """The lines of the innermost statement that each line belongs to; of a compound one only its head."""
    found: dict[int, range] = {}
    for node in sorted(statements, key=lambda each: (each.lineno, -(each.end_lineno or each.lineno))):
        body = getattr(node, "body", None)
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(each.lineno for each in decorators)])
        last = node.end_lineno or node.lineno
        if isinstance(body, list) and body:
            last = max(node.lineno, body[0].lineno - 1)
        for line in range(start, last + 1):
            found[line] = range(start, last + 1)
    return found


def _first_line(tree: ast.Module) -> int:
    """The line of the first statement behind the docstring."""
    body = tree.body
    has_docstring = ast.get_docstring(tree, clean=False) is not None
    rest = body[1:] if has_docstring else body
    return rest[0].lineno if rest else 10**9


def _allowances(
    comments: Sequence[_Comment], lines: Sequence[str], extents: dict[int, range], first: int
) -> list[Allowance]:
    return [allowance for comment in comments for allowance in _of_comment(comment, lines, extents, first)]


def _of_comment(comment: _Comment, lines: Sequence[str], extents: dict[int, range], first: int) -> Iterator[Allowance]:
    found = _COMMENT.match(comment.text)
    if found is None:
        return  # the words stand somewhere in prose
    end = comment.column + len(comment.text)
    span = Span(line=comment.line, column=comment.column, end_line=comment.line, end_column=end)
    covered: range | None = None
    if found["verb"] != "allow-file":
        target = _next_line(comment.line, lines) if comment.is_alone else comment.line
        covered = extents.get(target, range(target, target + 1))
    rules = [rule for rule in found["rule"].rstrip(":").split(",") if rule] or [""]
    is_known_verb = found["verb"] == "allow" or (found["verb"] == "allow-file" and comment.line < first)
    for rule in rules:
        reason = found["reason"].strip(" -:") if is_known_verb else ""
        name = rule if is_known_verb else f"!{found['verb']}"
        yield Allowance(rule=name, reason=reason, span=span, lines=covered)


def _next_line(line: int, lines: Sequence[str]) -> int:
    """The next line with code on it."""
    for number in range(line + 1, len(lines) + 1):
        text = lines[number - 1].strip()
        if text and not text.startswith(("#", "--")):
            return number
    return line


def divided(
    findings: Sequence[Finding], allowances: Sequence[Allowance]
) -> tuple[tuple[Finding, ...], tuple[Allowed, ...]]:
    """The findings that stay, and those that a comment allows; allowances that were needed are marked."""
    kept, allowed = [], []
    for finding in findings:
        cover = next((each for each in allowances if each.covers(finding)), None)
        if cover is None:
            kept.append(finding)
        else:
            cover.used = True
            allowed.append(Allowed(finding=finding, reason=cover.reason, comment_line=cover.span.line))
    return tuple(kept), tuple(allowed)


def allowance_problems(
    allowances: Sequence[Allowance], *, rules: Collection[str], unjudged: Collection[str]
) -> Iterator[Problem]:
    """What is wrong with the comments themselves; whether one is needed is not told of `unjudged` rules."""
    for each in allowances:
        message = _problem(each, rules, unjudged)
        if message is not None:
            yield Problem(span=each.span, message=message, advice=f"write `{_EXAMPLE}`, or remove the comment")


def _problem(each: Allowance, rules: Collection[str], unjudged: Collection[str]) -> str | None:
    if each.rule == "!allow-file":
        return "`allow-file` stands before the first statement of a file"
    if each.rule.startswith("!"):
        return f"`{each.rule[1:]}` is nothing that a comment can do: `allow` or `allow-file`"
    if each.rule not in rules:
        return f"there is no rule `{each.rule}`: one of {', '.join(rules)}" if each.rule else "the rule is missing"
    if not each.reason:
        return f"the comment says no reason for allowing {each.rule}"
    if not each.used and each.rule not in unjudged:
        return f"nothing here breaks {each.rule}: the comment allows nothing"
    return None
