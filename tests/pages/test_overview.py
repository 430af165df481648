"""The overview from a real store and warehouse, in every state they can be in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.encoders import jsonable_encoder
from sqlalchemy import create_engine, event, text

from groundwork.model.vocabulary import Phase
from groundwork.pages import render
from groundwork.pages.overview import collect_overview
from groundwork.pages.sources import Sources
from groundwork.pages.view import Overview
from groundwork.pages.words import NOTHING
from groundwork.store.foundation import FoundationRuns
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.pages import seed

pytestmark = pytest.mark.postgres
CONTRACTS = Path(__file__).resolve().parents[2] / "governance" / "contracts"
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def sources(database: Database) -> Sources:
    """A migrated, empty store that is the warehouse too."""
    migrate(database.engine)
    return Sources(store=lambda: database.engine, warehouse=lambda: database.engine, contracts=CONTRACTS)


def html(overview: Overview) -> str:
    return render.page("overview.html", base="/groundwork", version="1", domain_names=("market",), overview=overview)


def test_before_the_first_run_it_says_how_to_start(sources: Sources) -> None:
    overview = collect_overview(sources)
    page = html(overview)
    assert overview.problems == ()
    assert "This domain&#39;s foundation has not been built yet." in page
    for words in (
        "9 tables",
        "No table has been measured yet",
        "not loaded yet",
        "No incident is open",
        "No report yet",
    ):
        assert words in page
    assert page.count("not reached") == len(Phase)


def test_a_successful_run_shows_every_criterion_with_its_evidence(sources: Sources, database: Database) -> None:
    seed.successful_run(database.engine)
    overview = collect_overview(sources)
    foundation = overview.domains[0].foundation.content
    assert foundation is not None
    assert (foundation.passed, foundation.criteria, foundation.failures) == (9, 9, ())
    page = html(overview)
    assert "all hold, with evidence" in page
    assert "DATA.MARKET.APIS_FUNCTIONAL.GROUNDWORK.20000.007" in page
    assert "/dags/data_foundation/runs/manual__2026-11-21T02%3A12%3A44.123456%2B00%3A00" in page
    assert 'role="alert"' not in page


def test_a_failed_gate_leads_with_cause_and_next_step(sources: Sources, database: Database) -> None:
    seed.failed_run(database.engine)
    page = html(collect_overview(sources))
    alert = page[page.index('role="alert"') : page.index('class="phases"')]
    assert "Not met: indexes optimized" in alert
    assert "2 of 18 patterns read the whole table" in alert
    assert "<code>stock_prices_price_date_idx</code> is missing" in alert
    assert "<code>groundwork compare-to-db market</code>" in alert
    assert page.count("not reached") == 2


def test_a_running_run_asks_the_browser_to_look_again_soon(sources: Sources, database: Database) -> None:
    seed.running_run(database.engine)
    page = html(collect_overview(sources))
    assert 'data-refresh="5"' in page
    assert "a run is under way" in page
    assert page.count("not reached") == 1


def test_evidence_of_an_earlier_try_is_not_shown_for_the_one_that_runs(sources: Sources, database: Database) -> None:
    seed.failed_run(database.engine)
    FoundationRuns(database.engine).start_phase(seed.RUN, Phase.SCHEMA_DESIGN)
    foundation = collect_overview(sources).domains[0].foundation.content
    assert foundation is not None
    assert foundation.run is not None
    assert foundation.run.state == "running"
    assert foundation.phases[0].state == "running"
    assert [criterion.state for criterion in foundation.phases[0].criteria] == ["pending"] * 3


def test_a_phase_that_its_run_left_open_counts_as_failed(sources: Sources, database: Database) -> None:
    seed.running_run(database.engine)
    FoundationRuns(database.engine).finish(seed.RUN, is_success=False)
    foundation = collect_overview(sources).domains[0].foundation.content
    assert foundation is not None
    assert [phase.state for phase in foundation.phases] == ["success", "failed", "pending"]


def test_every_block_shows_what_is_there(sources: Sources, database: Database) -> None:
    seed.everything(database.engine, database.engine)
    overview = collect_overview(sources)
    page = html(overview)
    for words in (
        *("12,153", "3 in quarantine", "Connection failures", "Prices of today are missing.", "oldest"),
        *("2 more", "<code>prices_of_one_ticker</code>", "2 of 3 columns", "the evidence demands restricted"),
        *("2 of 3 policy rules hold", "<code>masking</code>"),
    ):
        assert words in page
    assert {view.table: view.trend for view in overview.quality.content or ()} == {
        "dividend_aristocrats": (1.0, 0.97, 0.99, 1.0),
        "stock_prices": (1.0, 1.0, 1.0, 1.0),
    }
    assert page.count('class="sparkline"') == 2


def test_hostile_text_stays_text(sources: Sources, database: Database) -> None:
    seed.failed_run(database.engine, found=f"`{HOSTILE}` and {HOSTILE}")
    seed.report(database.engine, HOSTILE)
    seed.events(database.engine)
    page = html(collect_overview(sources))
    assert HOSTILE not in page
    assert "<code>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</code>" in page


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"calls": 300, "is_ok": True, "none": None}, ["<dt>Calls</dt><dd>300", "<dd>yes", f"<dd>{NOTHING}"]),
        ({"samples": [12, 9], "empty": []}, ["12; 9", "<dd>none"]),
        ({"rows": [{"n": 1, "name": "a"}, {"name": "b"}, "odd"]}, ['Name</th><th scope="col">N</th>']),
        ({"rows": [{"why": [{"rule": "type", "column": None}]}]}, [f"rule type, column {NOTHING}"]),
        ({"a": {"b": {"c": {"d": {"e": 1}}}}}, ["<dt>C</dt><dd>d e 1"]),
        ({"many": list(range(60))}, ["49 and 10 more"]),
        ({HOSTILE: [{HOSTILE: HOSTILE}]}, ["&lt;script&gt;"]),
    ],
)
def test_details_of_any_shape_are_readable(details: dict[str, object], expected: list[str]) -> None:
    template = '{% import "parts.html" as parts with context %}{{ parts.value(details) }}'
    made = render.environment().from_string(template).render(details=details, base="", airflow="", now=None)
    squeezed = " ".join(made.split()).replace("> ", ">").replace(" <", "<")
    assert [words for words in expected if words not in squeezed] == []
    assert HOSTILE not in squeezed


def test_an_empty_database_says_how_to_make_the_store(database: Database) -> None:
    overview = collect_overview(
        Sources(store=lambda: database.engine, warehouse=lambda: database.engine, contracts=CONTRACTS)
    )
    page = html(overview)
    assert "Groundwork&#39;s store is empty." in page
    assert "<code>groundwork up</code>" in page
    assert "9 tables" in page
    assert page.count("Not available, see above.") > 5


def test_databases_that_do_not_answer_are_told_without_their_address(sources: Sources) -> None:
    nowhere = create_engine("postgresql+psycopg://secretive:sesame@127.0.0.1:1/nothing")
    page = html(collect_overview(Sources(store=lambda: nowhere, warehouse=lambda: nowhere, contracts=CONTRACTS)))
    assert "Groundwork&#39;s store does not answer." in page
    assert "The warehouse does not answer." in page
    assert "9 tables" in page
    assert "not loaded yet" not in page
    for secret in ("secretive", "sesame", "127.0.0.1"):
        assert secret not in page


def test_without_the_warehouse_the_declared_sources_still_show(sources: Sources, database: Database) -> None:
    seed.successful_run(database.engine)
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/nothing")
    overview = collect_overview(Sources(store=sources.store, warehouse=lambda: nowhere, contracts=CONTRACTS))
    assert len(overview.origins.content or ()) == 9
    assert overview.origins.problem in overview.problems
    assert "all hold, with evidence" in html(overview)


def test_a_broken_table_of_the_store_leaves_the_other_blocks_standing(sources: Sources, database: Database) -> None:
    seed.successful_run(database.engine)
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE groundwork.incident"))
    overview = collect_overview(sources)
    assert overview.incidents.problem is not None
    assert "all hold, with evidence" in html(overview)


def test_a_contract_that_cannot_be_read_is_told_in_its_own_card(sources: Sources, tmp_path: Path) -> None:
    for name, content in (("broken", "schema: [\n"), ("other", (CONTRACTS / "market/prices.odcs.yaml").read_text())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.odcs.yaml").write_text(content)
    overview = collect_overview(Sources(store=sources.store, warehouse=sources.warehouse, contracts=tmp_path))
    broken, other = overview.domains
    assert broken.declared.problem is not None
    assert "not valid YAML" in broken.declared.problem.what
    assert other.declared.content is not None
    assert "not valid YAML" in html(overview)


def test_a_changed_contract_is_read_again(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "market").mkdir()
    contract = tmp_path / "market" / "one.odcs.yaml"
    contract.write_text((CONTRACTS / "market/prices.odcs.yaml").read_text())
    here = Sources(store=sources.store, warehouse=sources.warehouse, contracts=tmp_path)
    before = collect_overview(here).domains[0].declared.content
    contract.write_text((CONTRACTS / "market/trading.odcs.yaml").read_text())
    after = collect_overview(here).domains[0].declared.content
    assert before is not None
    assert after is not None
    assert before.tables != after.tables


def test_a_broken_audit_chain_is_loud(sources: Sources, database: Database) -> None:
    seed.events(database.engine)
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.audit_event DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE groundwork.audit_event SET actor = 'somebody else' WHERE sequence = 2"))
    page = html(collect_overview(sources))
    assert "the chain is broken" in page
    assert "content was changed after it was written" in page


def test_the_json_twin_says_the_same(sources: Sources, database: Database) -> None:
    seed.everything(database.engine, database.engine)
    twin = json.loads(json.dumps(jsonable_encoder(render.as_json(collect_overview(sources)))))
    assert [phase["state"] for phase in twin["domains"][0]["foundation"]["content"]["phases"]] == ["success"] * 3
    assert twin["quality"]["content"][0]["table"] == "dividend_aristocrats"
    assert twin["problems"] == []


def test_a_page_costs_few_statements(sources: Sources, database: Database) -> None:
    seed.everything(database.engine, database.engine)
    collect_overview(sources)  # the audit chain is verified once in a while, not for each page
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    collect_overview(sources)
    assert len(statements) <= 30, statements  # nine of them per domain, for its state
