"""`groundwork knowledge`: what has helped against which faults, searched, taught, corrected and exported.

Exit code 0 when it was done or shown, 1 when a search finds nothing, 2 when it cannot be done.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.settings import STORE_CONNECTION, Settings

if TYPE_CHECKING:
    from groundwork.model.fault import Circumstances
    from groundwork.orbt.knowledge import Ranked
    from groundwork.orbt.patterns import Pattern
    from groundwork.store.knowledge import Knowledge

_NOTHING = 1
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PatternName = Annotated[str, typer.Argument(metavar="PATTERN", help="Name of a file below governance/patterns.")]
Table = Annotated[str | None, typer.Option(help="Where: `schema.table`.")]
Target = Annotated[str | None, typer.Option(help="Where: Airflow connection id.")]
Operation = Annotated[str | None, typer.Option(help="Where: class of the operator.")]
Sqlstate = Annotated[str | None, typer.Option(help="The fault's SQLSTATE.")]
Because = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why, for those who read it later.")]


@app.callback()
def knowledge() -> None:
    """What is known of remedies."""


@app.command()
def show(
    pattern: PatternName,
    *,
    table: Table = None,
    target: Target = None,
    operation: Operation = None,
    sqlstate: Sqlstate = None,
    as_json: Json = False,
) -> None:
    """Rank the remedies of a pattern, as a task that fails in these circumstances would find them, with the lessons."""
    from groundwork.model.fault import Fault
    from groundwork.model.knowledge import Question
    from groundwork.orbt.knowledge import choose, rank
    from groundwork.store.base import utc_now

    declared = _pattern(pattern)
    store = _store()
    fault = Fault(fault_class=pattern, exception="", message="", sqlstate=sqlstate)
    question = Question(fault=fault, circumstances=_circumstances(table, target, operation))
    ranked = rank(store.trials(pattern), question, utc_now())
    lessons = store.lessons(pattern)
    first = [each.remedy or each.name for each in choose(declared, 1, ranked, frozenset())]
    if as_json:
        told = {"pattern": pattern, "ranking": [_told(each) for each in ranked], "strike_1": first, "lessons": lessons}
        typer.echo(json.dumps(told, indent=2, default=str))
        return
    _print_ranking(ranked)
    typer.echo(f"strike 1 would try: {', '.join(first) or 'nothing'}")
    for row in lessons:
        gone = f" (withdrawn: {row['withdrawn_because']})" if row["withdrawn_at"] else ""
        of = f" in strike {row['strike_id']}" if row["strike_id"] else ""
        typer.echo(f"lesson {row['id']}: {row['remedy']} {row['verdict']}{of}, {row['taught_by']}: {row['note']}{gone}")


@app.command()
def search(
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Words of an error, a table, a remedy.")] = None,
    *,
    pattern: Annotated[str | None, typer.Option(help="Only this pattern.")] = None,
    table: Table = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest trials to show.")] = 50,
    as_json: Json = False,
) -> None:
    """List what was tried and how it ended, newest first. Exit code 1 when nothing is found."""
    if pattern is not None:
        _pattern(pattern)
    found = [
        each
        for each in map(_trial, _store().trials(pattern))
        if (table is None or each["table"] == table) and (text is None or _has(each, text))
    ][:limit]
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
    elif found:
        typer.echo("\n".join(map(_line, found)))
    if not found:
        typer.echo("nothing is known of that", err=True)
        raise typer.Exit(_NOTHING)


@app.command()
def teach(
    pattern: PatternName,
    remedy: Annotated[str, typer.Argument(metavar="REMEDY", help="A remedy of the pattern.")],
    verdict: Annotated[str, typer.Argument(metavar="works|fails|harmful", help="What it does.")],
    *,
    because: Because,
    table: Table = None,
    target: Target = None,
    operation: Operation = None,
    strike: Annotated[int | None, typer.Option(help="Correct the outcome of this strike instead.")] = None,
) -> None:
    """Keep what a person knows of a remedy: everywhere, in some circumstances, or of one strike's outcome."""
    store, known = _store(), _verdict(verdict)
    _require_remedy(_pattern(pattern), remedy, is_any=strike is not None)
    actor = _actor()
    if strike is not None:
        number = store.correct(strike, remedy, known, note=because, taught_by=actor)
    else:
        where = _circumstances(table, target, operation)
        number = store.teach(pattern, remedy, known, note=because, taught_by=actor, circumstances=where)
    _audit("lesson_taught", pattern, {"lesson": number, "remedy": remedy, "verdict": str(known), "because": because})
    typer.echo(f"lesson {number}: {remedy} {known}")


