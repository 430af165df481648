"""The page `Knowledge`: patterns, success rates with their uncertainty, trials and lessons, for who may see them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Circumstances, Fault, Impact, RemedyResult, Strike, StrikeAction, TaskTry
from groundwork.model.knowledge import Verdict
from groundwork.pages import render
from groundwork.pages.charts import interval_bar
from groundwork.pages.health_page import collect_health
from groundwork.pages.health_view import HealthPage
from groundwork.pages.knowledge_page import collect_knowledge
from groundwork.pages.knowledge_view import Chosen, KnowledgePage
from groundwork.pages.sources import Sources
from groundwork.store.base import utc_now
from groundwork.store.knowledge import Knowledge
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database
from tests.pages.fix_server import OUTSIDER, PROJECT, Server

pytestmark = pytest.mark.postgres
CONTRACTS = PROJECT / "governance" / "contracts"
ERROR = "server closed the <b>connection</b> unexpectedly"
CLASS = "connection_failures"


def tried(store: Engine, count: int, remedy: str, *, is_healed: bool, table: str = "market.prices") -> None:
    """So many strikes that the remedy healed, or did not."""
    for number in range(count):
        task_try = TaskTry(dag_id="load", run_id=f"{remedy} {table} {number}", task_id="t", try_number=1)
        strike = Strike(
            task_try=task_try,
            fault=Fault(fault_class=CLASS, exception="psycopg.OperationalError", message=ERROR),
            impact=Impact(domain="market"),
            number=1,
            action=StrikeAction.RETRY,
            reason="r",
            at=utc_now(),
            delay_seconds=10,
            remedies=(RemedyResult(remedy=remedy, is_done=True, report="done", seconds=2.0),),
            circumstances=Circumstances(table=table),
        )
        Strikes(store).record(strike)
        if is_healed:
            Strikes(store).healed(task_try)
        else:
            again = TaskTry(dag_id="load", run_id=task_try.run_id, task_id="t", try_number=2)
            Strikes(store).record(Strike(**{**vars(strike), "task_try": again, "action": StrikeAction.ASK_PERSON}))


def fill(store: Engine) -> None:
    """A remedy that is proven, one that fails, one that does harm, and a lesson that was withdrawn."""
    tried(store, 30, "reset_connections", is_healed=True)
    tried(store, 40, "refresh_credentials", is_healed=False, table="market.orders")
    book = Knowledge(store)
    book.teach("slow_queries", "analyze_tables", Verdict.HARMFUL, note="it locks <i>the</i> table", taught_by="cli:ann")
    lesson = book.teach(CLASS, "reset_connections", Verdict.FAILS, note="not at night", taught_by="cli:bob")
    book.withdraw(lesson, by="cli:bob", because="it was the network")


@pytest.fixture
def sources(database: Database) -> Sources:
    migrate(database.engine)
    return Sources(store=lambda: database.engine, warehouse=lambda: database.engine, contracts=CONTRACTS)


def collect(sources: Sources, *, sees: bool = True, **chosen: str) -> KnowledgePage:
    return collect_knowledge(sources, Chosen(**chosen), lambda _: sees)


def html(page: KnowledgePage | HealthPage, template: str = "knowledge.html") -> str:
    return render.page(template, base="/groundwork", version="1", domain_names=("market",), page=page)


def test_before_anything_was_tried_the_patterns_are_there(sources: Sources) -> None:
    made = html(collect(sources))
    for words in ("Nothing was tried here yet.", "No strike has ended yet.", "groundwork knowledge teach"):
        assert words in made
    assert made.count("<code>wait_and_retry</code>") >= 1
    for words in ("Connection failures", "<code>08*</code>", "<code>reset_connections</code>", "persistent connection"):
        assert words in made


def test_remedies_carry_their_bounds_and_marks(sources: Sources, database: Database) -> None:
    fill(database.engine)
    page = collect(sources)
    assert page.remedies.content is not None
    found = {each.name: each for each in page.remedies.content}
    proven, failing, harmful = (found[name] for name in ("reset_connections", "refresh_credentials", "analyze_tables"))
    assert (proven.mark, failing.mark, harmful.mark) == ("proven", "fails", "harmful")
    assert (proven.count, failing.count) == (30, 40)
    assert 0.5 < proven.low < proven.rate == pytest.approx(proven.high)
    assert 0.0 == failing.rate < failing.high < 0.25
    assert [proven.is_anti_pattern, failing.is_anti_pattern, harmful.is_anti_pattern] == [False, True, True]
    made = html(page)
    for words in ("Anti-pattern: does harm", "Anti-pattern: fails", "Proven", "Withdrawn: it was the network"):
        assert words in made
    assert "server closed the &lt;b&gt;connection" in made
    assert "<b>connection" not in made
    assert "it locks &lt;i&gt;" in made


def test_class_and_table_narrow_it(sources: Sources, database: Database) -> None:
    fill(database.engine)
    page = collect(sources, pattern=CLASS, table="market.orders")
    assert page.remedies.content is not None
    assert page.trials.content is not None
    assert page.patterns.content is not None
    assert [each.name for each in page.remedies.content] == ["refresh_credentials"]
    assert {each.where for each in page.trials.content} == {"market.orders"}
    assert [each.name for each in page.patterns.content] == [CLASS]
    assert page.tables == ("market.orders", "market.prices")
    assert collect(sources, pattern="nonsense").chosen.pattern is None
    assert collect(sources, table="no.such").remedies.content is None


def test_errors_are_shown_to_readers_of_their_dag_only(sources: Sources, database: Database) -> None:
    fill(database.engine)
    made = html(collect(sources, sees=False))
    assert "unexpectedly" not in made
    assert "shown to readers of its Dag" in made


def test_a_store_that_is_away_leaves_the_patterns(tmp_path: Path) -> None:
    def away() -> Engine:
        raise ConfigError("Airflow has no connection `groundwork_store`", next_step="airflow connections add …")

    page = collect(Sources(store=away, warehouse=away, contracts=CONTRACTS))
    made = html(page)
    assert "Airflow has no connection" in made
    assert "Connection failures" in made
    broken = tmp_path / "contracts"
    nothing = html(collect(Sources(store=away, warehouse=away, contracts=broken)))
    assert "There are no error patterns" in nothing


def test_files_that_cannot_be_read_are_told_and_the_others_shown(sources: Sources, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "governance", tmp_path / "governance")
    for name in ("patterns/connection_failures.yaml", "policies/breakers.yaml"):
        with (tmp_path / "governance" / name).open("a", encoding="utf-8") as file:
            file.write("<b>x</b>: 1\n")
    mistyped = replace(sources, contracts=tmp_path / "governance" / "contracts")
    page, health = collect(mistyped), collect_health(mistyped, lambda _: True)
    assert len(page.policies) == 2
    assert health.policies == page.policies
    made = html(page)
    assert "This error pattern cannot be read: governance/patterns/connection_failures.yaml:" in made
    assert "This policy cannot be read: governance/policies/breakers.yaml:" in made
    assert "breakers.yaml:" in html(health, "health.html")
    assert str(tmp_path) not in made
    assert "<b>x" not in made
    assert "Slow queries" in made
    assert "Connection failures" not in made
    assert collect(sources).policies == ()


def test_the_bar_stays_within_its_picture() -> None:
    made = interval_bar(0.0, 1.0, 0.5, 'a "label" <x>', width=100, height=10)
    assert 'x1="5.0" x2="95.0"' in made
    assert 'cx="50.0"' in made
    assert "&#34;label&#34; &lt;x&gt;" in made


@pytest.mark.airflow
@pytest.mark.slow
def test_the_server_shows_it_to_who_may_see_our_pages(airflow_server: Server) -> None:
    fill(airflow_server.store)
    with airflow_server.client("viewer") as client:
        answer = client.get("/groundwork/ui/knowledge", params={"pattern": CLASS})
        assert answer.status_code == 200
        assert "reset_connections" in answer.text
    with airflow_server.client(OUTSIDER) as client:
        assert client.get("/groundwork/ui/knowledge").status_code == 403
    with airflow_server.client() as client:
        assert client.get("/groundwork/ui/knowledge").status_code in {302, 307}
