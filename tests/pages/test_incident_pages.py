"""The pages about incidents: filled from a real store, and what a real Airflow lets whom do on them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.schema import DropTable

from groundwork.model.fault import Answer, StrikeAction
from groundwork.model.incident import Severity
from groundwork.pages import render
from groundwork.pages.incident_view import ChosenList
from groundwork.pages.incidents import open_incidents
from groundwork.pages.incidents_page import PAGE_SIZE, collect_incident, collect_incidents
from groundwork.pages.sources import Sources
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.incident_table import INCIDENT
from groundwork.store.migrate import migrate
from groundwork.store.strike import STRIKE
from tests.fix_postgres import Database
from tests.pages import seed
from tests.pages.fix_server import PROJECT, Server

pytestmark = pytest.mark.postgres
_CONTRACTS = PROJECT / "governance" / "contracts"
_REVIEW = {"what_happened": "it fell over", "cause": "the disk", "changed": "a bigger disk"}


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def _sources(store: Engine) -> Sources:
    return Sources(store=lambda: store, warehouse=lambda: store, contracts=_CONTRACTS)


def everybody(_: str) -> bool:
    return True


def nobody(_: str) -> bool:
    return False


def html(template: str, page: object) -> str:
    return render.page(template, base="/groundwork", version="1", domain_names=("market",), page=page)


def listed(store: Engine, may_see: object = everybody) -> str:
    return html("incidents.html", collect_incidents(_sources(store), may_see))


def shown(store: Engine, known: uuid.UUID, *, can_act: bool = True) -> str:
    page = collect_incident(store, str(known), everybody, can_act=can_act)
    assert page is not None
    return html("incident.html", page)


def test_before_anything_happened_nobody_is_needed(store: Engine) -> None:
    made = listed(store)
    for words in ("No incident is open.", "No incident was closed yet.", "No task was struck."):
        assert words in made


def test_the_worst_comes_first_and_what_is_over_shows_how_long_it_took(store: Engine) -> None:
    incidents = Incidents(store)
    for name, severity in (("unknown", Severity.LOW), ("slow_queries", Severity.CRITICAL)):
        seed.incident(store, name, severity)
    over = seed.incident(store, "worker_lost", Severity.CRITICAL)
    incidents.resolve(over, "mended", "orbt")
    page = collect_incidents(_sources(store), everybody)
    assert page.lists.content is not None
    assert [each.severity for each in page.lists.content.waiting.lines] == ["critical", "low"]
    assert [each.needs_review for each in page.lists.content.over.lines] == [True]
    assert page.lists.content.unreviewed == 1
    made = listed(store)
    assert f'href="/groundwork/ui/incidents/{over}"' in made
    assert "review open" in made


def test_one_incident_shows_report_strikes_evidence_and_links(store: Engine) -> None:
    made = shown(store, seed.incident(store))
    for words in (
        "Prices of today are missing.", "read by dbt exposure data_api", "market-data", "pool dropped",
        "one session ended", "the third strike", "Is the server up?",
        "/dags/data_foundation/runs/manual__2026-11-21T02%3A12%3A44.123456%2B00%3A00/tasks/data_integration.load",
    ):  # fmt: skip
        assert words in made
    assert "gone &lt;script&gt;" in made, "text of an error is never markup"
    assert "<script>" not in made.replace('<script src="', "")


@pytest.mark.parametrize(
    ("answer", "stage", "has", "has_not"),
    [
        (
            None,
            "open",
            ["I look at it", 'value="retry"', 'value="silence"'],
            ['value="skip"', "Keep the review", "Open again"],
        ),
        ("acknowledged", "open", ['value="retry"'], ["I look at it"]),
        ("retry", "answered", ["Close by hand"], ['value="retry"', "Keep the review", "Open again"]),
        ("resolved", "resolved", ["Keep the review", "Open again"], ['value="retry"', "Close by hand"]),
        ("reviewed", "resolved", ["Open again"], ['value="retry"', "Close by hand", "Keep the review"]),
    ],
)
def test_what_can_be_done_depends_on_the_stage(
    store: Engine, answer: str | None, stage: str, has: list[str], has_not: list[str]
) -> None:
    incidents, known = Incidents(store), seed.incident(store)
    if answer == "acknowledged":
        incidents.acknowledge(known, "person:ann")
    elif answer in ("resolved", "reviewed"):
        incidents.resolve(known, "mended", "orbt")
        if answer == "reviewed":
            incidents.review(known, _REVIEW, "person:ann")
    elif answer is not None:
        incidents.answer(known, Answer(answer), "person:ann")
    assert incidents.get(known)["state"] == stage
    made, read_only = shown(store, known), shown(store, known, can_act=False)
    assert all(words in made for words in has)
    assert not any(words in made for words in has_not)
    assert "Add the comment" in made, "in every stage"
    assert "<form" not in read_only


def test_what_was_offered_in_airflow_is_offered_here(store: Engine) -> None:
    known = seed.incident(store)
    told = {"answers": ["run_remedy", "skip"], "remedies": ["analyze_tables"], "alternatives": []}
    Incidents(store).progress(known, "offered", told)
    made = shown(store, known)
    assert "<option>analyze_tables</option>" in made
    assert 'value="skip"' in made
    assert 'value="retry"' not in made


def test_incidents_of_dags_that_somebody_may_not_see_are_not_there(store: Engine) -> None:
    known = seed.incident(store)
    assert str(known) not in listed(store, nobody)
    assert collect_incident(store, str(known), nobody, can_act=True) is None
    assert collect_incident(store, "no-uuid", everybody, can_act=True) is None
    assert collect_incident(store, str(uuid.uuid4()), everybody, can_act=True) is None


def test_without_a_store_the_page_says_so(store: Engine) -> None:
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/nothing")
    made = listed(nowhere)
    assert "store does not answer" in made
    assert made.count("unknown") == 4, "every tile"
    for words in ("nobody is needed", "nothing mended", "none under way", "none is owed", "No incident", "No task"):
        assert words not in made


def test_what_cannot_be_read_is_told(store: Engine) -> None:
    with store.begin() as connection:
        connection.execute(DropTable(INCIDENT))
    made = listed(store)
    assert "Its tables do not exist yet." in made
    assert made.count("unknown") == 4, "every tile"


def test_among_many_the_worst_is_seen_and_all_are_counted_and_reached(store: Engine) -> None:
    worst = seed.incident(store, severity=Severity.CRITICAL)
    seed.alike_incidents(store, PAGE_SIZE + 20)
    seed.alike_incidents(store, 3, affected=[], fault_class="slow_queries", state="resolved")
    made = listed(store)
    assert made.index(str(worst)) < made.index("<td>Unknown</td>")
    assert ">71</p>" in made
    assert "and 21 more" in made
    reached = set()
    for number in (1, 2, 99):
        page = collect_incidents(_sources(store), everybody, ChosenList(name="waiting", page=number))
        assert page.lists.content is not None
        assert page.lists.content.waiting.page == min(number, 2), "behind the last page is the last page"
        assert page.lists.content.over.total == 3
        reached |= {each.id for each in page.lists.content.waiting.lines}
    assert len(reached) == 71
    assert "51 to 71 of 71" in html("incidents.html", page)
    told = open_incidents(store)
    assert (told.total, told.worst[0].id) == (71, str(worst))


def test_what_somebody_may_not_see_is_not_counted_either(store: Engine) -> None:
    seed.alike_incidents(store, 4)
    seed.alike_incidents(store, 2, affected=[])
    page = collect_incidents(_sources(store), nobody)
    assert page.lists.content is not None
    assert (page.lists.content.waiting.total, len(page.lists.content.waiting.lines)) == (2, 2)
    told = open_incidents(store, nobody)
    assert (told.total, len(told.worst)) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (Answer.IGNORE, "It closes when that is done."),
        (Answer.MARK_RESOLVED, "It closes when that is done."),
        (Answer.RETRY, "It closes by itself when every task instance has succeeded."),
        (Answer.SILENCE, "It closes when the silence is over"),
    ],
    ids=str,
)
def test_an_answered_incident_says_how_it_closes(store: Engine, answer: Answer, ending: str) -> None:
    incidents, known = Incidents(store), seed.incident(store)
    incidents.answer(known, answer, "person:ann")
    made = shown(store, known)
    assert f"The answer is not carried out yet. {ending}" in made
    incidents.progress(known, "done", "what was done")
    made = shown(store, known)
    assert "not carried out yet" not in made
    assert ending in made


def test_while_its_tasks_try_on_the_page_says_what_answers_mean(store: Engine) -> None:
    known = seed.incident(store)
    assert "try on by themselves" not in shown(store, known)
    with store.begin() as connection:
        connection.execute(STRIKE.update().values(action=StrikeAction.ASK_AND_RETRY))
    assert "Its tasks try on by themselves while you are asked" in shown(store, known)
    Incidents(store).answer(known, Answer.IGNORE, "person:ann")
    assert "try on by themselves" not in shown(store, known)


@pytest.mark.airflow
@pytest.mark.slow
def test_who_may_do_what_in_airflow(airflow_server: Server) -> None:
    known = seed.incident(airflow_server.store, "unknown", Severity.CRITICAL)
    path = f"/groundwork/ui/incidents/{known}"
    with airflow_server.client() as anonymous:
        assert anonymous.post(path, data={"action": "acknowledge"}).status_code in (307, 401)
    for role, may in (("viewer", False), ("user", True), ("op", True), ("admin", True)):
        with airflow_server.client(role) as client:
            read = client.get(path)
            assert read.status_code == 200
            assert ("<form" in read.text) is may
            if not may:
                assert client.post(path, data={"action": "acknowledge"}).status_code == 403
            assert client.get("/groundwork/ui/incidents").status_code == 200
            assert client.get("/groundwork/ui/incidents?show=over&page=2").status_code == 200
            assert client.get("/groundwork/ui/incidents?show=everything").status_code == 422
            assert client.get("/groundwork/ui/incidents?page=0").status_code == 422
            assert client.get("/groundwork/ui/incidents/none").status_code == 404
    assert Incidents(airflow_server.store).get(known)["acknowledged_at"] is None
    with airflow_server.client("user") as client:
        assert _told(client.post(path, data={"action": "acknowledge"})) == "acknowledged"
        assert _told(client.post(path, data={"action": "acknowledge"})) == "late"
        assert client.post(path, data={"action": "answer", "answer": "panic"}).status_code == 422
        assert client.post(path, data={"action": "answer", "answer": "silence", "hours": "-3"}).status_code == 400
        assert client.post(path, data={"action": "answer", "answer": "run_remedy", "remedy": "x"}).status_code == 400
        assert client.post(path, data={"action": "review", **_REVIEW}).headers["location"].endswith("late")
        assert _told(client.post(path, data={"action": "answer", "answer": "mark_resolved"})) == "answered"
        assert _told(client.post(path, data={"action": "resolve", "because": "by hand"})) == "resolved"
        assert client.post(path, data={"action": "review", "cause": "only this"}).status_code == 400
        assert _told(client.post(path, data={"action": "review", **_REVIEW})) == "reviewed"
        assert "a bigger disk" in client.get(path).text
        assert (
            client.post(f"/groundwork/ui/incidents/{uuid.uuid4()}", data={"action": "acknowledge"}).status_code == 404
        )
    actions = {row["action"]: row["actor"] for row in AuditTrail(airflow_server.store).latest()}
    assert actions["incident_reviewed"] == "person:user"


@pytest.mark.airflow
@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "OWN", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "OWN.evil.example"}, 403),
        ({"Origin": "OWN", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "OWN"}, 303),
    ],
)
def test_a_cookie_counts_only_from_a_page_of_our_own(
    airflow_server: Server, headers: Mapping[str, str], status: int
) -> None:
    known = seed.incident(airflow_server.store, "programming_error")
    sent = {name: value.replace("OWN", airflow_server.url) for name, value in headers.items()}
    sent["Cookie"] = f"_token={airflow_server.token('user')}"
    with airflow_server.client() as client:
        done = client.post(f"/groundwork/ui/incidents/{known}", data={"action": "acknowledge"}, headers=sent)
    assert done.status_code == status
    is_done = Incidents(airflow_server.store).get(known)["acknowledged_at"] is not None
    Incidents(airflow_server.store).resolve(known, "the test is over", "test")
    assert is_done is (status == 303)


def _told(answer: object) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("told=")[2]
