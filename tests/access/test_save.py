"""Saving rows: all or none, whatever goes wrong and when; audited; the database's refusals in the same words."""

from __future__ import annotations

import io
import json
import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.access.check import CheckOptions
from groundwork.access.check_report import SaveMode, SaveReport
from groundwork.access.check_source import FileFormat, Rows, Stream
from groundwork.access.errors import NotReadyError
from groundwork.access.save import save_rows
from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.store.audit import AuditTrail
from tests.access.check_samples import EVERYTHING, csv_text, everything, json_lines, thing
from tests.contracts.samples import shop
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_DOMAIN = everything()
_THINGS = _DOMAIN.table("things")


@pytest.fixture
def things(database: Database) -> Engine:
    """The table, empty."""
    _make(database.engine, _DOMAIN)
    return database.engine


def _make(engine: Engine, domain: Domain) -> None:
    with engine.begin() as connection:
        for statement in statements(domain):
            run(connection, statement.sql)


def _save(engine: Engine, rows: Rows, *, name: str | None = None, **options: Any) -> SaveReport:
    file_format = FileFormat(name) if name else None
    return save_rows(
        engine, _DOMAIN, _THINGS, rows, actor="test", options=CheckOptions(file_format=file_format), **options
    )


def _count(engine: Engine) -> int:
    return len(_all(engine))


