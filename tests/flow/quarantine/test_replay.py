"""Quarantined rows come back once corrected: once each, never twice, and nothing else is touched."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.loads.load import load_table
from groundwork.flow.quarantine import replay as replays
from groundwork.flow.quarantine import turn
from groundwork.flow.quarantine.read import MASK, Selection, corrigible, counts, row, rows, shown_raw, shown_reasons
from groundwork.flow.quarantine.replay import ReplayResult, replay_quarantine
from groundwork.flow.quarantine.replay_source import Corrections
from groundwork.model.errors import ConfigError
from tests.fix_market import Market
from tests.fix_postgres import Database
from tests.flow.loads.test_load import HEADER, price
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: replay-notes
name: Notes
version: 1.0.0
status: active
domain: notes
team: {{name: notes}}
customProperties: [{{property: databaseSchema, value: notes}}]
schema:
  - name: note
    physicalType: table
    customProperties:
      - property: source
        value: {{kind: file, path: notes.{format}, format: {format}, mode: {mode},
          quarantine: {{stop_above: "{stop}"}}}}
    properties:
      - {{name: number, logicalType: integer, physicalType: integer, required: true, classification: public,
          primaryKey: true, primaryKeyPosition: 1}}
      - {{name: word, logicalType: string, physicalType: text, required: true, classification: public,
          logicalTypeOptions: {{pattern: "^[a-z]+$"}}}}
      - {{name: secret, logicalType: string, physicalType: text, classification: restricted}}
"""


class Notes:
    """A domain of one table in a database, loaded from a file in a folder."""

    def __init__(self, database: Database, folder: Path, **options: str) -> None:
        told = {"format": "csv", "mode": "append", "stop": "100 %", **options}
        place = folder / "governance" / "contracts" / "notes"
        place.mkdir(parents=True)
        (place / "notes.odcs.yaml").write_text(CONTRACT.format(**told))
        self.folder, self.engine = folder, database.engine
        self.file = folder / f"notes.{told['format']}"
        self.domain: Domain = read_domain("notes", place.parent)
        self.table = self.domain.table("note")
        with self.engine.begin() as connection:
            for statement in statements(self.domain):
                connection.exec_driver_sql(statement.sql)

    def load(self, text: str, run_id: str = "test") -> Any:
        """Load the file with this text."""
        self.file.write_text(text)
        return load_table(self.engine, self.domain, self.table, project=self.folder, run_id=run_id)

    def replay(self, selection: Selection | None = None, **corrections: Any) -> ReplayResult:
        """Replay with corrections."""
        return replay_quarantine(
            self.engine, self.domain, self.table, project=self.folder, selection=selection,
            corrections=Corrections(**corrections),
        )  # fmt: skip

    def words(self) -> list[tuple[int, str]]:
        """What the table holds."""
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT number, word FROM notes.note ORDER BY 1, 2")
            return [(each.number, each.word) for each in found]

    def held(self, state: str | None = "held") -> list[Any]:
        """Rows of the quarantine."""
        with self.engine.connect() as connection:
            return list(rows(connection, Selection(table="note", state=state)))


@pytest.fixture
def notes(database: Database, tmp_path: Path) -> Notes:
    return Notes(database, tmp_path)


BROKEN = "number,word,secret\n1,fine,\n2,BAD,x\n3,WORSE,\n"


def test_a_corrected_row_comes_in_and_is_settled(notes: Notes) -> None:
    notes.load(BROKEN)
    found = notes.replay(for_all={"word": "good"})
    assert (found.selected, found.replayed, found.failed, found.unfit) == (2, 2, 0, 0)
    assert notes.words() == [(1, "fine"), (2, "good"), (3, "good")]
    assert notes.held() == []
    settled = notes.held("replayed")
    assert {each["settled_by_load_id"] for each in settled} == {found.loads[0].load_id}
    assert settled[0]["raw"]["word"] == "BAD"  # what the source said stays on record
    assert notes.replay(for_all={"word": "again"}).selected == 0
    assert len(notes.words()) == 3


