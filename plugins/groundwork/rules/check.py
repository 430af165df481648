"""Checks files against the rules: parsed, judged, and divided into what is refused and what comments allow.

The same function serves the command, the hook, tests in CI and the gate for Dags.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.contract import Domain
from groundwork.model.vocabulary import Severity
from groundwork.rules.allowance import Allowance, allowance_problems, divided, python_allowances, sql_allowances
from groundwork.rules.declared import Declared
from groundwork.rules.files import chosen_files, shown
from groundwork.rules.finding import Finding, Report, Span, joined
from groundwork.rules.policy import FILE, CodePolicy, read_code_policy
from groundwork.rules.rules import RULES
from groundwork.rules.sql_file import sql_subject, stumbled_line
from groundwork.rules.subject import Analysis, Problem, PythonSubject, SqlSubject

_NEED_CONTRACTS = ("undeclared_table", "undeclared_column")
_FILES_PER_ANALYSIS = 300  # what is known of modules is dropped after so many files, which bounds memory
_DEEPEST = 20_000  # frames of Python, which cost no stack of C
_WORTH_PROCESSES = 60  # files from which starting processes pays
_WORK: list[_Run] = []  # what forked processes find in their memory


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run over files."""

    project: Path
    policy: CodePolicy
    declared: Declared
    files: tuple[Path, ...]


def check_paths(
    paths: Sequence[Path],
    *,
    project: Path,
    domains: Iterable[Domain],
    policy: CodePolicy | None = None,
    processes: int = 1,
) -> Report:
    """What the rules say of the Python and SQL files that `paths` name or hold; without any, of those the policy names.

    Files are called by their path from `project`; the policy is the project's own when none is given. With `processes`
    above 1 many files are divided among forked processes. Without domains nothing counts as undeclared.

    Raises: ConfigError when a path does not exist or the policy cannot be read.
    """
    root = project.resolve()
    chosen = policy or project_policy(root)
    named = [Path(path) for path in paths] or [each for name in chosen.check if (each := root / name).exists()]
    files = tuple(chosen_files(named, project=root, policy=chosen))
    run = _Run(project=root, policy=chosen, declared=Declared.of(domains), files=files)
    if processes > 1 and len(files) >= _WORTH_PROCESSES:
        return _in_processes(run, processes)
    return joined(_reports(run, files))


def project_policy(project: Path) -> CodePolicy:
    """The policy for code in the policies of a project; raises as `read_code_policy` does."""
    return read_code_policy(project / "governance" / "policies" / FILE, rules=list(RULES))


