"""`groundwork incidents`: what waits for a person, shown, taken on, answered, closed and reviewed.

An answer is recorded in the store, then Airflow's own request is answered in the same words, so that the waiting task
goes on and carries it out. Where Airflow cannot be asked now, the Dag `escalation_sweep` does that within minutes.

Exit code 0 when it was done or nothing is open, 1 when incidents are open (`list`) or it came too late, 2 when it
cannot be done.
"""

from __future__ import annotations

import getpass
import json
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.cli import incident_words
from groundwork.model.fault import Answer
from groundwork.model.incident import Severity, Stage
from groundwork.settings import STORE_CONNECTION

if TYPE_CHECKING:
    from groundwork.operators.incidents.answers import IncidentDesk
    from groundwork.store.incident import Incidents

_FINDINGS = 1
_MOST_EARLIER = 10  # incidents of the same cause that are shown
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, or as much of its beginning as is unique.")]


@app.callback()
def incidents() -> None:
    """Incidents."""


@app.command("list")
def list_(
    *,
    stage: Annotated[Stage | None, typer.Option(help="Only this stage; without it what is not over.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain.")] = None,
    fault_class: Annotated[str | None, typer.Option("--class", help="Only this error pattern.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="At least so bad.")] = None,
    dag: Annotated[str | None, typer.Option(help="Only what this Dag is part of.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only what this owner has to do with.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many are shown.")] = 200,
    as_json: Json = False,
) -> None:
    """List incidents, open ones first, the worst first, then the oldest. Exit code 1 when one shown is open."""
    from groundwork.store.incident_list import NOT_OVER, IncidentFilter

    chosen = IncidentFilter(
        stages=NOT_OVER if stage is None else {stage},
        domain=domain,
        fault_class=fault_class,
        severity=severity,
        dag=dag,
        owner=owner,
    )
    store = _store()
    found = store.listed(chosen, limit)
    if as_json:
        typer.echo(json.dumps([incident_words.told(row) for row in found], indent=2, default=str))
    elif not found:
        typer.echo("no such incident: nothing waits" if stage is None else f"no such incident is {stage}", err=True)
    for row in found if not as_json else ():
        typer.echo(incident_words.line(row))
    left = store.count(chosen) - len(found) if len(found) == limit else 0
    if left > 0:
        typer.echo(f"and {left} more, behind these: a higher --limit shows them", err=True)
    if any(row["state"] == "open" for row in found):
        raise typer.Exit(_FINDINGS)


@app.command()
def show(incident: Id, *, as_json: Json = False) -> None:
    """Show an incident: report, strikes with what each changed, earlier ones of its cause, timeline."""
    from groundwork.orbt.incidents.escalation import MEANINGS, markdown
    from groundwork.store.strike import Strikes

    row = _find(incident)
    strikes = Strikes(_engine()).of_incident(row)
    before = _store().before(row, _MOST_EARLIER)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    **incident_words.told(row),
                    "strikes": strikes,
                    "happened_before": [incident_words.earlier(each) for each in before],
                },
                indent=2,
                default=str,
            )
        )
        return
    known = (row["progress"].get("offered") or {}).get("answers")
    answers = [Answer(name) for name in known] if known else list(MEANINGS)
    typer.echo(incident_words.line(row))
    typer.echo(markdown(row, strikes, answers if row["state"] == "open" else ()))
    for told in (*incident_words.happened_before(before), *incident_words.timeline(row)):
        typer.echo(told)


@app.command()
def acknowledge(incident: Id) -> None:
    """Say that you look at it; escalation goes on only to levels that are for acknowledged incidents too."""
    row = _find(incident)
    _tell(_desk().acknowledge(row["id"], _person()), "acknowledged")


@app.command()
def answer(
    incident: Id,
    decision: Annotated[Answer, typer.Argument(metavar="ANSWER", help=f"One of {', '.join(Answer)}.")],
    *,
    remedy: Annotated[str | None, typer.Option(help="Which one run_remedy runs; the pattern's first.")] = None,
    hours: Annotated[float | None, typer.Option(help="How long silence lasts; the policy's usual time.")] = None,
) -> None:
    """Decide; the answer is carried out by the Dag `escalation`."""
    row = _find(incident)
    done = _desk().answer(row["id"], decision, _person(), remedy=remedy, hours=hours)
    _tell(done, f"answered: {decision}")
    typer.echo(_end_request(row["id"]))


@app.command()
def resolve(incident: Id, *, because: Annotated[str, typer.Option(metavar="TEXT", help="Why.")]) -> None:
    """Close an incident by hand; nothing is run."""
    row = _find(incident)
    _tell(_desk().resolve(row["id"], _person(), because), "resolved")
    typer.echo(_end_request(row["id"]))