def test_a_corrected_contract_is_enough(notes: Notes) -> None:
    notes.load(BROKEN)
    columns = tuple(replace(each, options={}) for each in notes.table.columns)
    wider = replace(notes.table, columns=columns)
    contract = replace(notes.domain.contracts[0], tables=(wider,))
    found = replay_quarantine(
        notes.engine, replace(notes.domain, contracts=(contract,)), wider, project=notes.folder, run_id="fixed"
    )
    assert found.replayed == 2
    assert notes.words() == [(1, "fine"), (2, "BAD"), (3, "WORSE")]


def test_what_fails_again_stays_once_with_its_new_reasons(notes: Notes) -> None:
    notes.load(BROKEN)
    before = [each["quarantine_id"] for each in notes.held()]
    found = notes.replay(by_row={before[0]: {"word": "good"}, before[1]: {"number": "many"}})
    assert (found.replayed, found.failed) == (1, 1)
    (left,) = notes.held()
    assert left["quarantine_id"] == before[1]
    assert {each["rule"] for each in left["reasons"]} == {"type", "matches"}
    assert left["raw"] == {"number": "3", "word": "WORSE", "secret": None}
    assert found.loads[0].is_balanced
    evidence = notes.held("evidence")
    assert [each["load_id"] for each in evidence] == [found.loads[0].load_id]
    assert notes.words() == [(1, "fine"), (2, "good")]


def test_only_what_was_selected_is_replayed(notes: Notes) -> None:
    notes.load("number,word,secret\n1,BAD,\nx,fine,\n")
    found = notes.replay(Selection(reason="matches:word"), for_all={"word": "good"})
    assert (found.selected, found.replayed) == (1, 1)
    assert [each["raw"]["number"] for each in notes.held()] == ["x"]
    with notes.engine.begin() as connection:
        (left,) = counts(connection, Selection())
    assert (left["reason"], left["rows"], left["table_name"]) == ("type:number", 1, "note")