@app.command()
def withdraw(lesson: Annotated[int, typer.Argument(metavar="LESSON", help="Its number.")], *, because: Because) -> None:
    """Take a lesson back; it stays on record."""
    _store().withdraw(lesson, by=_actor(), because=because)
    _audit("lesson_withdrawn", f"lesson {lesson}", {"because": because})
    typer.echo(f"lesson {lesson} counts no more")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to; one JSON object per line.")],
    *,
    pattern: Annotated[str | None, typer.Option(help="Only this pattern.")] = None,
) -> None:
    """Write everything that is known, one trial per line, without secrets and values of rows."""
    from groundwork.model.errors import ConfigError
    from groundwork.whole_file import write_whole

    if pattern is not None:
        _pattern(pattern)
    lines = [json.dumps(_trial(each), default=str, ensure_ascii=False) for each in _store().trials(pattern)]
    try:
        write_whole(file, "".join(f"{line}\n" for line in lines), mode=0o644)
    except OSError as error:
        raise ConfigError(
            "the file cannot be written", where=str(file), found=error.strerror, next_step="name another one"
        ) from error
    typer.echo(f"{len(lines)} trials written to {file}")


def _print_ranking(ranked: Sequence[Ranked]) -> None:
    if not ranked:
        typer.echo("nothing was tried yet: the pattern's own solutions are the standard")
        return
    typer.echo(f"{'REMEDY':<24} {'HEALED':>7} {'OF':>7} {'AT LEAST':>8} {'AT MOST':>7} {'COST':>8}")
    for each in ranked:
        mark = "avoided" if each.is_avoided else "proven" if each.is_proven else ""
        typer.echo(
            f"{each.remedy:<24} {each.successes:>7.1f} {each.trials:>7.1f} {each.low:>8.0%} {each.high:>7.0%} "
            f"{each.cost_seconds:>6.0f} s {mark}".rstrip()
        )


def _told(ranked: Ranked) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(ranked), "is_proven": ranked.is_proven, "is_avoided": ranked.is_avoided}


def _trial(trial: Any) -> dict[str, Any]:
    """A trial as one flat mapping."""
    from dataclasses import asdict

    told = asdict(trial)
    return {**told.pop("fault"), **told.pop("circumstances"), **told}


def _line(trial: dict[str, Any]) -> str:
    where = trial["table"] or trial["target"] or "-"
    told = trial["message"].splitlines()[0][:80] if trial["message"] else ""
    return (
        f"{trial['at']:%Y-%m-%d %H:%M}Z  {trial['origin']:<12} {trial['fault_class']}  {trial['remedy']}: "
        f"{trial['verdict']}  {where}  {told}"
    ).rstrip()


def _has(trial: dict[str, Any], text: str) -> bool:
    """Whether every word stands somewhere in the trial."""
    whole = " ".join(str(value) for value in trial.values()).lower()
    return all(word in whole for word in text.lower().split())


def _circumstances(table: str | None, target: str | None, operation: str | None) -> Circumstances:
    from groundwork.model.fault import Circumstances

    return Circumstances(table=table, target=target, operation=operation)


def _pattern(name: str) -> Pattern:
    from groundwork.model.errors import ConfigError
    from groundwork.model.nearest import asked_first
    from groundwork.orbt.patterns import read_patterns

    folder = Settings.from_environment().project / "governance" / "patterns"
    patterns = read_patterns(folder)
    names = [each.name for each in patterns]
    if name not in names:
        raise ConfigError(
            "there is no such error pattern",
            where=str(folder),
            expected=", ".join(names),
            found=name,
            next_step=asked_first(name, names, "name one of them, or write its file (docs/healing.md)"),
        )
    return patterns.named(name)


def _require_remedy(pattern: Pattern, remedy: str, *, is_any: bool) -> None:
    from groundwork.model.errors import ConfigError
    from groundwork.model.nearest import asked_first

    known = [each.remedy for each in (*pattern.strike_1, *pattern.strike_2) if each.remedy is not None]
    if remedy not in known and not is_any:
        raise ConfigError(
            "this pattern names no such remedy, so it would never be tried",
            where=f"governance/patterns/{pattern.name}.yaml",
            expected=", ".join(dict.fromkeys(known)) or "a pattern with remedies",
            found=remedy,
            next_step=asked_first(remedy, known, "name the remedy in the pattern first"),
        )


def _verdict(word: str) -> Any:
    from groundwork.model.knowledge import Verdict
    from groundwork.model.nearest import unknown_word

    known = list(Verdict)
    if word not in known:
        raise unknown_word("this is no verdict", word, known, where="knowledge teach")
    return Verdict(word)


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _store() -> Knowledge:
    from groundwork.operators.connections import engine
    from groundwork.store.knowledge import Knowledge

    return Knowledge(engine(STORE_CONNECTION))


def _audit(action: str, subject: str, details: dict[str, Any]) -> None:
    from groundwork.operators.connections import engine
    from groundwork.store.audit import AuditTrail

    AuditTrail(engine(STORE_CONNECTION)).append(actor=_actor(), action=action, subject=subject, details=details)
