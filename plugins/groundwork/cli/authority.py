"""`groundwork authority`: who may write which paths, and whether a change kept to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundwork.model.errors import ConfigError

if TYPE_CHECKING:
    from groundwork.authority.run import Judged, Judgement
    from groundwork.contracts.git_repository import GitRepository

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
_REFUSED = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Team = Annotated[str | None, typer.Option("--as", metavar="TEAM", help="Judge as this team, whoever the author is.")]
Policy = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Judge by this file as it is, not by the policy in force before.")
]


@app.callback()
def authority() -> None:
    """Check who may write the paths of a change."""


@app.command()
def check(
    revisions: Annotated[
        str | None,
        typer.Argument(metavar="[RANGE]", help="main..HEAD, main...HEAD, a commit; else the working tree."),
    ] = None,
    *,
    team: Team = None,
    only_staged: Annotated[bool, typer.Option("--staged", help="Check what is staged (for a hook).")] = False,
    policy: Policy = None,
    as_json: Json = False,
) -> None:
    """Check every path that a change writes, moves or removes.

    Exit code 0 when all of them may be written, 1 when one may not, 2 when the change or the policy cannot be read.
    """
    from groundwork.authority.run import check_present, check_range

    if revisions and only_staged:
        raise ConfigError("a range is committed and not staged", expected="RANGE or --staged", found="both")
    repository, file = _repository(), policy or _policy_file()
    if revisions:
        found = check_range(repository, revisions, policy_file=file, team=team, override=policy is not None)
    else:
        found = check_present(
            repository, policy_file=file, team=team, only_staged=only_staged, override=policy is not None
        )
    _print(found, as_json=as_json)
    if found.refused:
        raise typer.Exit(_REFUSED)


@app.command()
def who(
    path: Annotated[str, typer.Argument(help="A path, relative to the repository's root or to this folder.")],
    *,
    policy: Policy = None,
    as_json: Json = False,
) -> None:
    """Show which teams may write a path, and the rule that says so.

    Exit code 0; 2 when the path lies outside of the repository or the policy cannot be read.
    """
    from groundwork.authority.check import who_may_write
    from groundwork.authority.policy import read_policy

    repository = _repository()
    rules = read_policy(policy or _policy_file(), root=repository.root)
    verdicts = who_may_write(rules, _relative(path, repository))
    if as_json:
        found = [{**verdict.to_json(), "is_allowed": verdict.is_allowed} for verdict in verdicts]
        typer.echo(json.dumps({"path": verdicts[0].path, "teams": found}, indent=2))
        return
    for verdict in verdicts:
        rule = f" ({verdict.glob}, {verdict.where})" if verdict.glob else ""
        word = "yes" if verdict.is_allowed else "no"
        typer.echo(f"{verdict.team or 'everybody else':<20} {word:<4} {verdict.why}{rule}")


def _repository() -> GitRepository:
    from groundwork.contracts.git_repository import GitRepository
    from groundwork.settings import Settings

    return GitRepository.around(Settings.from_environment().project)


def _policy_file() -> Path:
    from groundwork.authority.policy import FILE
    from groundwork.settings import Settings

    return Settings.from_environment().policies / FILE


def _relative(path: str, repository: GitRepository) -> str:
    """The path as git has it: from the root where it is there or leads nowhere, from this folder otherwise."""
    root, here = repository.root.resolve(), Path.cwd()
    from_root = Path(path) if Path(path).is_absolute() else root / path
    chosen = here / path if not from_root.exists() and (here / path).exists() else from_root
    resolved = chosen.parent.resolve() / chosen.name
    if not resolved.is_relative_to(root) or resolved == root:
        raise ConfigError("this path is not in the repository", where=str(root), expected="a path in it", found=path)
    is_folder = path.endswith("/") or resolved.is_dir()
    return resolved.relative_to(root).as_posix() + ("/" if is_folder else "")


def _print(found: Judgement, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
        return
    for judged in found.refused:
        typer.echo(_line(judged))
    count, bad = len(found.judged), len(found.refused)
    typer.echo(f"{count} paths, {bad} refused, by {found.policy.source}", err=True)


def _line(judged: Judged) -> str:
    verdict, written = judged.verdict, judged.written
    commit = f" in {written.commit[:12]} by {written.author}" if written.commit else ""
    rule = f"\n    rule: {verdict.glob} ({verdict.where})" if verdict.glob else ""
    path = verdict.path.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"{path}: {verdict.decision}: {written.what}{commit}: {verdict.why}{rule}"