@app.command()
def reopen(incident: Id, *, reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")]) -> None:
    """Open a resolved incident again: a person is asked anew. Exit code 1 when another one of its cause is open."""
    row = _find(incident)
    done = _desk().reopen(row["id"], _person(), reason)
    if done.instead is not None:
        typer.echo(f"nothing was changed: of the same cause the incident {done.instead} is open", err=True)
        raise typer.Exit(_FINDINGS)
    _tell(done.is_done, "open again")
    typer.echo(_ask_again(row["id"]))


@app.command()
def comment(
    incident: Id, text: Annotated[str, typer.Argument(metavar="TEXT", help="At most 2000 characters.")]
) -> None:
    """Put a comment on the timeline of an incident, whatever its stage."""
    _tell(_desk().comment(_find(incident)["id"], _person(), text), "commented")


@app.command()
def silence(
    incident: Id,
    *,
    hours: Annotated[float, typer.Option(min=0, help="For how long; 0 ends a silence.")] = 4,
) -> None:
    """Let the cause open nothing new for a while; strikes are counted all the same."""
    row = _find(incident)
    _tell(_desk().silence(row["id"], _person(), hours), f"silenced for {hours:g} h" if hours else "the silence is over")
    if row["state"] == "open":
        typer.echo(_end_request(row["id"]))


@app.command()
def review(
    incident: Id,
    *,
    what_happened: Annotated[str, typer.Option(metavar="TEXT", help="What happened.")],
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why it happened.")],
    changed: Annotated[str, typer.Option(metavar="TEXT", help="What is changed, so that it does not again.")],
) -> None:
    """Write down what happened, once it is over; of critical incidents it is owed."""
    told = {"what_happened": what_happened, "cause": cause, "changed": changed}
    _tell(_desk().review(_find(incident)["id"], _person(), told), "reviewed")


@app.command()
def figures(
    *,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How far to look back.")] = 30,
    as_json: Json = False,
) -> None:
    """Show per error pattern how often, how fast taken on, how fast mended, and the share healed without a person."""
    from datetime import timedelta

    from groundwork.store.base import utc_now

    found = _store().figures(utc_now() - timedelta(days=days))
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=float))
        return
    typer.echo(f"{'CLASS':<26} {'STRUCK':>6} {'HEALED':>7} {'INCIDENTS':>9} {'OPEN':>5} {'MTTA':>9} {'MTTR':>9}")
    for row in found:
        healed = "-" if row["healed_pct"] is None else f"{row['healed_pct']:.0f} %"
        typer.echo(
            f"{row['fault_class']:<26} {row['struck']:>6} {healed:>7} {row['incidents']:>9} {row['open']:>5} "
            f"{incident_words.span(row['mtta_seconds']):>9} {incident_words.span(row['mttr_seconds']):>9}"
        )


def _tell(is_done: bool, what: str) -> None:
    if not is_done:
        typer.echo("nothing was changed: somebody was faster, or it is not in that stage", err=True)
        raise typer.Exit(_FINDINGS)
    typer.echo(what)


def _end_request(incident_id: uuid.UUID) -> str:
    """Let Airflow's waiting task go on; what became of it, in words."""
    from groundwork.model.errors import GroundworkError
    from groundwork.model.incident import is_asked
    from groundwork.operators.airflow_api import has_api
    from groundwork.operators.incidents.escalation_run import end_request, start_by_api

    later = "the Dag `escalation_sweep` lets the waiting task go on"
    steps: Mapping[str, Callable[[], str]] = {
        "ended": lambda: "the waiting task goes on",
        "answered": lambda: "the request in Airflow was answered already",
        "absent": lambda: f"its run {'begins' if start_by_api(incident_id) else 'is under way'} and carries it out",
    }
    row = _store().get(incident_id)
    if not is_asked(row) and has_api():
        return _ask_again(incident_id)
    try:
        if not has_api():
            return later
        ended = end_request(row)
        if ended == "absent" and row["state"] == "resolved":
            return "nobody is asked any more"
        return steps[ended]()
    except GroundworkError as error:
        return f"{later} ({error.what})"


def _ask_again(incident_id: uuid.UUID) -> str:
    """Let Airflow ask about an incident that was opened again; what became of it, in words."""
    from groundwork.model.errors import GroundworkError
    from groundwork.operators.airflow_api import has_api
    from groundwork.operators.incidents.asking_again import ask_again

    try:
        if not has_api():
            return "answer it here or on its page: there is no connection by which Airflow could be made to ask again"
        ask_again(incident_id)
    except GroundworkError as error:
        return f"answer it here or on its page: Airflow could not be made to ask again ({error.what})"
    return "its run in Airflow begins again"


def _find(prefix: str) -> Mapping[str, Any]:
    from groundwork.model.errors import ConfigError

    found = _store().with_prefix(prefix.lower()) if prefix else []
    if len(found) != 1:
        listed = ", ".join(str(row["id"]) for row in found)
        raise ConfigError(
            "this names no single incident",
            where="groundwork.incident",
            expected="the beginning of one id",
            found=listed or prefix,
            next_step="groundwork incidents list",
        )
    return found[0]


def _person() -> str:
    return f"cli:{getpass.getuser()}"


def _engine() -> Any:
    from groundwork.operators.connections import engine

    return engine(STORE_CONNECTION)


def _store() -> Incidents:
    from groundwork.store.incident import Incidents

    return Incidents(_engine())


def _desk() -> IncidentDesk:
    from groundwork.operators.incidents.answers import IncidentDesk

    return IncidentDesk(_engine())