def test_three_at_once_load_every_row_once(notes: Notes) -> None:
    notes.load("number,word,secret\n" + "".join(f"{number},BAD,\n" for number in range(200)))
    found: list[ReplayResult] = []
    threads = [threading.Thread(target=lambda: found.append(notes.replay(for_all={"word": "good"}))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(each.replayed for each in found) == [0, 0, 200]
    assert sum(load.read for each in found for load in each.loads) == 200
    assert notes.words() == [(number, "good") for number in range(200)]


def test_a_replay_that_died_before_it_settled_is_settled_by_the_next(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes.load(BROKEN)

    def die(*_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(turn, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            notes.replay(for_all={"word": "good"})
    assert len(notes.words()) == 3
    assert len(notes.held()) == 2
    found = notes.replay(for_all={"word": "good"})
    assert (found.recovered, found.selected) == (2, 0)
    assert len(notes.words()) == 3
    assert notes.held() == []


def test_a_replay_whose_load_never_committed_leaves_its_rows(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    notes.load(BROKEN)

    def die(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(replays, "load_table", die)
        with pytest.raises(KeyboardInterrupt):
            notes.replay(for_all={"word": "good"})
    assert len(notes.held()) == 2
    assert notes.replay(for_all={"word": "good"}).replayed == 2


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_other_rows_stay_whatever_the_mode(database: Database, tmp_path: Path, mode: str) -> None:
    notes = Notes(database, tmp_path, mode=mode, stop="50 %")
    notes.load("number,word,secret\n1,fine,\n2,fine,\n3,BAD,\n")
    assert notes.replay(for_all={"word": "good"}).replayed == 1
    assert notes.words() == [(1, "fine"), (2, "fine"), (3, "good")]


def test_what_a_replay_never_does(notes: Notes) -> None:
    history = {"key": ["number"], "valid_from": "since", "on_missing": "close"}
    declared = {**(notes.table.source or {}), "mode": "snapshot", "watermark": {"column": "number"}, "history": history}
    source = replays.adding(replace(notes.table, source=declared)).source or {}
    assert source["mode"] == "merge"
    assert source["history"] == {**history, "on_missing": "keep"}
    assert not {"watermark", "quarantine"} & source.keys()
    assert declared["history"]["on_missing"] == "close"


def test_a_threshold_does_not_stop_a_replay(database: Database, tmp_path: Path) -> None:
    notes = Notes(database, tmp_path, stop="70 %")
    notes.load(BROKEN)
    found = notes.replay(for_all={"word": "STILL BAD"})
    assert (found.replayed, found.failed) == (0, 2)
    assert len(notes.held()) == 2


def test_a_line_that_was_never_divided_needs_a_correction(notes: Notes) -> None:
    notes.load("number,word,secret\n1,fine,\n2,two,fields,more\n")
    (held,) = notes.held()
    assert notes.replay().unfit == 1
    assert len(notes.held()) == 1
    found = notes.replay(by_row={held["quarantine_id"]: {"number": "2", "word": "two"}})
    assert (found.replayed, found.unfit) == (1, 0)
    assert notes.words() == [(1, "fine"), (2, "two")]


def test_the_escape_of_a_lost_value_is_no_value(notes: Notes) -> None:
    notes.file.write_bytes(b"")
    notes.load("number,word,secret\n1,fine,\n2,good,a\x00b\n")
    (held,) = notes.held()
    assert notes.replay().unfit == 1
    assert notes.replay(by_row={held["quarantine_id"]: {"number": "2", "word": "good", "secret": "ab"}}).replayed == 1


def test_json_lines_are_read_by_their_fields(database: Database, tmp_path: Path) -> None:
    notes = Notes(database, tmp_path, format="jsonl")
    notes.load('{"number": 1, "word": "BAD", "secret": "ü"}\n{"number": 2, "word": "fine"}\nno json\n')
    found = notes.replay(for_all={"word": "good"})
    assert (found.replayed, found.unfit) == (1, 1)
    with notes.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT secret FROM notes.note WHERE number = 1").scalar_one() == "ü"


def test_a_correction_of_nothing_is_refused(notes: Notes) -> None:
    notes.load(BROKEN)
    with pytest.raises(ConfigError, match="names a column"):
        notes.replay(for_all={"wort": "good"})
    with pytest.raises(ConfigError, match="not held in quarantine"):
        notes.replay(by_row={10_000: {"word": "good"}})
    assert len(notes.held()) == 2


def test_guarded_values_are_masked_and_a_mask_means_what_was_kept(notes: Notes) -> None:
    notes.load("number,word,secret\n1,BAD,hidden\n2,also,fine,four\n")
    with notes.engine.begin() as connection:
        first, second = rows(connection, Selection())
        assert row(connection, first["quarantine_id"])["raw"]["secret"] == "hidden"
        with pytest.raises(ConfigError, match="no such row"):
            row(connection, 999)
    assert shown_raw(notes.table, first["raw"]) == {"number": "1", "word": "BAD", "secret": MASK}
    assert shown_raw(notes.table, first["raw"], reveal=True)["secret"] == "hidden"
    assert shown_raw(notes.table, second["raw"]) == {"line": MASK}
    assert "BAD" in shown_reasons(notes.table, first["reasons"])[0]["message"] or first["reasons"]
    assert shown_reasons(notes.table, second["reasons"])[0]["message"] == MASK
    told = corrigible(notes.table, first)
    assert (told["word"], told["secret"], told["line"]) == ("BAD", MASK, None)
    file = {first["quarantine_id"]: {"word": "good", "secret": told["secret"]}}
    assert notes.replay(by_row=file).replayed == 1
    with notes.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT secret FROM notes.note").scalar_one() == "hidden"


def test_columns_that_the_source_does_not_fill_keep_their_defaults(market: Market, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(HEADER + price("GOOD", "2020-01-02") + price("bad", "2020-01-02"))
    market.load("stock_prices", source_override=market.source("stock_prices", file))
    mark = market.rows("SELECT partition_key, value FROM groundwork_flow.watermark")
    table = market.domain.table("stock_prices")
    found = replay_quarantine(
        market.engine, market.domain, table, project=tmp_path,
        corrections=Corrections(for_all={"ticker": "BAD", "price_date": "2030-01-01"}),
    )  # fmt: skip
    assert found.replayed == 1
    assert market.value("SELECT loaded_at > now() - interval '1 hour' FROM market.stock_prices WHERE ticker = 'BAD'")
    assert market.rows("SELECT partition_key, value FROM groundwork_flow.watermark") == mark
