"""What rules look at: one Python file with everything that is known of it, and one SQL file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundwork.rules.code.dynamic import constant_text
from groundwork.rules.code.invocation import Invocation
from groundwork.rules.code.module import Module, parse_module
from groundwork.rules.code.project import Project
from groundwork.rules.code.resolve import Resolver
from groundwork.rules.code.strings import Strings
from groundwork.rules.code.text import Text
from groundwork.rules.declared import Declared
from groundwork.rules.finding import Span
from groundwork.rules.libraries import KNOWN_ROOTS, MARKERS
from groundwork.rules.sent import Senders, Sent
from groundwork.rules.sql.statement import Statement
from groundwork.rules.tables import TableNames


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A refusal at a place of the file; the registry adds rule and severity."""

    span: Span
    message: str
    advice: str
    written_line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The tools that look at the modules of one project; they keep what they found."""

    project: Project
    declared: Declared
    resolver: Resolver
    strings: Strings
    senders: Senders

    @classmethod
    def of(cls, root: Path, declared: Declared) -> Analysis:
        """Tools for the project whose files lie below `root`."""
        project = Project(root, KNOWN_ROOTS)
        tables = TableNames(declared)
        resolver = Resolver(project, tables.path)
        strings = Strings(resolver, MARKERS)
        return cls(
            project=project,
            declared=declared,
            resolver=resolver,
            strings=strings,
            senders=Senders(resolver, strings, declared),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PythonSubject:
    """A parsed Python file."""

    module: Module
    analysis: Analysis

    @cached_property
    def sent(self) -> tuple[Sent, ...]:
        """Every text that it sends to a database."""
        return tuple(self.analysis.senders.sent(self.module))

    @property
    def invocations(self) -> tuple[Invocation, ...]:
        """Every call in it."""
        return self.analysis.senders.invocations(self.module)

    @property
    def inner(self) -> Iterator[tuple[ast.Call, PythonSubject]]:
        """The code in strings that `exec` and `eval` run, each with the call."""
        for each in self.invocations:
            if each.origin not in ("builtins.exec", "builtins.eval"):
                continue
            code = constant_text(each.argument(0), each.scope, self.module)
            try:
                module = parse_module(code.strip() if code else "", path=self.module.path, name=self.module.name)
            except (SyntaxError, ValueError, RecursionError):
                continue  # what does not parse does not run
            yield each.node, PythonSubject(module=module, analysis=self.analysis)

    @cached_property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.module.source.splitlines()

    def span(self, node: ast.AST) -> Span:
        """Where a node stands, in characters."""
        line, end = int(getattr(node, "lineno", 1)), int(getattr(node, "end_lineno", 1) or 1)
        return Span(
            line=line,
            column=self._characters(line, int(getattr(node, "col_offset", 0))) + 1,
            end_line=end,
            end_column=self._characters(end, int(getattr(node, "end_col_offset", 0) or 0)) + 1,
        )

    def _characters(self, line: int, offset: int) -> int:
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return offset if text.isascii() else len(text.encode("utf-8")[:offset].decode("utf-8", "ignore"))

    def text_line(self, text: Text, offset: int, statement: Statement) -> int | None:
        """The line of the byte `offset` of a statement that a text of this file is; null when it is not known."""
        node = text.node
        if text.module is not self.module or not isinstance(node, ast.Constant | ast.JoinedStr):
            return None
        before = statement.sql.encode("utf-8")[:offset].decode("utf-8", "ignore").count("\n")
        last = int(node.end_lineno or node.lineno)
        return node.lineno + before if node.lineno + before <= last else node.lineno

    def within(self, sent: Sent) -> bool:
        """Whether the text that is sent is written inside of the call."""
        node, call = sent.text.node, sent.call
        line = getattr(node, "lineno", None)
        is_here = sent.text.module is self.module and line is not None
        return is_here and call.lineno <= int(line or 0) <= int(call.end_lineno or call.lineno)


@dataclass(frozen=True, kw_only=True)
class SqlSubject:
    """A SQL file: its statements one by one with the line (from 1) that each begins in.

    A template (Jinja, as Airflow and dbt render it) is one statement, which need not parse before it is rendered.
    """

    path: str
    lines: tuple[str, ...]
    statements: tuple[tuple[int, Statement], ...]
    declared: Declared
    is_template: bool = False

    def span(self, line: int) -> Span:
        """The whole of a line."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        start = len(text) - len(text.lstrip())
        return Span(line=line, column=start + 1, end_line=line, end_column=max(len(text.rstrip()), start) + 1)
