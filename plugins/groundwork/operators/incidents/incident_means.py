"""What there is to carry an answer to an incident out: its remedies, and the alternatives that its tasks could run on.

A remedy works in the circumstances of the last strike of the task instances. Whether an alternative can be used is
asked of the remedy that would choose it (`plan` looks and changes nothing), so that only what works now is offered.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundwork.model.errors import GroundworkError
from groundwork.model.fault import Circumstances, Fault, RemedyResult, TaskTry
from groundwork.orbt.incidents.escalation import Means, remedies_of

if TYPE_CHECKING:
    from groundwork.orbt.remedies.remedy import Scene
    from groundwork.orbt.response import Responder

_log = logging.getLogger(__name__)
ALTERNATIVES = ("use_replica", "use_fallback", "serve_cached_response")  # remedies that choose one, the best first


def means_of(incident: Mapping[str, Any], strikes: Sequence[Mapping[str, Any]], responder: Responder) -> Means:
    """The means for an incident (a row of `incident`) with its strikes (rows of `strike`, oldest first)."""
    from groundwork.operators.airflow_api import has_api

    named = remedies_of(responder.patterns.named(incident["fault_class"]))
    remedies = tuple(name for name in named if name not in ALTERNATIVES)
    return Means(
        remedies=remedies,
        alternatives=tuple(_possible(strikes, responder)),
        can_skip=has_api(),
    )


def last_strikes(incident: Mapping[str, Any], strikes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The last strike of each task instance of the incident that still fails."""
    last = {_address(row): row for row in strikes}
    failing = [each for each in incident["affected"] if "succeeded_at" not in each]
    return [last[_address(each)] for each in failing if _address(each) in last]


def run_remedy(name: str, strike: Mapping[str, Any], responder: Responder, person: str) -> RemedyResult:
    """Run a remedy in the circumstances of a strike (a row of `strike`) because a person asked for it; never raises."""
    from groundwork.orbt.remedies.run import run

    try:
        scene = scene_of(strike, responder)
    except Exception as away:  # the look-up of the connection can fail with whatever is down
        told = f"could not: no engine for it ({type(away).__name__})"
        return RemedyResult(remedy=name, is_done=False, report=told)
    return run(name, scene, asked_by=person)


def choose_alternative(strike: Mapping[str, Any], responder: Responder, person: str) -> RemedyResult | None:
    """Let the next tries of a struck task instance run on the first alternative that works; null when none does."""
    from groundwork.orbt.remedies.catalogue import REMEDIES

    for name in ALTERNATIVES:
        if name in REMEDIES:
            result = run_remedy(name, strike, responder, person)
            if result.is_done and result.alternative is not None:
                return result
            _log.info("%s: %s", name, result.report)
    return None


def end_alternatives(incident: Mapping[str, Any], responder: Responder, because: str) -> str:
    """Let what still fails run on its first choices again; what stood in for them, for people, empty when nothing did.

    One that only a strike tells of is ended too: its task's process died before it could keep it, or it still waits on
    the machine of the try. Safe to repeat. Raises: what the store raises.
    """
    from groundwork.model.fault import alternative_from
    from groundwork.store.alternative import Alternatives
    from groundwork.store.strike import Strikes

    store = responder.store()
    alternatives, strikes = Alternatives(store), Strikes(store).of_incident(incident)
    ended: list[str] = []
    failing = {_address(row): row for row in last_strikes(incident, strikes)}
    for row in strikes:
        chosen = [each["alternative"] for each in row["remedies"] if each.get("is_done") and each.get("alternative")]
        if _address(row) in failing and row["outcome"] != "healed":
            for each in chosen:
                alternatives.keep(task_try_of_row(row), alternative_from(each))
    for row in failing.values():
        task_try = task_try_of_row(row)
        in_force = [each for each in alternatives.of(task_try) if each["ended_at"] is None]
        ended += [_in_words(each) for each in in_force]
        alternatives.end(task_try, because)
    return "; ".join(dict.fromkeys(ended))


def _in_words(alternative: Mapping[str, Any]) -> str:
    if alternative["kind"] == "statement":
        return "on the task's own statement again"
    return (
        f"on `{alternative['names']}` again, not the {alternative['kind'].replace('_', ' ')} `{alternative['instead']}`"
    )


def scene_of(strike: Mapping[str, Any], responder: Responder) -> Scene:
    """The scene of a strike (a row of `strike`); what the engine's look-up raises passes through."""
    from groundwork.orbt.remedies.remedy import Scene

    circumstances = Circumstances(**strike["circumstances"])
    return Scene(
        fault=Fault(**{name: strike[name] for name in ("fault_class", "exception", "message", "sqlstate")}),
        task_try=task_try_of_row(strike),
        circumstances=circumstances,
        target=responder.engine_of(circumstances.target or responder.target),
        engine_of=responder.engine_of,
        store=responder.store(),
        project=responder.project,
        home=responder.home,
    )


def task_try_of_row(strike: Mapping[str, Any]) -> TaskTry:
    """The try that a row of `strike` is about."""
    return TaskTry(**{name: strike[name] for name in ("dag_id", "run_id", "task_id", "map_index", "try_number")})


def _possible(strikes: Sequence[Mapping[str, Any]], responder: Responder) -> Iterator[str]:
    """Alternatives that the last strike's task could run on now, in words."""
    from groundwork.orbt.remedies.catalogue import REMEDIES, remedy
    from groundwork.orbt.remedies.remedy import RemedyRefusedError

    if not strikes:
        return
    try:
        scene = scene_of(strikes[-1], responder)
    except Exception:  # nothing is offered that cannot be looked at
        _log.debug("the alternatives are not known", exc_info=True)
        return
    for name in ALTERNATIVES:
        if name not in REMEDIES:
            continue
        try:
            found = remedy(name)
            if found.precondition(scene) is None:
                yield f"{name}: {'; '.join(found.plan(scene))}"
        except (RemedyRefusedError, GroundworkError) as refused:
            _log.debug("%s is not offered: %s", name, refused)
        except Exception:  # a replica that is away is not offered
            _log.debug("%s is not offered", name, exc_info=True)


def _address(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("dag_id", "run_id", "task_id", "map_index"))