def _in_processes(run: _Run, processes: int) -> Report:
    """Forked processes share what was read of the contracts; each gets neighbouring files, which import each other."""
    size = max(1, min(_FILES_PER_ANALYSIS, -(-len(run.files) // processes)))
    parts = [(start, start + size) for start in range(0, len(run.files), size)]
    _WORK.append(run)
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            return joined(pool.map(_part, *zip(*parts, strict=True)))
    finally:
        _WORK.remove(run)


def _part(start: int, end: int) -> Report:
    run = _WORK[-1]
    return joined(_reports(run, run.files[start:end]))


def _reports(run: _Run, files: Sequence[Path]) -> Iterator[Report]:
    for start in range(0, len(files), _FILES_PER_ANALYSIS):
        analysis = Analysis.of(run.project, run.declared)
        with _room_to_work():
            reports = [_check_file(path, run, analysis) for path in files[start : start + _FILES_PER_ANALYSIS]]
        yield from reports


@contextmanager
def _room_to_work() -> Iterator[None]:
    """No garbage collection, and room for deep expressions.

    Syntax trees are many objects without circles, and looking through them for garbage costs more than parsing. A text
    of a thousand parts added up is an expression a thousand levels deep.
    """
    was_enabled, limit = gc.isenabled(), sys.getrecursionlimit()
    gc.disable()
    sys.setrecursionlimit(max(limit, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
        if was_enabled:
            gc.enable()


def _check_file(path: Path, run: _Run, analysis: Analysis) -> Report:
    name = shown(path, run.project)
    free = run.policy.may(name)
    try:
        source = _read(path)
    except (OSError, UnicodeDecodeError, SyntaxError, LookupError) as error:
        problem = _unreadable(f"the file cannot be read: {error}", 1)
        return _report(name, [("unreadable_file", problem)], [], [], free, analysis)
    if path.suffix == ".sql":
        return _check_sql(sql_subject(source, path=name, declared=run.declared), source, free, analysis)
    return check_source(source, path=path, name=name, analysis=analysis, free=free)


def check_source(
    source: str, *, path: Path, name: str, analysis: Analysis, free: frozenset[str] = frozenset()
) -> Report:
    """What the rules say of one Python source that is called `name`; the rules in `free` do not hold for it."""
    lines = source.splitlines()
    try:
        module = analysis.project.parsed(source, path)
        allowances = python_allowances(source, module.tree)
    except SyntaxError as error:
        problem = _unreadable(f"Python does not parse: {error.msg}", error.lineno or 1, error.offset or 1)
        return _report(name, [("unreadable_file", problem)], [], lines, free, analysis)
    except (ValueError, RecursionError, tokenize.TokenError) as error:
        problem = _unreadable(f"Python does not parse: {error or type(error).__name__}", 1)
        return _report(name, [("unreadable_file", problem)], [], lines, free, analysis)
    subject = PythonSubject(module=module, analysis=analysis)
    try:
        found = [*_problems(subject, free), *_inner_problems(subject, free)]
    except RecursionError:
        found = [("unreadable_file", _unreadable("this is nested too deeply to be followed", 1))]
    return _report(name, found, allowances, lines, free, analysis)


def _inner_problems(subject: PythonSubject, free: frozenset[str]) -> Iterator[tuple[str, Problem]]:
    """The problems of code in strings, told at the call that runs it."""
    for call, inner in subject.inner:
        for rule, problem in _problems(inner, free):
            message = f"in the code that is run here {problem.message}"
            yield rule, Problem(span=subject.span(call), message=message, advice=problem.advice)


def _problems(subject: PythonSubject, free: frozenset[str]) -> Iterator[tuple[str, Problem]]:
    for rule in RULES.values():
        if rule.check is not None and rule.name not in free:
            yield from ((rule.name, problem) for problem in rule.check(subject))


def _check_sql(subject: SqlSubject, source: str, free: frozenset[str], analysis: Analysis) -> Report:
    found = [
        (rule.name, problem)
        for rule in RULES.values()
        if rule.check_sql is not None and rule.name not in free
        for problem in rule.check_sql(subject)
    ]
    found += [
        ("unreadable_file", _unreadable(f"SQL does not parse: {each.error}", stumbled_line(line, each)))
        for line, each in subject.statements
        if not each.is_parsed and not subject.is_template
    ]
    return _report(subject.path, found, sql_allowances(subject.lines), list(subject.lines), free, analysis)


def _report(
    name: str,
    found: Sequence[tuple[str, Problem]],
    allowances: Sequence[Allowance],
    lines: Sequence[str],
    free: frozenset[str],
    analysis: Analysis,
) -> Report:
    findings = [_finding(name, rule, problem, lines) for rule, problem in found if rule not in free]
    kept, allowed = divided(findings, allowances)
    unjudged = () if analysis.declared.domains else _NEED_CONTRACTS
    wrong = allowance_problems(allowances, rules=list(RULES), unjudged=unjudged)
    own = tuple(_finding(name, "allow_comment", problem, lines) for problem in wrong)
    return Report(findings=(*kept, *own), allowed=allowed, files=1)


def _finding(name: str, rule: str, problem: Problem, lines: Sequence[str]) -> Finding:
    line = problem.span.line
    return Finding(
        rule=rule,
        severity=RULES[rule].severity if rule in RULES else Severity.ERROR,
        file=name,
        span=problem.span,
        message=problem.message,
        advice=problem.advice,
        source=lines[line - 1] if 0 < line <= len(lines) else "",
        written_line=problem.written_line,
    )


def _unreadable(message: str, line: int, column: int = 1) -> Problem:
    line, column = max(line, 1), max(column, 1)
    span = Span(line=line, column=column, end_line=line, end_column=column + 1)
    return Problem(span=span, message=message, advice="correct what the parser stumbled over; the rest was checked")


def _read(path: Path) -> str:
    """The text of a file, in the encoding that Python reads it in."""
    if path.suffix == ".py":
        with tokenize.open(path) as opened:
            return opened.read()
    return path.read_text(encoding="utf-8-sig")
