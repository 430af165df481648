"""Sources as people name them: understood, or refused with what to write instead."""

from __future__ import annotations

import gzip
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from groundwork.infer.from_sources import InferOptions, infer
from groundwork.infer.sources import DatabaseSource, FileSource, Source, SqlSource, parse_sources, suggested_domain
from groundwork.model.errors import ConfigError
from tests.infer.shop_files import shop_files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "Shop Data"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in ("schema.sql", "a.csv", "orders", "b.xlsx"):
        (place / name).write_text("id\n1\n2\n")
    (place / "market").mkdir()
    return place


def nowhere(_: str | None) -> AbstractContextManager[Any]:
    raise AssertionError("no database is needed")


def refused(*texts: str, options: InferOptions | None = None, domain: str = "shop") -> ConfigError:
    with pytest.raises(ConfigError) as error:
        infer(parse_sources(texts), domain=domain, project=Path.cwd(), connect=nowhere, options=options)
    assert error.value.next_step or error.value.expected
    return error.value


@pytest.mark.parametrize(
    ("texts", "found", "domain"),
    [
        (["sales"], DatabaseSource(connection=None, schema="sales"), "sales"),
        (["sales.orders"], DatabaseSource(connection=None, schema="sales", tables=("orders",)), "sales"),
        (["old:sales"], DatabaseSource(connection="old", schema="sales"), "sales"),
        (["old:sales.a", "old:sales.b"], DatabaseSource(connection="old", schema="sales", tables=("a", "b")), "sales"),
        (["sales.a", "sales"], DatabaseSource(connection=None, schema="sales"), "sales"),
        (["warehouse:market"], DatabaseSource(connection="warehouse", schema="market"), "market"),
        (['"My ""S.x"."T"'], DatabaseSource(connection=None, schema='My "S.x', tables=("T",)), "my_s"),
        (["x;drop"], DatabaseSource(connection=None, schema="x;drop"), "x_drop"),
        (["warehouse:shop.json"], DatabaseSource(connection="warehouse", schema="shop", tables=("json",)), "shop"),
        (["schema.sql"], SqlSource(path=Path("schema.sql")), "schema"),
        (["*.sql"], SqlSource(path=Path("schema.sql")), "schema"),
        (["a.csv", "no/b.parquet"], FileSource(paths=("a.csv", "no/b.parquet")), "shop_data"),
        (["./orders"], FileSource(paths=("./orders",)), "shop_data"),
        (["orders_*"], FileSource(paths=("orders_*",)), "shop_data"),
    ],
)  # fmt: skip
def test_what_is_meant(texts: list[str], found: Source, domain: str) -> None:
    assert parse_sources(texts) == found
    assert suggested_domain(found) == domain


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "nothing is named"),
        (["orders"], "can be a schema or what lies here"),
        (["market"], "can be a schema or what lies here"),
        (["b.xlsx"], "can be a schema or what lies here"),
        (["./b.xlsx"], "the format of the file is not known"),
        (["sales", "a.csv"], "several kinds"),
        (["schema.sql", "a.csv"], "several kinds"),
        (["schema.sql", "schema.sql"], "several files of SQL"),
        (["sales.a", "other.b"], "a contract is of one schema"),
        (["sales.a", "old:sales.b"], "a contract is of one schema"),
        (["a.b.c"], "neither a schema nor a file"),
        ([""], "neither a schema nor a file"),
        (["two words"], "neither a schema nor a file"),
        (["no.sql"], "there is no such file"),
        (["no*.sql"], "there is no such file"),
        (["no.csv"], "there is no such file"),
        (["no/*.csv"], "there is no such file"),
        (["market/"], "there is no such file"),
        (["x" * 300 + ".csv"], "nobody can look for this file"),
        (["x" * 300], "nobody can look for this file"),
        (["a.csv/b.sql"], "there is no such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(texts: list[str], words: str) -> None:
    assert words in refused(*texts).what


def test_an_address_is_refused_without_its_password() -> None:
    error = refused("postgresql://me:secret@host/db")
    assert "secret" not in str(error)
    assert "airflow connections add" in str(error.next_step)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a.csv", InferOptions(dialect="mysql"), "--dialect"),
        ("a.csv", InferOptions(profile=False), "--no-profile"),
        ("a.csv", InferOptions(accept_relationships=True), "--accept-relationships"),
        ("schema.sql", InferOptions(table="x"), "--table"),
        ("schema.sql", InferOptions(profile=False), "--no-profile"),
        ("sales", InferOptions(limit_rows=5), "--limit-rows"),
        ("sales", InferOptions(dialect="mysql"), "--dialect"),
    ],
)
def test_options_for_other_sources_are_refused(text: str, options: InferOptions, words: str) -> None:
    assert refused(text, options=options).what == f"{words} says nothing here"


def test_names_and_dialects_that_are_none() -> None:
    assert "no name for a domain" in refused("a.csv", domain="A b").what
    assert "no name for a table" in refused("a.csv", options=InferOptions(table="A b")).what
    assert "dialect" in refused("schema.sql", options=InferOptions(dialect="klingon")).what


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "the file is empty"),
        ("empty.jsonl", b"", "the file is empty"),
        ("empty.parquet", b"", "the file is empty"),
        ("empty.sql", b" \n", "the file is empty"),
        ("latin.sql", b"-- one\n-- caf\xe9\n", "no text in UTF-8"),
        ("dump.sql", b"PGDMP\0\0", "the file is no SQL"),
        ("packed.sql.gz", b"no gzip", "the file cannot be read"),
        ("packed.csv.gz", gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-9], "the file cannot be read"),
        ("not.parquet", b"PAR0 something", ""),
        ("not.json", b'{"a": ', ""),
    ],
)
def test_files_that_cannot_be_read(folder: Path, name: str, content: bytes, words: str) -> None:
    (folder / name).write_bytes(content)
    error = refused(name)
    assert words in error.what
    assert name in str(error.where)
    if name == "latin.sql":
        assert str(error.where).endswith("latin.sql:2")


def test_files_are_inferred_by_their_ending(folder: Path) -> None:
    customers, orders = shop_files(folder)
    source = parse_sources([str(customers), str(orders)])
    found = infer(source, domain="shop", project=folder, connect=nowhere)
    assert [each["name"] for each in found.document["schema"]] == ["customers", "orders"]
    limited = infer(
        parse_sources(["orders.csv"]),
        domain="other",
        project=folder,
        connect=nowhere,
        options=InferOptions(table="sales", limit_rows=10),
    )
    assert [each["name"] for each in limited.document["schema"]] == ["sales"]
    assert "only the first 10 rows" in str(limited.left_out)
