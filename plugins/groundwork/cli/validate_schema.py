"""`groundwork validate-schema`: every mistake in contracts, with file, line, rule and fix, and the making of fixes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundwork.contracts.lint import Finding, FixedFile

_FINDINGS = 1


class Form(StrEnum):
    """What findings are printed as."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def validate_schema(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH|DOMAIN]...", help="Contracts, folders or domains; else all.")
    ] = None,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Make the changes that can be right in one way only.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --fix: show the changes and make none.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    form: Annotated[Form, typer.Option("--format", help="What to print findings as.")] = Form.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; the same as --format json.")] = False,
) -> None:
    """Check data contracts and tell every mistake at once, each with file, line, rule and fix.

    Each contract is judged by the version of the standard that it says. A file of a domain is judged with the whole
    domain. `--fix` keeps comments, order and spacing of all else, shows what it changes and tells what remains.

    Exit code 0 without errors (warnings are told), 1 with errors (with --strict also with warnings; what --fix has
    mended does not count, what --dry-run would mend does), 2 when the contracts cannot be looked for or written.
    """
    from groundwork.contracts.lint import fix_files, lint_files
    from groundwork.contracts.lint.targets import groups_of
    from groundwork.settings import Settings

    if dry_run and not fix:
        raise typer.BadParameter("it shows what --fix would change: give --fix as well", param_hint="--dry-run")
    findings: list[Finding] = []
    files: list[FixedFile] = []
    for group in groups_of(targets or (), Settings.from_environment().contracts):
        if fix:
            fixes = fix_files(group.paths, domain=group.domain, is_dry_run=dry_run)
            findings += fixes.findings
            files += fixes.files
        else:
            findings += lint_files(group.paths, domain=group.domain)
    _print(findings, files, Form.JSON if as_json else form, is_dry_run=dry_run)
    counted = [finding for finding in findings if strict or finding.severity == "error"]
    if counted or (dry_run and files):
        raise typer.Exit(_FINDINGS)


def _print(findings: Sequence[Finding], files: Sequence[FixedFile], form: Form, *, is_dry_run: bool) -> None:
    from groundwork.contracts.lint.report_format import github_annotation, sarif

    if form is Form.JSON:
        told: dict[str, object] = {"findings": [finding.to_json() for finding in findings]}
        if files:
            told["fixed"] = [{"file": str(file.path), "fixes": file.fixes, "diff": file.diff} for file in files]
        typer.echo(json.dumps(told, indent=2))
        return
    for file in files:
        typer.echo(file.diff, nl=False, err=form is not Form.TEXT)
    if form is Form.SARIF:
        typer.echo(json.dumps(sarif(findings), indent=2))
    else:
        for finding in findings:
            typer.echo(github_annotation(finding) if form is Form.GITHUB else str(finding))
    if files:
        verb = "would be fixed" if is_dry_run else "fixed"
        typer.echo(f"{sum(file.fixes for file in files)} findings {verb} in {len(files)} files", err=True)
    typer.echo(_summary(findings), err=True)


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "no findings"
    errors = sum(1 for finding in findings if finding.severity == "error")
    fixable = sum(1 for finding in findings if finding.is_fixable)
    files = len({finding.file for finding in findings})
    hint = f"; --fix mends {fixable}" if fixable else ""
    return f"{errors} errors and {len(findings) - errors} warnings in {files} files{hint}"
