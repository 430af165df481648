"""`groundwork health`: state, score, parts and early warnings of pipelines and datasets, and breakers not closed.

Exit code 0 when nothing is in repair, shut off or warned of, 1 when something is, 2 when it cannot be told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.cli.breakers import told_breaker
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from groundwork.contracts.contract import Domain
    from groundwork.model.health import Situation
    from groundwork.orbt.health.health import Surroundings, WholeHealth
    from groundwork.orbt.health.pipeline_health import PipelineHealth

_FINDINGS = 1


def health(
    subject: Annotated[
        str | None, typer.Argument(metavar="[SUBJECT]", help="A domain, a pipeline (Dag id) or a dataset.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the state, health score and early warnings of all pipelines, or of one subject with the score's parts.

    Pipelines are the Dags of contracts, and all others that ORBT heals. Exit code 1 when something shown is in repair
    or warned of, or a breaker is not closed.
    """
    from groundwork.operators.connections import engine
    from groundwork.orbt.health.health import surroundings, whole_health
    from groundwork.store.base import utc_now

    store, warehouse, now = engine(STORE_CONNECTION), engine(WAREHOUSE_CONNECTION), utc_now()
    whole = whole_health(store, warehouse, _domains(), now)
    if subject is None:
        _tell_all(whole, surroundings(store), as_json=as_json)
    elif subject in {each.domain for each in whole.domains}:
        _tell_all(_of_domain(whole, subject), None, as_json=as_json)
    else:
        _tell_one(whole, subject, as_json=as_json)


def _of_domain(whole: WholeHealth, name: str) -> WholeHealth:
    """What belongs to one domain, with the breakers of what its pipelines use."""
    from dataclasses import replace

    part = replace(
        whole,
        domains=tuple(each for each in whole.domains if each.domain == name),
        others=tuple(each for each in whole.others if each.pipeline.domain == name),
    )
    used = {target for each in part.pipelines for target in each.breakers}
    return replace(part, breakers=tuple(row for row in whole.breakers if row["target"] in used))


def _tell_all(whole: WholeHealth, around: Surroundings | None, *, as_json: bool) -> None:
    pipelines = whole.pipelines
    datasets = {name: each for domain in whole.domains for name, each in domain.datasets.items()}
    warnings = [row for each in pipelines for row in each.warnings]
    warnings += list(around.warnings) if around is not None else []
    if as_json:
        told = {
            "pipelines": [_pipeline(each) for each in pipelines],
            "datasets": [_situation(each) for each in datasets.values()],
            "breakers": [_breaker(row) for row in whole.breakers],
            "warnings": [_warning(row) for row in warnings],
        }
        typer.echo(json.dumps(told, indent=2, default=str))
    else:
        typer.echo("\n".join(_table(pipelines, datasets, warnings)))
        for row in whole.breakers:
            typer.echo(f"breaker: {told_breaker(row)}")
    situations = [*(each.situation for each in pipelines), *datasets.values()]
    if warnings or whole.breakers or any(each.state == "repair" for each in situations):
        raise typer.Exit(_FINDINGS)


def _tell_one(whole: WholeHealth, subject: str, *, as_json: bool) -> None:
    pipelines = {each.pipeline.name: each for each in whole.pipelines}
    datasets = {name: each for domain in whole.domains for name, each in domain.datasets.items()}
    feeding = [each for each in pipelines.values() if subject in each.pipeline.datasets]
    if subject in pipelines:
        situation, shown = pipelines[subject].situation, [pipelines[subject]]
    elif subject in datasets:
        situation, shown = datasets[subject], feeding
    else:
        raise _unknown(subject, [*pipelines, *datasets])
    if as_json:
        told = {**_situation(situation), "pipelines": [_pipeline(each) for each in shown]}
        typer.echo(json.dumps(told, indent=2, default=str))
    else:
        typer.echo(f"{situation.subject}: {situation.state}, {situation.reason}")
        for each in shown:
            typer.echo("\n".join(_details(each)))
    if situation.state == "repair" or any(each.warnings for each in shown):
        raise typer.Exit(_FINDINGS)


def _table(
    pipelines: Sequence[PipelineHealth], datasets: Mapping[str, Situation], warnings: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    width = max((len(each.pipeline.name) for each in pipelines), default=8)
    yield f"{'PIPELINE':<{width}}  {'STATE':<9} {'SCORE':>5}  {'BREAKER':<9} WARNINGS  WHY"
    for each in pipelines:
        score = "-" if each.score is None else f"{each.score:.0f}"
        breaker = next(iter(each.breakers.values()), "closed").replace("_", "-")
        yield (
            f"{each.pipeline.name:<{width}}  {each.situation.state:<9} {score:>5}  {breaker:<9} "
            f"{len(each.warnings):>8}  {each.situation.reason}"
        )
    counted = {state: sum(each.state == state for each in datasets.values()) for state in _states()}
    yield "datasets: " + ", ".join(f"{count} {state}" for state, count in counted.items() if count)
    yield from (f"warning: {row['subject']}: {row['told']}" for row in warnings)


def _details(health: PipelineHealth) -> Iterator[str]:
    score = "no score yet" if health.score is None else f"score {health.score:g}"
    yield f"{health.pipeline.name}: {score} = 100 x sum of weight x share / sum of weights, over what is measured"
    for part in health.parts:
        share = "not measured" if part.share is None else f"{part.share:.2f}"
        yield f"  {part.name:<10} weight {part.weight:.2f}  share {share:<12}  {part.told}"
    for row in health.warnings:
        yield f"  warning since {row['first_seen_at']:%Y-%m-%d %H:%M}Z: {row['told']}"


def _pipeline(health: PipelineHealth) -> dict[str, Any]:
    pipeline = health.pipeline
    return {
        **_situation(health.situation),
        "dag_id": pipeline.dag_id,
        "domain": pipeline.domain,
        "kind": str(pipeline.kind),
        "datasets": list(pipeline.datasets),
        "score": health.score,
        "parts": [
            {"name": part.name, "weight": part.weight, "share": part.share, "told": part.told} for part in health.parts
        ],
        "breakers": dict(health.breakers),
        "warnings": [_warning(row) for row in health.warnings],
    }


def _situation(situation: Situation) -> dict[str, Any]:
    return {
        "subject": situation.subject,
        "state": str(situation.state),
        "reason": situation.reason,
        "since": situation.since.isoformat() if situation.since else None,
    }


def _warning(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "subject", "metric", "kind", "told", "details")
    return {**{name: row[name] for name in kept}, "first_seen_at": row["first_seen_at"].isoformat()}


def _breaker(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("target", "state", "opened_at", "reason", "retry_at", "is_held")
    return {name: row[name].isoformat() if name.endswith("_at") and row[name] else row[name] for name in kept}


def _states() -> Sequence[str]:
    from groundwork.model.health import State

    return [str(state) for state in State]


def _domains() -> list[Domain]:
    from groundwork.contracts.declared_domains import declared_domains

    found, broken = declared_domains(Settings.from_environment())
    for problem in broken:
        typer.echo(problem, err=True)
    return found


def _unknown(subject: str, known: Sequence[str]) -> Exception:
    from groundwork.model.errors import ConfigError
    from groundwork.model.nearest import asked_first

    return ConfigError(
        "there is no such domain, pipeline or dataset",
        where="groundwork health",
        expected=", ".join(known) or "a declared domain",
        found=subject,
        next_step=asked_first(subject, known, "groundwork health"),
    )
