"""A storage whose driver fails in its own words, or remembers too much, behaves like a disk."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundwork.flow.resources import Resources
from groundwork.flow.source import open_source
from groundwork.flow.sources.files import listed
from groundwork.flow.sources.origin import Origin
from groundwork.model.errors import RetriableError
from tests.flow.sources.reading import NOWHERE, column, declared, rows

COLUMNS = [column("id", "integer", key=1), column("name", "text")]
SIGNED = "http://storage.test/a.csv?signature=do-not-tell"
CSV = b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(200_000))


class DriverError(Exception):
    """What no caller of a file expects."""


class Place:
    """A file of a storage: `fails` names the call that raises."""

    def __init__(self, fails: str = "", data: bytes = CSV) -> None:
        self.fails, self.data = fails, data
        self.forgotten: list[str] = []
        self.fs = SimpleNamespace(invalidate_cache=self.forgotten.append)
        self.path = "bucket/a.csv"
        self.tag = "one"

    def _call(self, name: str) -> None:
        if name == self.fails:
            raise DriverError(SIGNED)

    def stat(self) -> Any:
        """Size, time and version."""
        self._call("stat")
        return Facts(ETag=self.tag)

    def open(self, mode: str, **_: Any) -> Any:
        """The content."""
        assert mode == "rb"
        self._call("open")
        return Bytes(self)

    def iterdir(self) -> Any:
        """Nothing lies in it."""
        self._call("iterdir")
        return iter(())


class Facts(dict[str, str]):
    """What a driver tells of a file."""

    st_size = len(CSV)
    st_mtime = 1_700_000_000.0


class Bytes(io.BytesIO):
    """The content, whose second half fails when the place says so."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.data)
        self.place = place

    def read(self, size: int | None = -1, /) -> bytes:
        """What comes next."""
        if self.tell() > len(CSV) // 2:
            self.place._call("read")
        return super().read(size)


def _rows(place: Place, folder: Path, path: str = "s3://bucket/a.csv") -> list[tuple[str | None, ...]]:
    domain = declared(folder, COLUMNS, {"kind": "file", "path": path, "format": "csv"})
    resources = Resources(project=folder, storage=lambda *_: place)
    return rows(open_source(NOWHERE, domain, domain.table("items"), project=folder, resources=resources))


def test_a_good_driver_is_read_and_asked_anew(tmp_path: Path) -> None:
    place = Place()
    assert len(_rows(place, tmp_path)) == 200_000
    assert set(place.forgotten) == {"bucket/a.csv"}


@pytest.mark.parametrize("fails", ["stat", "open", "read"])
def test_errors_of_a_driver_are_worth_a_retry_and_keep_its_addresses(tmp_path: Path, fails: str) -> None:
    with pytest.raises(RetriableError) as caught:
        _rows(Place(fails), tmp_path)
    assert "DriverError" in str(caught.value.found)
    assert "do-not-tell" not in f"{caught.value} {caught.value.__cause__!r}"


def test_a_folder_that_cannot_be_listed_is_worth_a_retry(tmp_path: Path) -> None:
    origin = Origin(project=tmp_path, path="s3://bucket/in/*.csv", storage=lambda *_: Place("iterdir"))
    with pytest.raises(RetriableError, match="cannot be listed") as caught:
        listed(origin)
    assert "do-not-tell" not in str(caught.value)


def test_a_version_tells_of_a_change_that_size_and_time_hide(tmp_path: Path) -> None:
    place = Place()
    origin = Origin(project=tmp_path, path="s3://bucket/a.csv", storage=lambda *_: place)
    before = origin.fingerprint
    reading = origin.open()
    reading.__enter__().read(10)
    place.tag = "two"
    with pytest.raises(RetriableError, match="changed while"):
        reading.__exit__(None, None, None)
    assert origin.fingerprint != before
