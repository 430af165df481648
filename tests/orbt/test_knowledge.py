"""What helped before is known by the strikes themselves, counted with caution, and corrected by people."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Circumstances, Fault, Impact, TaskTry
from groundwork.model.knowledge import WAITING, Question, Trial, Verdict
from groundwork.orbt.knowledge import FEWEST, PROVEN, Ranked, choose, interval, likeness, rank
from groundwork.orbt.patterns import Pattern, Solution, read_patterns
from groundwork.orbt.response import Responder
from groundwork.orbt.spool import Spool
from groundwork.orbt.strike_book import StrikeBook
from groundwork.store.base import utc_now
from groundwork.store.knowledge import Knowledge
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database

NOW = utc_now()
FAULT = Fault(fault_class="connection_failures", exception="psycopg.OperationalError", message="gone", sqlstate="57P01")
HERE = Circumstances(engine="postgresql", target="warehouse", table="market.prices", operation="LoadOperator")
QUESTION = Question(fault=FAULT, circumstances=HERE)
PATTERN = Pattern(
    name="connection_failures",
    description="For tests.",
    strike_1=(Solution(name="waiting"), Solution(name="reset", remedy="reset_connections")),
    strike_2=(Solution(name="log in", remedy="refresh_credentials"), Solution(name="statistics")),
)


def trial(remedy: str = "reset_connections", verdict: Verdict = Verdict.WORKS, **changes: object) -> Trial:
    made = Trial(
        origin="strike 1", fault=FAULT, circumstances=HERE, remedy=remedy, verdict=verdict, at=NOW, cost_seconds=10
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def only(*trials: Trial, question: Question = QUESTION, now: datetime = NOW) -> Ranked:
    (found,) = rank(trials, question, now)
    return found


@given(st.integers(0, 200), st.integers(1, 200))
@example(0, 171)
def test_the_interval_holds_the_rate_and_gets_narrower(successes: int, failures: int) -> None:
    trials = successes + failures
    low, high = interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    wider = interval(successes / 10, trials / 10)
    assert wider[0] <= low + 1e-9
    assert high <= wider[1] + 1e-9


def test_few_trials_count_as_few() -> None:
    once = only(trial())
    often = only(*(trial() for _ in range(9)), trial(verdict=Verdict.FAILS))
    assert once.successes / once.trials > often.successes / often.trials
    assert once.low < often.low
    assert not once.is_proven
    assert often.is_proven


def test_what_is_like_the_present_counts_more_than_what_is_not() -> None:
    elsewhere = Circumstances(engine="mysql", target="shop", table="shop.orders", operation="Other")
    other = replace(FAULT, sqlstate="28P01", exception="pymysql.err.OperationalError")
    near, far = trial(), trial(fault=other, circumstances=elsewhere)
    assert likeness(near, QUESTION) == pytest.approx(1)
    assert likeness(far, QUESTION) == 0
    unknown = Question(fault=replace(FAULT, sqlstate=None, exception=""))
    assert likeness(near, unknown) == pytest.approx(0.5)
    assert only(near, *(trial(verdict=Verdict.FAILS, fault=other, circumstances=elsewhere) for _ in range(9))).low > 0.3


def test_old_trials_fade_and_a_clock_set_back_makes_none_heavier() -> None:
    old = only(trial(at=NOW - timedelta(days=90)))
    assert old.trials == pytest.approx(0.5)
    assert only(trial(at=NOW + timedelta(days=400))).trials == pytest.approx(1)


def test_between_equally_sure_remedies_the_cheaper_comes_first() -> None:
    trials = [trial("dear", cost_seconds=600) for _ in range(5)] + [trial("cheap", cost_seconds=5) for _ in range(5)]
    assert [each.remedy for each in rank(trials, QUESTION, NOW)] == ["cheap", "dear"]


def test_other_classes_are_not_asked() -> None:
    assert rank([trial(fault=replace(FAULT, fault_class="slow_queries"))], QUESTION, NOW) == ()


def test_what_fails_again_and_again_is_avoided() -> None:
    failing = [trial(verdict=Verdict.FAILS) for _ in range(8)]
    found = only(*failing)
    assert found.is_avoided
    assert not only(*failing[: int(FEWEST) - 1]).is_avoided, "too few to know"
    assert choose(PATTERN, 1, [found], frozenset()) == (Solution(name="waiting"),)


def test_what_only_looks_is_neither_proven_nor_avoided() -> None:
    looking = Solution(name="plan", remedy="explain_statement")
    pattern = PATTERN.model_copy(update={"strike_1": (looking, *PATTERN.strike_1)})
    lucky = only(*(trial("explain_statement") for _ in range(20)))
    assert lucky.is_proven
    assert choose(pattern, 1, [lucky], frozenset()) == pattern.strike_1
    unlucky = only(*(trial("explain_statement", Verdict.FAILS) for _ in range(20)))
    assert choose(pattern, 1, [unlucky], frozenset()) == pattern.strike_1


def test_waiting_is_never_an_anti_pattern() -> None:
    found = only(*(trial(WAITING, Verdict.FAILS) for _ in range(3 * int(FEWEST))))
    assert not found.is_avoided
    assert not found.is_proven


def test_harm_is_avoided_where_it_was_told_of() -> None:
    warned = trial(verdict=Verdict.HARMFUL, origin="lesson 1", circumstances=Circumstances(table="market.prices"))
    helped = [trial() for _ in range(20)]
    assert only(*helped, warned).is_avoided
    elsewhere = Question(fault=FAULT, circumstances=replace(HERE, table="market.signals"))
    assert only(*helped, warned, question=elsewhere).is_proven


def test_the_proven_remedy_goes_first_and_the_second_strike_tries_another() -> None:
    proven = [trial("refresh_credentials") for _ in range(9)] + [trial("reset_connections") for _ in range(9)]
    proven += [trial("reset_connections", Verdict.FAILS) for _ in range(3)]
    ranked = rank(proven, QUESTION, NOW)
    assert all(each.low >= PROVEN for each in ranked)
    assert [each.remedy for each in choose(PATTERN, 1, ranked, frozenset())] == ["refresh_credentials"]
    tried = frozenset({"refresh_credentials"})
    assert [each.remedy for each in choose(PATTERN, 2, ranked, tried)] == ["reset_connections"]
    assert choose(PATTERN, 2, ranked, tried | {"reset_connections"}) == PATTERN.strike_2
    assert choose(PATTERN, 3, ranked, frozenset()) == (), "the third strike asks a person"


def test_no_remedy_is_chosen_that_the_pattern_does_not_name() -> None:
    ranked = rank([trial("analyze_tables") for _ in range(9)], QUESTION, NOW)
    assert ranked[0].is_proven
    assert choose(PATTERN, 1, ranked, frozenset()) == PATTERN.strike_1


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


@pytest.fixture
def responder(store: Engine, tmp_path: Path) -> Responder:
    patterns = read_patterns(Path(__file__).parents[2] / "governance" / "patterns")
    return Responder(
        store=lambda: store,
        engine_of=lambda _: store,
        target="warehouse",
        patterns=patterns,
        spool=Spool(tmp_path / "spool"),
        project=tmp_path,
        home=tmp_path,
    )


def episode(responder: Responder, store: Engine, run: str, *, fails: int) -> list[str]:
    """A task that fails so often and then succeeds; what was tried before each retry, with the reason."""
    told = []
    for number in range(1, fails + 1):
        task_try = TaskTry(dag_id="load", run_id=run, task_id="prices", try_number=number)
        done = responder.respond(FAULT, task_try, Impact(domain="market"), has_try_left=True, circumstances=HERE)
        told.append(" ".join(each.remedy for each in done.strike.remedies) + f" | {done.strike.reason}")
    last = TaskTry(dag_id="load", run_id=run, task_id="prices", try_number=fails + 1)
    StrikeBook(store, responder.patterns).succeeded(last)
    return told


@pytest.mark.postgres
def test_strikes_become_trials_when_their_outcome_is_known(responder: Responder, store: Engine) -> None:
    first = episode(responder, store, "r1", fails=2)
    assert first[0].startswith("reset_connections refresh_credentials |")
    found = Knowledge(store).trials("connection_failures")
    seen = sorted((each.remedy, each.verdict, each.share, each.circumstances == HERE) for each in found)
    assert seen == [
        ("refresh_credentials", Verdict.FAILS, 1.0, True),
        ("reset_connections", Verdict.FAILS, 1.0, True),
        ("reset_connections", Verdict.WORKS, 1.0, True),
    ]
    assert all(each.cost_seconds > 0 for each in found)
    assert Knowledge(store).trials("slow_queries") == []


@pytest.mark.postgres
def test_several_remedies_share_a_success_and_waiting_is_one_too(responder: Responder, store: Engine) -> None:
    episode(responder, store, "r1", fails=1)
    assert [(each.remedy, each.share) for each in Knowledge(store).trials()] == [
        ("reset_connections", 0.5), ("refresh_credentials", 0.5),
    ]  # fmt: skip
    away = replace(FAULT, fault_class="external_api_failure")
    task_try = TaskTry(dag_id="load", run_id="r2", task_id="feed", try_number=1)
    responder.respond(away, task_try, Impact(domain="market"), has_try_left=True)
    StrikeBook(store, responder.patterns).succeeded(replace(task_try, try_number=2))
    assert [each.remedy for each in Knowledge(store).trials("external_api_failure")] == [WAITING]


@pytest.mark.postgres
def test_a_remedy_that_proved_itself_is_tried_alone_and_first(responder: Responder, store: Engine) -> None:
    knowledge = Knowledge(store)
    knowledge.teach(
        "connection_failures", "refresh_credentials", Verdict.WORKS, note="rotated nightly", taught_by="ann"
    )
    (told,) = episode(responder, store, "r1", fails=1)
    assert told.startswith("refresh_credentials | ")
    assert "refresh_credentials has helped before (at least" in told


@pytest.mark.postgres
def test_a_harmful_remedy_does_not_run_until_the_lesson_is_withdrawn(responder: Responder, store: Engine) -> None:
    knowledge = Knowledge(store)
    lesson = knowledge.teach(
        "connection_failures", "reset_connections", Verdict.HARMFUL, note="ends the nightly export", taught_by="ann"
    )
    (told,) = episode(responder, store, "r1", fails=1)
    assert told.startswith("refresh_credentials |")
    assert "what is known to fail is left out" in told
    knowledge.withdraw(lesson, by="bob", because="the export has a login of its own now")
    (told,) = episode(responder, store, "r2", fails=1)
    assert told.startswith("reset_connections")
    with pytest.raises(ConfigError, match="no such lesson"):
        knowledge.withdraw(lesson, by="bob", because="again")
    (row,) = knowledge.lessons("connection_failures")
    assert (row["withdrawn_by"], row["note"]) == ("bob", "ends the nightly export")


@pytest.mark.postgres
def test_the_outcome_of_a_strike_can_be_corrected(responder: Responder, store: Engine) -> None:
    episode(responder, store, "r1", fails=1)
    knowledge = Knowledge(store)
    number = int(Strikes(store).latest(1)[0]["id"])
    knowledge.correct(number, "reset_connections", Verdict.FAILS, note="the server was up again", taught_by="ann")
    found = {each.remedy: each.verdict for each in knowledge.trials()}
    assert found == {"reset_connections": Verdict.FAILS, "refresh_credentials": Verdict.WORKS}
    for strike, remedy in ((number, "analyze_tables"), (number + 99, "reset_connections")):
        with pytest.raises(ConfigError, match="cannot be corrected"):
            knowledge.correct(strike, remedy, Verdict.WORKS, note="no", taught_by="ann")


@pytest.mark.postgres
def test_knowledge_that_cannot_be_read_costs_no_strike(responder: Responder, store: Engine) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE groundwork.lesson RENAME TO away")
    (told,) = episode(responder, store, "r1", fails=1)
    assert told.startswith("reset_connections refresh_credentials |")
