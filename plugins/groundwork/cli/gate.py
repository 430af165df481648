"""`groundwork gate`: whether a domain may be released, measured gate by gate.

Without a sub-command the gates of the domain are measured: exit code 0 when all let it pass (or a person overrode
those that do not), 1 when one blocks, 2 when it cannot be told.
"""

from __future__ import annotations

import getpass
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from groundwork.foundation.release.subject import ReleaseSubject

_BLOCKED = 1
_DEFAULT = "check"


class _CheckedByDefault(TyperGroup):
    """`groundwork gate market` means `groundwork gate check market`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The sub-command that is meant."""
        if args and args[0] not in self.commands:
            args = [_DEFAULT, *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_CheckedByDefault, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
DomainName = Annotated[str, typer.Argument(metavar="DOMAIN", help="Folder below governance/contracts.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def gate() -> None:
    """Gates of a release."""


@app.command()
def check(
    domain: DomainName,
    *,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="GATE", help="Only this one; repeatable.")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection id of the warehouse.")] = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Measure the gates of a domain on the live system and say whether it may be released.

    Exit code 0 when every gate lets it pass or was overridden, 1 when one blocks, 2 when it cannot be told.
    """
    from groundwork.foundation.release.gates import GATES, decide, measure_gate, require_gate
    from groundwork.store.release import Releases

    chosen = tuple(only or GATES)
    for name in chosen:
        require_gate(name)
    subject = _subject(domain, connection)
    actor, run_id = f"cli:{getpass.getuser()}", f"cli/{uuid.uuid4()}"
    Releases(subject.store).start(run_id, domain, actor)
    for name in chosen:
        typer.echo(f"measuring {name} …", err=True)
        measure_gate(subject, name, run_id=run_id)
    decision = decide(subject.store, domain, run_id=run_id, actor=actor, gates=chosen)
    typer.echo(json.dumps(decision.to_json(), indent=2) if as_json else decision.to_text())
    if not decision.is_passed:
        raise typer.Exit(_BLOCKED)


@app.command()
def override(
    domain: DomainName,
    gate_name: Annotated[str, typer.Argument(metavar="GATE", help="The gate that shall let pass.")],
    *,
    person: Annotated[str, typer.Option(help="Who answers for it.")],
    reason: Annotated[str, typer.Option(help="Why it may pass.")],
    hours: Annotated[float, typer.Option(help="For how long, at most 720.")] = 24,
    as_json: Json = False,
) -> None:
    """Let a closed gate of a domain pass for a while, on a person's word; it is kept in the audit trail.

    Exit code 0 when it was kept, 2 when name, reason or time do not do.
    """
    from groundwork.contracts.read import read_domain
    from groundwork.foundation.release.gates import override_gate
    from groundwork.operators.connections import engine

    read_domain(domain, Settings.from_environment().contracts)
    actor = f"cli:{getpass.getuser()}"
    found = override_gate(
        engine(STORE_CONNECTION), domain, gate_name, person=person, reason=reason, actor=actor, hours=hours
    )
    told = {"override_id": found, "domain": domain, "gate": gate_name, "person": person, "hours": hours}
    typer.echo(json.dumps(told, indent=2) if as_json else f"{gate_name} of {domain} passes for {hours:g} h ({person})")


def _subject(name: str, connection: str) -> ReleaseSubject:
    from groundwork.contracts.read import read_domain
    from groundwork.foundation.release.subject import ReleaseSubject
    from groundwork.operators.connections import engine, scratch_engine

    folder = Settings.from_environment().contracts
    return ReleaseSubject(
        domain=read_domain(name, folder),
        contracts=folder,
        warehouse=engine(connection),
        store=engine(STORE_CONNECTION),
        scratch=scratch_engine(connection),
        target=connection,
    )
