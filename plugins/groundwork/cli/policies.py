"""`groundwork policies`: whether error patterns and policies can be read, before a failure needs them."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
_FINDINGS = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def policies() -> None:
    """Error patterns and policies below `governance`."""


@app.command()
def check(*, as_json: Json = False) -> None:
    """Read every error pattern and policy of the project, and say what is wrong with each.

    Exit code 0 when all can be read, 1 when one cannot.
    """
    from groundwork.insight.policy_check import check_policies
    from groundwork.settings import Settings

    found = check_policies(Settings.from_environment().project)
    wrong = [each for each in found if each.problem is not None]
    if as_json:
        typer.echo(json.dumps({"policies": [each.to_json() for each in found], "wrong": len(wrong)}, indent=2))
    else:
        width = max(len(each.file) for each in found)
        for each in found:
            state = "ok" if each.problem is None else "WRONG"
            typer.echo(f"{each.file:<{width}}  {each.kind or '-':<14} {each.version or '-':<8} {state}")
        for each in wrong:
            typer.echo(f"\n{each.problem}")
        typer.echo(f"{len(found)} files, {len(wrong)} wrong", err=True)
    if wrong:
        raise typer.Exit(_FINDINGS)
