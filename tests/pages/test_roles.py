"""Who may see the pages, asked of a real Airflow API server."""

from __future__ import annotations

import pytest

from groundwork.pages.assets import HEADERS
from tests.pages.fix_server import OUTSIDER, ROLES, Server

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]
PAGES = ("/ui", "/ui/domains/market", "/ui/reports/latest", "/api/overview")
FILES = ("/static/groundwork.css", "/static/groundwork.js", "/static/icon.svg")


@pytest.mark.parametrize("path", [*PAGES, *FILES, "/", "/ui/runs/any", "/ui/domains/none", "/static/none.css"])
def test_nobody_sees_anything(airflow_server: Server, path: str) -> None:
    with airflow_server.client() as anonymous:
        answer = anonymous.get(f"/groundwork{path}", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}


def test_people_are_sent_to_log_in(airflow_server: Server) -> None:
    with airflow_server.client() as anonymous:
        answer = anonymous.get("/groundwork/ui/domains/market?x=1")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/auth/login?next=%2Fgroundwork%2Fui%2Fdomains%2Fmarket%3Fx%3D1"


@pytest.mark.parametrize("role", ROLES)
def test_every_role_reads(airflow_server: Server, role: str) -> None:
    with airflow_server.client(role) as client:
        answers = {path: client.get(f"/groundwork{path}") for path in (*PAGES, *FILES)}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert "Groundwork" in answers["/ui"].text


@pytest.mark.parametrize("path", [*PAGES, *FILES, "/ui/runs/any"])
def test_who_may_not_see_the_dag_sees_none_of_its_evidence(airflow_server: Server, path: str) -> None:
    with airflow_server.client(OUTSIDER) as client:
        answer = client.get(f"/groundwork{path}")
    assert answer.status_code == 403
    assert "market" not in answer.text.lower()
    assert ("reading access to the Dag" in answer.text) == path.startswith("/ui")


def test_the_cookie_of_the_ui_counts(airflow_server: Server) -> None:
    with airflow_server.client() as client:
        answer = client.get("/groundwork/ui", headers={"Cookie": f"_token={airflow_server.token('viewer')}"})
    assert answer.status_code == 200


def test_a_forged_token_is_refused(airflow_server: Server) -> None:
    head, payload, signature = airflow_server.token("admin").split(".")
    forged = ".".join((head, payload, signature[::-1]))
    with airflow_server.client() as client:
        answer = client.get("/groundwork/ui", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 403
    assert "Groundwork" in answer.text
    assert "Phase" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_can_be_changed(airflow_server: Server, method: str, path: str) -> None:
    with airflow_server.client("admin") as client:
        assert client.request(method, f"/groundwork{path}").status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/static/../app.py", "/static/%2e%2e%2fapp.py"])
def test_nothing_else_is_served(airflow_server: Server, path: str) -> None:
    with airflow_server.client("admin") as client:
        assert client.get(f"/groundwork{path}").status_code == 404


@pytest.mark.parametrize("path", ["/ui", "/ui/domains/none", "/api/overview", "/static/groundwork.css"])
def test_every_answer_carries_the_headers(airflow_server: Server, path: str) -> None:
    with airflow_server.client("viewer") as client:
        answer = client.get(f"/groundwork{path}")
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_the_plugin_is_the_only_one_executed(airflow_server: Server) -> None:
    with airflow_server.client("admin") as client:
        answer = client.get("/api/v2/plugins").json()
        errors = client.get("/api/v2/plugins/importErrors").json()
    ours = [plugin for plugin in answer["plugins"] if plugin["source"].startswith("$PLUGINS_FOLDER")]
    assert [plugin["name"] for plugin in ours] == ["groundwork"]
    assert [view["url_route"] for view in ours[0]["external_views"]] == ["groundwork"]
    assert errors["total_entries"] == 0
