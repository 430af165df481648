"""`groundwork rules`: whether code reaches data only as it may, and what each rule says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError

if TYPE_CHECKING:
    from groundwork.rules.finding import Report

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
_FINDINGS = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def rules() -> None:
    """Check code for access to data past the repositories."""


@app.command()
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Files and folders; else what the policy names.")
    ] = None,
    *,
    as_json: Json = False,
    sarif: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write SARIF 2.1.0 to a file, or print it.")
    ] = None,
    show_allowed: Annotated[bool, typer.Option("--allowed", help="List what comments allow, too.")] = False,
    processes: Annotated[int, typer.Option(min=0, help="Processes for many files; 0: one per core.")] = 0,
) -> None:
    """Check Python and SQL files against the rules; each refusal shows its line and what to write instead.

    Exit code 0 when nothing is refused, 1 when something is, 2 when files, contracts or the policy cannot be read.
    """
    from groundwork.rules.check import check_paths
    from groundwork.rules.dag_gate import all_domains
    from groundwork.settings import Settings

    if as_json and sarif == "-":
        raise ConfigError("one form can be printed", expected="--json or --sarif -", found="both")
    settings = Settings.from_environment()
    report = check_paths(
        paths or [],
        project=settings.project,
        domains=all_domains(settings),
        processes=processes or os.cpu_count() or 1,
    )
    if sarif is not None:
        _write_sarif(report, sarif)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    elif sarif != "-":
        _print(report, show_allowed=show_allowed)
    if not report.is_clean:
        raise typer.Exit(_FINDINGS)


@app.command("list")
def list_rules(*, as_json: Json = False) -> None:
    """List the rules. Exit code 0."""
    from groundwork.rules.rules import RULES

    if as_json:
        rows = [{"rule": each.name, "severity": each.severity, "summary": each.summary} for each in RULES.values()]
        typer.echo(json.dumps({"rules": rows}, indent=2))
        return
    for each in RULES.values():
        typer.echo(f"{each.name:<18} {each.severity:<8} {each.summary}")


@app.command()
def explain(rule: Annotated[str, typer.Argument(help="The name of a rule.")], *, as_json: Json = False) -> None:
    """Print a rule's manual page. Exit code 0; 2 when there is no such rule."""
    from groundwork.rules.rules import RULES

    found = RULES.get(rule)
    if found is None:
        raise ConfigError(
            f"there is no rule `{rule}`",
            expected=f"one of {', '.join(RULES)}",
            found=rule,
            next_step="groundwork rules list",
        )
    if as_json:
        typer.echo(json.dumps({"rule": found.name, "severity": found.severity, "manual": found.manual}, indent=2))
    else:
        typer.echo(f"{found.name} ({found.severity})\n\n{found.manual}")


def _print(report: Report, *, show_allowed: bool) -> None:
    for finding in report.findings:
        typer.echo(str(finding))
    if show_allowed:
        for allowed in report.allowed:
            typer.echo(str(allowed))
    typer.echo(f"{report.files} files, {len(report.findings)} refused, {len(report.allowed)} allowed", err=True)


def _write_sarif(report: Report, target: str) -> None:
    from importlib.metadata import PackageNotFoundError, version

    from groundwork.rules.sarif import to_sarif

    try:
        own = version("groundwork")
    except PackageNotFoundError:
        own = "0"
    text = json.dumps(to_sarif(report, version=own), indent=2, ensure_ascii=False)
    if target == "-":
        typer.echo(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the file `{target}` cannot be written", found=error, next_step="name another file"
        ) from error
