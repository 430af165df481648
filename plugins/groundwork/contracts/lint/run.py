"""Runs the standard's JSON Schema and every rule over contract files and collects what they find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from groundwork.contracts.document import Document
from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.lint.rules import RULES
from groundwork.contracts.lint.structure import structure_problems
from groundwork.contracts.lint.subject import ContractPart, DomainPart, Problem
from groundwork.contracts.lint.yaml_text import read_leniently
from groundwork.contracts.read import domain_files
from groundwork.model.vocabulary import Severity


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
    documents: list[Document] = []
    findings: list[Finding] = []
    for path in paths:
        document, problems = read_leniently(path)
        findings += [_finding("yaml", Severity.ERROR, problem) for problem in problems]
        if document is not None:
            documents.append(document)
    malformed = False
    for document in documents:
        structural = list(structure_problems(document))
        malformed = malformed or bool(structural)
        findings += [_finding("structure", Severity.ERROR, problem) for problem in structural]
    contracts = tuple(ContractPart(document=document, pointer="", data=document.data) for document in documents)
    findings += _rule_findings(DomainPart(name=domain, contracts=contracts), is_malformed=malformed)
    order = {str(path): position for position, path in enumerate(paths)}
    return sorted(findings, key=lambda item: (order[item.file], item.line, item.column, item.rule))


def _rule_findings(subject: DomainPart, *, is_malformed: bool) -> Iterator[Finding]:
    for name, rule in RULES.items():
        try:
            for problem in rule.check(subject):
                yield _finding(name, rule.severity, problem)
        except (AttributeError, KeyError, TypeError, ValueError):
            if not is_malformed:  # else the structure's findings already tell why the rule could not read it
                raise


def _finding(rule: str, severity: Severity, problem: Problem) -> Finding:
    place = problem.document.position(problem.pointer)
    return Finding(
        rule=rule,
        severity=severity,
        file=str(problem.document.path),
        line=place.line,
        column=place.column,
        message=problem.message,
        fix=problem.fix,
    )