def _all(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM everything.things ORDER BY thing_id")).mappings())


def _csv(rows: list[dict[str, Any]]) -> Stream:
    return Stream(file=io.BytesIO(csv_text(rows)))


_FULL: dict[str, Any] = {
    "small": 5,
    "low": 1.5,
    "high": 2.25,
    "amount": 0.000001,
    "ratio": 0.5,
    "flag": True,
    "local_at": "2024-01-01T10:00:00.5",
    "clock": "10:30:00",
    "label": 'a "b", c\nd',
    "mail": "a@b.co",
    "state": "open",
    "mood": "it's wild",
    "other_id": "00000000-0000-4000-8000-00000000000A",
    "facts": {"a": [1, "é"]},
    "names": ["x", "y,z", 'q"'],
    "address": "10.0.0.1",
}


def test_every_format_and_mode_stores_the_same(things: Engine) -> None:
    rows = [thing(1, **_FULL), thing(2), thing(3, label="")]
    stored = []
    for mode in SaveMode:
        for source, name in (
            (_csv(rows), "csv"),
            (Stream(file=io.BytesIO(json_lines(rows))), "jsonl"),
            (Stream(file=io.BytesIO(json.dumps(rows).encode())), "json"),
            (rows, None),
        ):
            report = _save(things, source, name=name, mode=mode)
            assert (report.is_saved, report.written, report.refusal) == (True, 3, None), report.to_text()
            stored.append(_all(things))
            with things.begin() as connection:
                run(connection, "DELETE FROM everything.things")
    assert all(each == stored[0] for each in stored)
    first, second, third = stored[0]
    assert (first["label"], second["label"], third["label"]) == ('a "b", c\nd', None, "")
    assert (first["flag"], second["flag"]) == (True, False)  # the default
    assert (first["names"], first["facts"], first["mood"]) == (["x", "y,z", 'q"'], {"a": [1, "é"]}, "it's wild")


def test_nothing_is_written_when_the_last_row_is_wrong(things: Engine) -> None:
    def made() -> Iterator[dict[str, object]]:
        for number in range(1, 20_000):
            yield {
                "thing_id": number,
                "code": f"A{number}",
                "day": "2024-01-01",
                "at": f"{2001 + number // 3600}-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
            }
        yield {"thing_id": 0, "code": "A", "day": "2024-01-01"}

    report = _save(things, made())
    assert (report.is_saved, report.written, report.check.rows, report.check.error_count) == (False, 0, 20_000, 1)
    assert report.check.errors[0].row == 20_000
    assert _count(things) == 0
    assert "nothing was saved" in report.to_text()


def test_repeated_keys_and_broken_conditions_undo_everything(things: Engine) -> None:
    for rows in (
        [thing(1), thing(2), thing(1, code="XX", at=None)],
        [thing(1, low=2, high=1)],
        [thing(1, parent_id=9)],
    ):
        for mode in SaveMode:
            assert not _save(things, rows, mode=mode).is_saved
            assert _count(things) == 0
    assert _save(things, [thing(1, parent_id=2), thing(2)]).is_saved


def test_taken_keys_are_told_row_by_row(things: Engine) -> None:
    assert _save(things, [thing(1), thing(2)]).written == 2
    report = _save(things, [thing(3), thing(2, code="YY", at=None), thing(1, thing_id=9, at="2023-01-01T00:00:00Z")])
    assert not report.is_saved
    assert "exists already" in (report.refusal or "")
    assert {(error.row, error.column) for error in report.check.errors} == {(2, "thing_id"), (3, "code, day")}
    assert _count(things) == 2


def test_upsert_changes_what_is_there(things: Engine) -> None:
    _save(things, [thing(1, label="old"), thing(2)])
    report = _save(
        things,
        _csv([thing(1, label="new"), thing(2, label=None), thing(3, label="x")]),
        name="csv",
        mode=SaveMode.UPSERT,
    )
    assert (report.is_saved, report.written, report.unchanged) == (True, 2, 1)
    assert [row["label"] for row in _all(things)] == ["new", None, "x"]


def test_a_row_that_somebody_wrote_meanwhile(things: Engine) -> None:
    """The check let it pass, the database does not."""

    def made() -> Iterator[dict[str, object]]:
        yield thing(1)
        with things.begin() as other:
            run(other, "INSERT INTO everything.things (thing_id, code, day) VALUES (1, 'ZZ', '2024-01-01')")

    report = _save(things, made())
    assert not report.is_saved
    assert "a row with this key exists already" in (report.refusal or "")
    assert [(error.row, error.column) for error in report.check.errors] == [(1, "thing_id")]
    assert _count(things) == 1


def test_what_only_the_database_knows(things: Engine) -> None:
    with things.begin() as connection:
        run(connection, "ALTER TABLE everything.things ADD CONSTRAINT undeclared CHECK (label <> 'secret')")
    report = _save(things, [thing(1), thing(2, label="secret")])
    assert not report.is_saved
    assert "undeclared" in (report.refusal or "")
    assert "secret" not in (report.refusal or "")
    assert _count(things) == 0


def test_deferred_constraints_hold_before_the_audit(database: Database) -> None:
    domain = shop(
        first="[{property: onDelete, value: cascade}] => "
        "[{property: onDelete, value: cascade}, {property: deferrable, value: initially deferred}]"
    )
    _make(database.engine, domain)
    table = domain.table("sales")
    row = {"sale_id": 1, "sold_date": "2024-01-05", "customer_id": 7, "state": "open"}
    report = save_rows(database.engine, domain, table, [row], actor="test")
    assert not report.is_saved
    assert "does not exist" in (report.refusal or "")
    assert [(error.row, error.column) for error in report.check.errors] == [(1, "customer_id")]


def test_identities_and_generated_columns_are_the_servers(database: Database) -> None:
    domain = shop()
    _make(database.engine, domain)
    table = domain.table("customers")
    rows = [
        {"code": 1, "joined_date": "2024-01-01"},
        {"code": 2, "joined_date": "2024-01-02", "label": "x", "balance": 1},
    ]
    for number, data in enumerate((json_lines(rows), csv_text([{**row, "code": row["code"] + 10} for row in rows]))):  # type: ignore[operator]
        options = CheckOptions(file_format=FileFormat.CSV if number else FileFormat.JSONL)
        report = save_rows(database.engine, domain, table, Stream(file=io.BytesIO(data)), actor="test", options=options)
        assert report.written == 2, report.to_text()
    with database.engine.connect() as connection:
        found = connection.execute(
            text("SELECT customer_id, label, label_length, settings FROM shop.customers ORDER BY 1")
        )
        assert [tuple(row) for row in found] == [
            (1, "none", 4, {"a": 1}), (2, "x", 1, {"a": 1}), (3, "none", 4, {"a": 1}), (4, "x", 1, {"a": 1}),
        ]  # fmt: skip


def test_a_save_is_audited_with_counts(things: Engine, store_database: Database) -> None:
    trail = AuditTrail(store_database.engine)
    report = _save(things, [thing(1), thing(2)], trail=trail)
    (event,) = trail.latest(1)
    assert report.audit_sequence == event["sequence"]
    assert (event["actor"], event["action"], event["subject"]) == ("test", "rows_saved", "warehouse:everything.things")
    assert event["details"] == {"mode": "insert", "rows": 2, "written": 2, "unchanged": 0}
    assert not _save(things, [thing(1)], trail=trail).is_saved
    assert trail.latest(1)[0]["sequence"] == event["sequence"]


def test_what_cannot_be_audited_is_not_written(things: Engine, database: Database) -> None:
    with pytest.raises(NotReadyError):
        _save(things, [thing(1)], trail=AuditTrail(database.engine))  # a database without the trail's table
    assert _count(things) == 0


def test_a_killed_process_leaves_nothing(things: Engine, database: Database, tmp_path: Path) -> None:
    """It is killed when most rows are in the transaction."""
    (tmp_path / "everything.odcs.yaml").write_text(EVERYTHING)
    program = tmp_path / "save.py"
    program.write_text(_PROGRAM)
    command = [sys.executable, str(program), str(tmp_path / "everything.odcs.yaml"), database.url]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "15000\n"
    process.send_signal(signals.SIGKILL)
    process.wait(timeout=120)
    process.stdout.close()
    deadline = time.monotonic() + 120
    while _is_open(things) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_open(things)
    assert _count(things) == 0


def _is_open(engine: Engine) -> bool:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE '%in transaction%' AND datname = current_database()"
    )
    with engine.connect() as connection:
        return bool(connection.execute(query).scalar_one())


_PROGRAM = """
import sys, time
from datetime import datetime, timedelta
from pathlib import Path
from sqlalchemy import create_engine
from groundwork.access.check import CheckOptions
from groundwork.access.save import save_rows
from groundwork.contracts.contract import Domain
from groundwork.contracts.document import read_document
from groundwork.contracts.read import read_contract

domain = Domain(name="everything", contracts=(read_contract(read_document(Path(sys.argv[1]))),))

def rows():
    for number in range(1, 15_001):
        at = datetime(2001, 1, 2) + timedelta(hours=number)
        yield {"thing_id": number, "code": f"A{number}", "day": "2024-01-01", "at": f"{at}Z"}
    time.sleep(600)

def told(count, _):
    if count == 15_000:
        print(count, flush=True)

options = CheckOptions(on_progress=told)
save_rows(create_engine(sys.argv[2]), domain, domain.table("things"), rows(), actor="test", options=options)
"""
