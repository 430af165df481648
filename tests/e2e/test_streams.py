"""A change in a source table wakes a Dag of a running Airflow, and arrives, by either way of capture."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from psycopg import sql

from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.capture.event import Way
from groundwork.local.databases import WAREHOUSE
from tests.e2e.fix_workshop import STREAMS, Workshop, wait
from tests.flow.capture.shop import SOURCE

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_REPLICATOR = "replicator"
_DAGS = {way: f"stream_by_{way}_{connection}" for way, connection in STREAMS.items()}


@pytest.fixture(scope="module")
def source(workshop: Workshop) -> Iterator[Workshop]:
    """Tables of a shop that two streams follow; one of them with a login that may read the server's log."""
    _allow_replication(workshop)
    workshop.run(*(statement for statement in SOURCE.split(";\n") if statement.strip()))
    for way in STREAMS:
        domain = read_domain(f"by_{way}", workshop.project / "governance" / "contracts")
        workshop.run(*(made.sql for made in statements(domain)))
    workshop.run("INSERT INTO origin.customer VALUES (1, 'a@x.org', 'DE', now(), NULL)")
    with workshop.dag_files("streams.py", "stream_errors.py"):
        yield workshop
        for dag_id in _DAGS.values():
            workshop.pause(dag_id)


def _allow_replication(workshop: Workshop) -> None:
    """A role that reads the log of what the warehouse's owner owns, and its Airflow connection."""
    stack = workshop.stack
    password = stack.layout.secret(_REPLICATOR)
    role = sql.Identifier(_REPLICATOR)
    with stack.deployment.server(stack.ports).connect(WAREHOUSE) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD {}").format(role, sql.Literal(password)))
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(WAREHOUSE), role))
    known = json.loads(stack.layout.connections.read_text(encoding="utf-8"))
    known[STREAMS[Way.LOG]] = {**known["warehouse"], "login": _REPLICATOR, "password": password}
    stack.layout.connections.write_text(json.dumps(known), encoding="utf-8")


def _wait_for_emails(workshop: Workshop, expected: list[str]) -> None:
    def have_arrived() -> bool:
        queries = (f"SELECT email FROM by_{way}.customers ORDER BY customer_id" for way in STREAMS)
        return all(workshop.values(query) == expected for query in queries)

    wait(have_arrived, lambda: f"{expected} ({_runs(workshop)})")


def _runs(workshop: Workshop) -> dict[str, list[tuple[str, str]]]:
    """Kind and state of the runs of each stream's Dag."""
    return {dag_id: [(each["run_type"], each["state"]) for each in workshop.runs(dag_id)] for dag_id in _DAGS.values()}


def test_a_change_wakes_the_dags_and_arrives_both_ways(source: Workshop) -> None:
    wait(lambda: all(map(source.is_active, _DAGS.values())), "the Dags")
    for dag_id in _DAGS.values():
        source.pause(dag_id, is_paused=False)
    _wait_for_emails(source, ["a@x.org"])

    def are_quiet() -> bool:
        return all({state for _, state in runs} == {"success"} for runs in _runs(source).values())

    wait(are_quiet, "the end of the first runs")
    before = _runs(source)
    source.run(
        "UPDATE origin.customer SET mail = 'b@x.org'",
        "INSERT INTO origin.customer VALUES (2, 'c@x.org', 'FR', now(), NULL)",
    )
    _wait_for_emails(source, ["b@x.org", "c@x.org"])
    for dag_id, runs in _runs(source).items():
        assert len(runs) > len(before[dag_id])
        assert "asset_triggered" in {kind for kind, _ in runs}


def test_the_streams_are_told_of_with_their_ways(source: Workshop) -> None:
    told = source.stack.command("capture", "status", "--json")
    assert told.returncode == 0, told.stderr
    streams = {each["stream"]: (each["way"], each["rows_behind"]) for each in json.loads(told.stdout)}
    assert streams["by_outbox.warehouse"] == ("outbox", 0)
    assert streams["by_log.warehouse_log"][0] == "log"
    page = source.page("/ui")
    assert all(name in page for name in streams)
