"""`groundwork validate-schema`: every mistake in a contract, a domain or all domains, with file, line, rule and fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError

if TYPE_CHECKING:
    from groundwork.contracts.lint import Finding

_FINDINGS = 1


def validate_schema(
    target: Annotated[
        str | None, typer.Argument(metavar="[PATH|DOMAIN]", help="A contract, a folder, or a domain; else all.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check data contracts and tell every mistake at once, each with file, line, rule and fix.

    Exit code 0 when nothing is found, 1 when something is (warnings too), 2 when the contracts cannot be looked for.
    """
    findings = _findings(target)
    if as_json:
        typer.echo(json.dumps({"findings": [finding.to_json() for finding in findings]}, indent=2))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo(_summary(findings), err=True)
    if findings:
        raise typer.Exit(_FINDINGS)


def _findings(target: str | None) -> list[Finding]:
    from groundwork.contracts.lint import lint_domain, lint_files
    from groundwork.contracts.read import SUFFIX
    from groundwork.settings import Settings

    contracts = Settings.from_environment().contracts
    path = Path(target) if target else contracts
    if target and (contracts / target).is_dir() and Path(target).name == target:
        return lint_domain(target, contracts)
    if path.is_file():
        return lint_files([path])
    files = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else []
    if not files:
        raise ConfigError(
            f"there is no contract at `{path}`",
            expected=f"a domain, a file *{SUFFIX}, or a folder with such files",
            found=target or "nothing",
            next_step=f"look into {contracts}",
        )
    folders = dict.fromkeys(file.parent for file in files)
    return [
        finding
        for folder in folders
        for finding in lint_files([file for file in files if file.parent == folder], domain=folder.name)
    ]


def _summary(findings: list[Finding]) -> str:
    if not findings:
        return "no findings"
    errors = sum(1 for finding in findings if finding.severity == "error")
    files = len({finding.file for finding in findings})
    return f"{errors} errors and {len(findings) - errors} warnings in {files} files"
