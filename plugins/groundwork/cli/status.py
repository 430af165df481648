"""`groundwork status`: the deployment as it is now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundwork.local.status import Part, Status

_SOMETHING_WRONG = 1
_NOT_INSTALLED = 3


def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what runs, where, in which version, and what is wrong with it.

    Exit code 0 when all is healthy, 1 when something is not, 3 when nothing is installed here.
    """
    from groundwork.local.layout import Layout
    from groundwork.local.status import collect

    found = collect(Layout.from_environment())
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else "\n".join(_lines(found)))
    if not found.is_installed:
        raise typer.Exit(_NOT_INSTALLED)
    if not found.is_healthy:
        raise typer.Exit(_SOMETHING_WRONG)


def _lines(status: Status) -> Iterator[str]:
    yield "   ".join(f"{name} {number}" for name, number in status.versions.items() if number)
    if not status.is_installed:
        yield f"nothing is installed in {status.home}; next: make demo, or groundwork up"
        return
    yield f"state in {status.home}\n"
    for part in status.components:
        yield _part(part.name, part)
    for part in status.databases:
        yield _part(f"database {part.name}", part)
    yield ""
    if status.dags is None:
        yield f"Dags in {status.dags_folder}: Airflow does not answer"
    else:
        yield f"Dags in {status.dags_folder}: {', '.join(status.dags) or 'none'}"
    for file, message in (status.import_errors or {}).items():
        yield f"  cannot be read: {file}: {message.splitlines()[-1]}"
    yield f"policies: {status.policies}, {len(status.policy_problems) or 'none'} wrong"
    for file, message in status.policy_problems.items():
        yield f"  {file}: {' '.join(message.split())}"
    yield f"lineage: {status.lineage_events} events in {status.lineage_file}"
    run = status.latest_run
    if run is None:
        yield "foundation: no run yet"
    else:
        yield f"foundation: {run['domain']} {run['state']}, started {run['started_at']:%Y-%m-%d %H:%M:%S} UTC"


def _part(name: str, part: Part) -> str:
    process = f"process {part.pid}" if part.pid else ""
    line = f"  {name:<20} {part.state:<9} {part.address or '':<30} {process}".rstrip()
    if not part.problem:
        return line
    log = f" (log: {part.log})" if part.log else ""
    return f"{line}\n      {' '.join(part.problem.split())}{log}"
