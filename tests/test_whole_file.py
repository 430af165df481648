"""Whoever reads sees the old content or the new one, and nothing is left beside it."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from groundwork.whole_file import write_whole


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    write_whole(path, "eins\r\nzwei ü\n")
    assert path.read_bytes() == "eins\r\nzwei ü\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_whole(path, "drei", mode=0o640)
    assert path.read_text(encoding="utf-8") == "drei"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["x.yaml"]


def test_what_must_be_new_changes_nothing_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    write_whole(path, "first", is_new=True)
    with pytest.raises(FileExistsError):
        write_whole(path, "second", is_new=True)
    assert path.read_text(encoding="utf-8") == "first"
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "nowhere", "second", is_new=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["nowhere", "x.yaml"]


def test_a_text_that_cannot_be_written_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    write_whole(path, "first")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "x.yaml", "x")
    assert path.read_text(encoding="utf-8") == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["x.yaml"]


def test_of_many_writers_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    texts = [f"{number}" * 100_000 for number in range(8)]
    writers = [threading.Thread(target=write_whole, args=(path, text)) for text in texts]
    write_whole(path, texts[0])
    for writer in writers:
        writer.start()
    seen = {path.read_text(encoding="utf-8") for _ in range(50)}
    for writer in writers:
        writer.join()
    assert {*seen, path.read_text(encoding="utf-8")} <= set(texts)
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
