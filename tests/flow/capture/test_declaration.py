"""What a contract may declare of a stream, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.flow.capture.declaration import (
    LIMIT_BYTES,
    Apply,
    OnDelete,
    StreamDeclarations,
    declared_stream,
    declared_streams,
    stream_declarations,
)
from groundwork.flow.capture.event import Way
from groundwork.model.errors import ConfigError
from tests.flow.capture.shop import contract


def _domain(folder: Path, customers: dict[str, Any] | None = None, purchases: dict[str, Any] | None = None) -> Domain:
    place = folder / "shop" / "shop.odcs.yaml"
    place.parent.mkdir(exist_ok=True)
    place.write_text(yaml.safe_dump(contract(customers, purchases)), encoding="utf-8")
    return read_domain("shop", folder)


def test_tables_of_one_connection_are_one_stream_parents_first(tmp_path: Path) -> None:
    (stream,) = declared_streams(_domain(tmp_path, {"limit_bytes": 1000, "silent_seconds": 60}))
    assert (stream.name, stream.way, stream.limit_bytes, stream.silent_seconds) == ("shop.shop_db", None, 1000, 60)
    assert [table.name for table in stream.tables] == ["shop.customers", "shop.orders"]
    first = stream.tables[0]
    assert (first.source, first.source_key, first.apply, first.on_delete) == (
        "origin.customer", ("id",), Apply.MERGE, OnDelete.DELETE,
    )  # fmt: skip
    assert sorted(stream.sources) == ["origin.customer", "origin.purchase"]


def test_two_connections_are_two_streams(tmp_path: Path) -> None:
    found = declared_streams(_domain(tmp_path, {"connection": "a", "way": "outbox"}, {"connection": "b"}))
    assert [(each.connection, each.way, each.limit_bytes) for each in found] == [
        ("a", Way.OUTBOX, LIMIT_BYTES), ("b", None, LIMIT_BYTES),
    ]  # fmt: skip


def test_a_stream_that_is_not_declared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no table of the domain") as error:
        declared_stream(_domain(tmp_path), "elsewhere")
    assert error.value.expected == "shop_db"


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ({"connection": ""}, "connection"),
        ({"table": None}, "table"),
        ({"apply": "replace"}, "apply"),
        ({"delete": "hide"}, "delete"),
        ({"delete": "mark"}, "mark"),
        ({"mark": "gone"}, "mark"),
        ({"delete": "mark", "mark": "email"}, "mark"),
        ({"apply": "append", "delete": "delete"}, "delete"),
        ({"columns": {"email": "mail"}}, "columns"),
        ({"facts": {"weather": "email"}}, "facts"),
        ({"limit_bytes": 0}, "limit_bytes"),
        ({"limit_bytes": True}, "limit_bytes"),
        ({"silent_seconds": "long"}, "silent_seconds"),
        ({"way": "pigeon"}, "way"),
    ],
)
def test_what_cannot_work_is_told(tmp_path: Path, declared: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=f"stream's `{name}`") as error:
        declared_streams(_domain(tmp_path, declared))
    assert error.value.where == "shop.customers"


def test_domains_without_streams_and_broken_ones_have_none(tmp_path: Path) -> None:
    _domain(tmp_path)
    for name, text in {"calm": "kind: DataContract", "broken": "kind: stream\n  - ["}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.odcs.yaml").write_text(text, encoding="utf-8")
    found = stream_declarations(tmp_path)
    assert [stream.name for stream in found.streams] == ["shop.shop_db"]
    assert list(found.broken) == ["broken"]
    assert "broken/a.odcs.yaml" in found.broken["broken"]
    assert stream_declarations(tmp_path / "nowhere") == StreamDeclarations(streams=(), broken={})


def test_a_broken_stream_takes_no_other_of_its_domain_away(tmp_path: Path) -> None:
    domain = _domain(tmp_path, {"connection": "a"}, {"connection": "b", "way": "pigeon"})
    found = stream_declarations(tmp_path)
    assert [stream.name for stream in found.streams] == ["shop.a"]
    assert list(found.broken) == ["shop.b"]
    assert declared_stream(domain, "a") == found.streams[0]
    with pytest.raises(ConfigError, match="`way`"):
        declared_stream(domain, "b")
    _domain(tmp_path, {"connection": "a"}, {"connection": ""})
    assert list(stream_declarations(tmp_path).broken) == ["shop.orders"]
