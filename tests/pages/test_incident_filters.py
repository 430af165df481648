"""The page Incidents narrowed by its address: what is listed, counted, kept on the way, and told to nobody."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, create_engine

from groundwork.model.fault import Answer
from groundwork.model.incident import Severity, Stage
from groundwork.pages import render
from groundwork.pages.incident_query import IncidentQuery
from groundwork.pages.incident_view import ChosenList, IncidentLists, IncidentsPage
from groundwork.pages.incidents_page import PAGE_SIZE, collect_incidents
from groundwork.pages.sources import Sources
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.pages import seed
from tests.pages.fix_server import PROJECT, Server

pytestmark = pytest.mark.postgres
HOSTILE = "\"><script>alert('x')</script>&page=9"


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def page_of(store: Engine, may_see: Any = lambda _: True, **chosen: Any) -> IncidentsPage:
    sources = Sources(store=lambda: store, warehouse=lambda: store, contracts=PROJECT / "governance" / "contracts")
    return collect_incidents(sources, may_see, ChosenList(**chosen))


def lists_of(page: IncidentsPage) -> IncidentLists:
    assert page.lists.content is not None
    return page.lists.content


def html(page: IncidentsPage) -> str:
    return render.page("incidents.html", base="/groundwork", version="1", domain_names=("market",), page=page)


def test_lists_and_counts_are_narrowed_together(store: Engine) -> None:
    seed.alike_incidents(store, 3, Severity.LOW)
    worst = seed.incident(store, "slow_queries", Severity.CRITICAL)
    answered = seed.incident(store, "worker_lost", Severity.CRITICAL)
    Incidents(store).answer(answered, Answer.RETRY, "person:ann")
    page = page_of(store, severity=Severity.HIGH)
    lists = lists_of(page)
    assert [each.id for each in lists.waiting.lines] == [str(worst)]
    assert (lists.waiting.total, lists.answered.total, lists.over.total) == (1, 1, 0)
    assert lists.of is not None
    assert (lists.of.open, lists.of.answered) == (4, 1)
    assert '1<span class="of"> of 4</span>' in html(page)
    for chosen, waiting, others in (
        ({"stage": Stage.ANSWERED}, 0, 1),
        ({"stage": Stage.OPEN, "fault_class": "unknown"}, 3, 0),
        ({"dag": "data_foundation", "owner": "market-data", "domain": "market"}, 4, 1),
        ({"owner": "market"}, 0, 0),
    ):
        lists = lists_of(page_of(store, **chosen))
        assert (lists.waiting.total, lists.answered.total) == (waiting, others)
        assert (len(lists.waiting.lines), len(lists.answered.lines)) == (waiting, others)


def test_nobody_reads_that_nothing_waits_because_the_lists_are_narrowed(store: Engine) -> None:
    seed.incident(store)
    made = html(page_of(store, fault_class="slow_queries"))
    assert "None of those chosen is open." in made
    assert "No incident is open." not in made
    assert "nobody is needed" not in made
    assert "No incident is open." in html(page_of(create_empty(store), fault_class="slow_queries"))


def create_empty(store: Engine) -> Engine:
    for row in Incidents(store).latest():
        Incidents(store).resolve(row["id"], "mended", "orbt")
    return store


def test_pages_keep_what_narrows_them_and_the_worst_stays_first(store: Engine) -> None:
    seed.alike_incidents(store, PAGE_SIZE + 7, Severity.MEDIUM)
    seed.alike_incidents(store, 5, Severity.LOW, fault_class="slow_queries")
    worst = seed.incident(store, "unknown", Severity.CRITICAL)
    first = page_of(store, fault_class="unknown")
    assert lists_of(first).waiting.lines[0].id == str(worst)
    assert 'href="/groundwork/ui/incidents?show=waiting&amp;page=2&amp;class=unknown">and 8 more' in html(first)
    second = page_of(store, name="waiting", page=2, fault_class="unknown")
    made = html(second)
    assert "51 to 58 of 58" in made
    assert 'href="/groundwork/ui/incidents?show=waiting&amp;page=1&amp;class=unknown" rel="prev"' in made
    assert '<input type="hidden" name="show" value="waiting">' in made
    assert {each.fault_class for each in lists_of(second).waiting.lines} == {"unknown"}


def test_the_form_offers_what_there_is_and_shows_what_was_asked(store: Engine) -> None:
    seed.incident(store)
    page = page_of(store, owner=HOSTILE, severity=Severity.HIGH)
    fields = {field.name: field for field in page.fields}
    assert fields["dag"].options == ("data_foundation",)
    assert fields["class"].options == ("connection_failures",)
    assert fields["stage"].options == tuple(Stage)
    assert fields["owner"].options == ("market-data", HOSTILE), "though it is nobody's"
    made = html(page)
    assert '<option value="high" selected>High</option>' in made
    assert "<script>alert" not in made


def test_what_narrows_goes_into_addresses_as_one_value(store: Engine) -> None:
    seed.alike_incidents(store, PAGE_SIZE + 1)
    address = ChosenList(owner=HOSTILE).address("over", 3)
    assert address.count("&") == 2
    assert address.startswith("?show=over&page=3&owner=%22%3E%3Cscript%3E")
    assert ChosenList().address(None) == ""


def test_of_dags_that_somebody_may_not_see_nothing_is_offered_or_told(store: Engine) -> None:
    seed.incident(store)
    seed.alike_incidents(store, 2, affected=[], assessment={})
    page = page_of(store, lambda _: False, dag="data_foundation")
    lists = lists_of(page)
    assert (lists.waiting.total, lists.of) == (0, Incidents(store).tally(_nothing_seen()))
    fields = {field.name: field for field in page.fields}
    assert fields["dag"].options == ("data_foundation",), "only because it was asked for"
    assert (fields["owner"].options, fields["class"].options) == ((), ("unknown",))
    assert {field.name: field.options for field in page_of(store, lambda _: False).fields}["dag"] == ()


def _nothing_seen() -> Any:
    from groundwork.store.incident_list import IncidentFilter

    return IncidentFilter(dags=[])


def test_without_a_store_the_form_is_there_and_claims_nothing(store: Engine) -> None:
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/nothing")
    made = html(page_of(nowhere, dag="data_foundation"))
    assert '<option value="data_foundation" selected>' in made
    assert made.count("unknown") == 4
    assert "None of those chosen" not in made


@pytest.mark.parametrize(
    "asked",
    [{"stage": "asleep"}, {"severity": "awful"}, {"page": "0"}, {"show": "all"}, {"dag": "x" * 251}, {"class": "a\0b"}],
    ids=str,
)
def test_an_address_that_makes_no_sense_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        IncidentQuery.model_validate(asked)


def test_empty_fields_of_the_form_mean_all() -> None:
    asked = dict.fromkeys(["show", "stage", "severity", "class", "domain", "dag", "owner"], "")
    assert IncidentQuery.model_validate(asked).chosen() == ChosenList()


@pytest.mark.airflow
@pytest.mark.slow
def test_the_address_narrows_in_airflow(airflow_server: Server) -> None:
    known = seed.incident(airflow_server.store, "disk_full", Severity.CRITICAL)
    path = "/groundwork/ui/incidents"
    with airflow_server.client("viewer") as client:
        assert str(known) in client.get(f"{path}?class=disk_full&severity=high&stage=&owner=&dag=&domain=market").text
        assert str(known) not in client.get(f"{path}?class=unknown").text
        for wrong in ("stage=asleep", "severity=awful", "dag=%00", "owner=" + "x" * 251):
            assert client.get(f"{path}?{wrong}").status_code == 422
    Incidents(airflow_server.store).resolve(known, "the test is over", "test")
