"""Runs the standard's JSON Schema and every rule over contract files and collects what they find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.document import Document
from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.lint.rules import RULES
from groundwork.contracts.lint.structure import structure_problems, supported_version
from groundwork.contracts.lint.subject import ContractPart, DomainPart, Problem
from groundwork.contracts.lint.yaml_text import Source, read_leniently
from groundwork.contracts.read import domain_files
from groundwork.model.vocabulary import Severity

_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)  # what a rule meets in a contract of the wrong form


def lint_domain(name: str, contracts_folder: Path) -> list[Finding]:
    """Every finding in the contracts of the domain `name`, in order of file and line.

    Raises: ConfigError when the domain has no contracts.
    """
    return lint_files(domain_files(name, contracts_folder), domain=name)


def lint_files(paths: Sequence[Path], *, domain: str | None = None) -> list[Finding]:
    """Every finding in the files, which are taken as one domain, in order of file and line.

    A file that is not YAML gives its findings and the others are still checked; relationships into it do not resolve.
    With `domain`, each contract must declare to belong to it.
    """
    return findings_of(judged([read_leniently(path) for path in paths], domain=domain))


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A problem with the rule that found it."""

    rule: str
    severity: Severity
    problem: Problem


def findings_of(found: Sequence[Judged]) -> list[Finding]:
    """As findings, in the order in which they came."""
    return [_finding(each) for each in found]


def judged(sources: Sequence[Source], *, domain: str | None = None) -> list[Judged]:
    """What is wrong in the sources, which are taken as one domain, in order of source and line."""
    found = [
        Judged(rule="yaml", severity=Severity.ERROR, problem=problem)
        for source in sources
        for problem in source.problems
    ]
    documents = [source.document for source in sources if source.document is not None]
    judgeable, sound = [], []
    for document in documents:
        problems = list(structure_problems(document))
        found += [Judged(rule="structure", severity=Severity.ERROR, problem=problem) for problem in problems]
        if supported_version(document.data) is not None:
            judgeable.append(document)
            sound += [] if problems else [document]
    found += _by_rules(domain, judgeable, sound)
    order = {str(source.path): position for position, source in enumerate(sources)}
    return sorted(found, key=lambda each: _place(each, order))


def _by_rules(domain: str | None, documents: Sequence[Document], sound: Sequence[Document]) -> Iterator[Judged]:
    everything = _subject(domain, documents)
    for name, rule in RULES.items():
        try:
            problems = list(rule.check(everything))
        except _UNREADABLE:
            if len(sound) == len(documents):  # else the structure's findings tell why
                raise
            problems = list(rule.check(_subject(domain, sound)))
        yield from (Judged(rule=name, severity=rule.severity, problem=problem) for problem in problems)


def _subject(domain: str | None, documents: Sequence[Document]) -> DomainPart:
    contracts = tuple(ContractPart(document=document, pointer="", data=document.data) for document in documents)
    return DomainPart(name=domain, contracts=contracts)


def _place(found: Judged, order: dict[str, int]) -> tuple[int, int, int, str]:
    document = found.problem.document
    line, column = document.position(found.problem.pointer)
    return order[str(document.path)], line, column, found.rule


def _finding(found: Judged) -> Finding:
    problem = found.problem
    place = problem.document.position(problem.pointer)
    return Finding(
        rule=found.rule,
        severity=found.severity,
        file=str(problem.document.path),
        line=place.line,
        column=place.column,
        message=problem.message,
        fix=problem.fix,
        is_fixable=problem.edit is not None,
    )
