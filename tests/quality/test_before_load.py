"""The checkpoint before a load: a refused batch waits, and nothing of it is ever seen, lost or doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundwork.flow.loads.parallel import PartedLoad
from groundwork.flow.loads.waiting import Waiting
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError, DataQualityError
from groundwork.quality.before_load import BeforeLoadGate
from groundwork.quality.run import Stage, validate_domain
from groundwork.quality.suites import concerns_table, read_suites, suites_before_load
from groundwork.store.migrate import migrate
from groundwork.store.quality import QualityResults
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot

pytestmark = pytest.mark.postgres
COLUMNS = (column("id", "bigint", key=1), column("day", "date"), column("price", "numeric"))
HEADER = "id,day,price"
LINES = (HEADER, "1,2026-01-01,1.5", "2,2026-01-02,", "x,2026-01-02,3", "3,2026-01-03,3")
AT_LEAST = "expect_table_row_count_to_be_between"
LIKE_LAST = "expect_row_count_like_last_loads"


@pytest.fixture
def depot(database: Database, tmp_path: Path) -> Depot:
    migrate(database.engine)
    return make_depot(database.engine, tmp_path, COLUMNS, source={"mode": "merge", "watermark": {"column": "day"}})


def declare(depot: Depot, *entries: tuple[str, dict[str, Any], str], stage: str | None = "before_load") -> Path:
    """A suite of entries (type, arguments, severity) in the folder of suites, which is returned."""
    folder = depot.folder / "expectations"
    folder.mkdir(exist_ok=True)
    meta = {"domain": "depot", "table": "items", **({"stage": stage} if stage else {})}
    told = [{"type": kind, "kwargs": kwargs, "meta": {"severity": severity}} for kind, kwargs, severity in entries]
    path = folder / f"items_{stage}.json"
    path.write_text(json.dumps({"name": "items", "meta": meta, "expectations": told}), encoding="utf-8")
    return folder


def gate(depot: Depot) -> BeforeLoadGate:
    checks = suites_before_load(depot.folder / "expectations", depot.domain, depot.table)
    return BeforeLoadGate(warehouse=depot.engine, store=depot.engine, domain="depot", checks=checks)


def kept(depot: Depot, run_id: str = "test") -> list[tuple[str, bool, int | None]]:
    rows = QualityResults(depot.engine).results(run_id, Stage.BEFORE_LOAD)
    return [(row["severity"], row["is_passed"], row["row_count"]) for row in rows]


def books(depot: Depot) -> list[Any]:
    return list(depot.rows("SELECT state, read, loaded, quarantined, duplicates FROM groundwork_flow.load ORDER BY 1"))


def test_a_refused_batch_waits_and_goes_on_when_the_check_was_corrected(depot: Depot) -> None:
    declare(depot, (AT_LEAST, {"min_value": 4}, "error"), (AT_LEAST, {"max_value": 2}, "warning"))
    with pytest.raises(DataQualityError, match="1 of 2 checks before the load failed") as refused:
        depot.load(*LINES, before_publish=gate(depot))
    assert "3 rows" in str(refused.value)
    assert "depot.items" in str(refused.value)
    assert depot.rows() == []
    assert books(depot) == []
    assert depot.rows("SELECT count(*) FROM groundwork_flow.quarantine") == [(0,)]
    assert len(depot.leftovers()) == 3
    assert kept(depot) == [("error", False, 3), ("warning", False, 3)]
    declare(depot, (AT_LEAST, {"min_value": 3}, "error"), (AT_LEAST, {"max_value": 2}, "warning"))
    seen: list[int] = []
    result = depot.load(before_publish=gate(depot), progress=lambda progress: seen.append(progress.read))
    assert (result.read, result.loaded, result.quarantined, result.is_balanced) == (4, 3, 1, True)
    assert max(seen, default=0) == 0  # nothing was read again
    assert books(depot) == [("finished", 4, 3, 1, 0)]
    assert depot.leftovers() == []
    assert kept(depot) == [("error", True, 3), ("warning", False, 3)]


def test_a_refused_batch_gives_way_to_a_corrected_source(depot: Depot) -> None:
    declare(depot, (AT_LEAST, {"min_value": 4}, "error"))
    with pytest.raises(DataQualityError):
        depot.load(*LINES, before_publish=gate(depot))
    result = depot.load(*LINES, "4,2026-01-04,4", before_publish=gate(depot))
    assert (result.loaded, result.quarantined) == (4, 1)
    assert depot.leftovers() == []


def test_without_a_suite_there_is_nothing_to_ask_and_the_short_way_is_taken(depot: Depot) -> None:
    declare(depot, ("expect_column_max_to_be_between", {"column": "id", "max_value": 1}, "error"), stage=None)
    folder = depot.folder / "expectations"
    (folder / "broken.json").write_text("{")
    assert suites_before_load(folder, depot.domain, depot.table) == ()
    assert depot.load(*LINES).is_direct
    (folder / "broken.json").write_text('{"meta": {"stage": "before_load"')
    with pytest.raises(ConfigError, match="cannot read the suite"):
        suites_before_load(folder, depot.domain, depot.table)


def test_an_empty_batch_is_judged_too(depot: Depot) -> None:
    declare(depot, (AT_LEAST, {"min_value": 1}, "error"))
    with pytest.raises(DataQualityError, match="0 rows"):
        depot.load(HEADER, before_publish=gate(depot))
    assert depot.rows() == []


def test_volume_is_held_against_the_last_loads(depot: Depot) -> None:
    declare(depot, (LIKE_LAST, {"min_pct": 50, "max_pct": 150, "loads": 3}, "error"))
    for last in (3, 4, 5):
        lines = [f"{number},2026-01-01,{last}" for number in range(last)]
        assert depot.load(HEADER, *lines, run_id=f"run {last}", before_publish=gate(depot)).read == last
    with pytest.raises(DataQualityError, match=r"at least 2 and at most 6 rows \(4 is the median of 3 loads\)"):
        depot.load(HEADER, "1,2026-01-01,", before_publish=gate(depot))
    with pytest.raises(DataQualityError, match="7 rows"):
        depot.load(HEADER, *(f"{number},2026-01-01,8" for number in range(7)), before_publish=gate(depot))
    ranged = depot.load(HEADER, "1,2026-01-01,9", before_publish=gate(depot), window=Window(start="2026-01-01"))
    assert ranged.updated == 1  # no load of a range came before this one
    assert [state for state, *_ in books(depot)] == ["finished"] * 4


def test_parts_are_judged_together(depot: Depot) -> None:
    declare(depot, (AT_LEAST, {"min_value": 3_001}, "error"))
    depot.write(HEADER, *(f"{number},2026-01-01,{number}" for number in range(3_000)))

    def load() -> PartedLoad:
        return PartedLoad(
            engine=depot.engine, domain=depot.domain, table=depot.table, project=depot.folder, run_id="test", wanted=2,
            batch_rows=100, before_publish=gate(depot),
        )  # fmt: skip

    parts = load().plan()
    assert len(parts) == 2
    for part in parts:
        load().stage(part)
    with pytest.raises(DataQualityError, match="3,000 rows"):
        load().publish()
    declare(depot, (AT_LEAST, {"min_value": 3_000}, "error"))
    assert load().publish().loaded == 3_000
    declare(depot, (AT_LEAST, {"max_value": 1}, "error"))
    with pytest.raises(DataQualityError):
        load().load(parts[0])  # a part that is a load of its own is judged by itself


def test_results_of_the_stage_s_other_checks_stay(depot: Depot) -> None:
    depot.load(*LINES, run_id="first")
    folder = declare(depot, (AT_LEAST, {"min_value": 1}, "error"))
    validate_domain(
        depot.engine, depot.engine, depot.domain, expectations=folder, run_id="test", stage="before_load",
        use_great_expectations=False,
    )  # fmt: skip
    before = len(kept(depot))
    assert before > 0
    depot.load(*LINES, "9,2026-01-01,", before_publish=gate(depot))
    assert len(kept(depot)) == before + 1
    assert read_suites(folder, depot.domain) == ()
    assert not any(concerns_table(path, "depot", depot.table) for path in folder.glob("*.json"))


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        (LIKE_LAST, {}),
        (LIKE_LAST, {"min_pct": "half"}),
        (LIKE_LAST, {"min_pct": True}),
        (LIKE_LAST, {"min_pct": 50, "loads": 0}),
        (LIKE_LAST, {"min_pct": 50, "days": 3}),
        (AT_LEAST, {"min_value": "one"}),
        (AT_LEAST, {}),
        ("unexpected_rows_expectation", {"unexpected_rows_query": "DELETE FROM {batch}"}),
    ],
)
def test_an_entry_that_is_not_right_is_refused_with_its_place(depot: Depot, kind: str, kwargs: dict[str, Any]) -> None:
    declare(depot, (kind, kwargs, "error"))
    with pytest.raises(ConfigError, match=r"items_before_load.json"):
        gate(depot)


def test_a_word_that_is_no_stage_is_refused(depot: Depot) -> None:
    folder = declare(depot, (AT_LEAST, {"min_value": 1}, "error"), stage="before_laod")
    with pytest.raises(ConfigError, match="before_laod"):
        read_suites(folder, depot.domain)


def test_a_judge_sees_the_good_rows_of_the_load_only(depot: Depot) -> None:
    seen: list[Any] = []

    def judge(waiting: Waiting) -> None:
        schema, name = waiting.relation
        rows = waiting.connection.exec_driver_sql(f'SELECT id, price FROM "{schema}"."{name}" ORDER BY id')
        seen.extend(tuple(row) for row in rows)
        assert (waiting.schema, waiting.run_id, waiting.window) == ("depot", "test", None)

    depot.load(HEADER, "7,2026-01-01,", run_id="earlier")
    depot.load(*LINES, before_publish=judge)
    assert [number for number, _ in seen] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_great_expectations_judges_rows_where_they_wait(depot: Depot) -> None:
    query = "SELECT id FROM {batch} WHERE price > (SELECT 2 * avg(price) FROM {batch})"
    declare(
        depot,
        ("unexpected_rows_expectation", {"unexpected_rows_query": query}, "warning"),
        ("expect_column_mean_to_be_between", {"column": "price", "max_value": 2}, "error"),
    )
    with pytest.raises(DataQualityError, match="1 of 2 checks"):
        depot.load(*LINES, before_publish=gate(depot))
    assert kept(depot) == [("warning", True, 3), ("error", False, 3)]
    assert depot.rows() == []
    declare(depot, ("expect_column_mean_to_be_between", {"column": "colour", "max_value": 2}, "error"))
    with pytest.raises(ConfigError, match="colour"):
        gate(depot)
    declare(depot, ("expect_column_mean_to_be_between", {"column": "price", "max_value": 3}, "error"))
    assert depot.load(before_publish=gate(depot)).loaded == 3
