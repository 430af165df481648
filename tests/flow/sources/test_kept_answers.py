"""Answers of APIs are kept whole, without secrets, within bounds, and read when somebody decided so."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.source import open_source
from groundwork.flow.sources import kept_answers
from groundwork.flow.sources.http_client import ApiAwayError
from groundwork.flow.sources.kept_answers import KeptAnswers, Question
from groundwork.flow.window import Window
from groundwork.model.errors import RetriableError
from tests.flow.sources.reading import NOWHERE, declared, read, rows
from tests.flow.sources.test_http import COLUMNS, EXPECTED, MAPPED, SECRET, Api, Asked, Reply, by_offset, serving

SOURCE = {
    **MAPPED, "kind": "http", "connection": "api", "path": "/items", "pagination": {"kind": "offset"}, "retries": 0,
    "params": {"token": SECRET},
}  # fmt: skip


def source(folder: Path, api: Api, *, served: bool = False, **changes: object) -> Source:
    domain = declared(folder, COLUMNS, {**SOURCE, **{k: v for k, v in changes.items() if k != "window"}})
    resources = Resources(
        project=folder,
        connection={"api": api.connection(password=SECRET)}.__getitem__,
        answers=KeptAnswers(folder / "kept"),
        served=frozenset({"api"} if served else ()),
    )
    window = changes.get("window")
    return open_source(
        NOWHERE,
        domain,
        domain.table("items"),
        project=folder,
        resources=resources,
        window=window if isinstance(window, Window) else None,
    )


def away(_: Asked) -> Reply:
    return 503, {}, b""


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "kept").glob("*")) if (folder / "kept").exists() else []


def test_a_whole_answer_is_kept_and_served_with_its_time(tmp_path: Path) -> None:
    with serving(by_offset) as api:
        first = source(tmp_path, api)
        assert rows(first) == EXPECTED
        (path,) = kept(tmp_path)
        api.reply = away
        with pytest.raises(ApiAwayError) as caught:
            read(source(tmp_path, api))
        assert (caught.value.target_connection, caught.value.status_code) == ("api", 503)
        assert kept(tmp_path) == [path], "a failure leaves what was kept"
        api.asked.clear()
        again = source(tmp_path, api, served=True)
        assert rows(again) == EXPECTED
        assert again.checksum() == first.checksum()
        assert api.asked == [], "the API was not asked"
    found = KeptAnswers(tmp_path / "kept").find("api", "shop.items") or KeptAnswers(tmp_path / "kept").find("api")
    assert found is not None
    assert f"as kept at {found.at:%Y-%m-%d}" in again.description
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET.encode() not in path.read_bytes()


def test_a_kept_answer_goes_on_behind_a_mark(tmp_path: Path) -> None:
    with serving(by_offset) as api:
        rows(source(tmp_path, api))
        served = source(tmp_path, api, served=True)
        served.batch_rows = 5  # type: ignore[attr-defined]  # a batch for each page
        batches = served.batches()
        mark = next(iter(batches)).mark
        rest = [record.values for batch in served.batches(mark) for record in batch.records(1)]
    assert rest == EXPECTED[5:]


def test_part_of_an_answer_is_not_kept(tmp_path: Path) -> None:
    def breaks_off(asked: Asked) -> Reply:
        return by_offset(asked) if asked.params["offset"] == "0" else away(asked)

    with serving(breaks_off) as api, pytest.raises(ApiAwayError):
        read(source(tmp_path, api))
    assert kept(tmp_path) == []


def test_what_must_not_come_twice_is_not_kept(tmp_path: Path) -> None:
    with serving(by_offset) as api:
        rows(source(tmp_path, api, mode="append"))
    assert kept(tmp_path) == []


def test_only_the_very_question_is_answered(tmp_path: Path) -> None:
    with serving(by_offset) as api:
        rows(source(tmp_path, api))
        with pytest.raises(RetriableError, match="no answer to this question was kept"):
            source(tmp_path, api, served=True, params={"token": SECRET, "region": "north"})


def test_too_long_an_answer_is_not_kept_and_the_oldest_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = KeptAnswers(tmp_path)

    def keep(name: str, size: int) -> None:
        writer = answers.writer(Question.of(name, "t", "/", {}))
        writer.add(bytes(size))
        writer.keep()
        writer.drop()

    monkeypatch.setattr(kept_answers, "MAX_ANSWER_BYTES", 1000)
    keep("long", 1001)
    assert answers.find("long") is None
    keep("one", 1000)
    monkeypatch.setattr(kept_answers, "MAX_FOLDER_BYTES", 10)
    keep("two", 1000)
    assert (answers.find("one"), answers.find("two") is not None) == (None, True)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    with serving(by_offset) as api:
        rows(source(tmp_path, api))
        (path,) = kept(tmp_path)
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(RetriableError, match="cannot be read"):
            read(source(tmp_path, api, served=True))
