"""Broken records are kept apart with every reason they have, and cost their neighbours nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from groundwork.flow.source import BATCH_ROWS, fillable
from groundwork.flow.sources.computed import ComputedSource, find_computation
from groundwork.model.errors import ConfigError
from tests.fix_market import Market
from tests.flow.loads.test_load import HEADER, price

CASES = YAML(typ="safe").load((Path(__file__).parent / "cases" / "broken_prices.yaml").read_text())
QUARANTINE = "SELECT position, raw, reasons FROM groundwork_flow.quarantine ORDER BY position"


def labels(reasons: list[dict[str, Any]]) -> list[str]:
    return [f"{reason['rule']}:{reason['column']}" if reason["column"] else reason["rule"] for reason in reasons]


@pytest.mark.postgres
@pytest.mark.parametrize("is_first", [True, False], ids=["into the empty table", "beside other rows"])
def test_every_case_at_once(market: Market, tmp_path: Path, is_first: bool) -> None:
    if not is_first:
        market.load("stock_prices")
    file = tmp_path / "prices.csv"
    with file.open("wb") as sink:
        sink.write(HEADER.encode())
        for number, case in enumerate(CASES):
            sink.write(price("GOOD", f"2019-{1 + number // 28:02}-{1 + number % 28:02}").encode())
            line = bytes.fromhex(case["bytes"]) if "bytes" in case else case["record"].encode()
            if not case["reasons"]:
                line = line.replace(b"2020-01-02", f"2021-01-{number + 1:02}".encode())
            sink.write(line + b"\n")
    result = market.load("stock_prices", source_override=market.source("stock_prices", file))
    found = {row.position: row for row in market.rows(QUARANTINE)}
    broken = {2 * number: case for number, case in enumerate(CASES, 1) if case["reasons"]}
    assert {position: sorted(labels(found[position].reasons)) for position in found} == {
        position: sorted(case["reasons"]) for position, case in broken.items()
    }
    assert result.is_balanced
    assert (result.read, result.quarantined) == (2 * len(CASES), len(broken))
    assert result.loaded == result.read - len(broken)
    assert market.value("SELECT count(*) FROM market.stock_prices WHERE ticker = 'GOOD'") == len(CASES)


@pytest.mark.postgres
def test_the_raw_record_is_kept_as_it_was(market: Market, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_bytes(HEADER.encode() + b"a,2020-01-02,10.50,11,9,10,5,10\nA\x00,1\n\xffA,2\n")
    market.load("stock_prices", source_override=market.source("stock_prices", file))
    first, second, third = (row.raw for row in market.rows(QUARANTINE))
    assert first["Open"] == "10.50"
    assert first["Ticker"] == "a"
    assert second == {"line": "A\\x00,1"}
    assert third == {"line": "\\xffA,2"}


@pytest.mark.postgres
def test_json_lines_with_every_kind_of_fault(market: Market, tmp_path: Path) -> None:
    good = {
        "article_id": "00000000-0000-0000-0000-000000000001",
        "published_at": "2020-01-02T03:04:05+01:00",
        "title": "A title",
        "body": "A body",
        "metadata": {"price": 1.5, "nested": [1, None]},
    }
    other = {**good, "article_id": "00000000-0000-0000-0000-000000000002"}
    lines: list[tuple[str | bytes, list[str]]] = [
        (json.dumps(good), []),
        ("{not json", ["not_json"]),
        ("[1, 2]", ["not_json"]),
        ('{"article_id": NaN}', ["not_json"]),
        ("[" * 100_000, ["not_json"]),
        (b'{"title": "\xff"}', ["encoding"]),
        (json.dumps({**other, "titel": "typo"}), ["unknown_field"]),
        (json.dumps({**other, "title": "a\u0000b"}), ["nul_byte:title"]),
        (json.dumps({**other, "title": "\ud800 alone"}), ["encoding:title"]),
        (json.dumps({**other, "title": None, "article_id": "x"}), ["type:article_id", "not_null:title"]),
        (json.dumps({**other, "metadata": {"a": "\u0000"}}), ["type:metadata"]),
        (json.dumps({**other, "author_email": "nobody"}), ["matches:author_email"]),
        (json.dumps({**other, "published_at": "now"}), ["type:published_at"]),
        (json.dumps({**other, "title": "Fine again"}), []),
    ]
    file = tmp_path / "news.jsonl"
    file.write_bytes(b"\n\n".join(line if isinstance(line, bytes) else line.encode() for line, _ in lines))
    result = market.load("news_articles", source_override=market.source("news_articles", file))
    found = {row.position: sorted(labels(row.reasons)) for row in market.rows(QUARANTINE)}
    assert found == {number: sorted(wanted) for number, (_, wanted) in enumerate(lines, 1) if wanted}
    assert (result.read, result.loaded) == (len(lines), 2)
    row = market.rows("SELECT published_at::text, metadata FROM market.news_articles ORDER BY article_id")[0]
    assert row.published_at == "2020-01-02 02:04:05+00"
    assert row.metadata == good["metadata"]


@pytest.mark.postgres
def test_rows_without_their_parents_are_rejected(loaded_market: Market) -> None:
    table = loaded_market.domain.table("trading_signals")
    signal = dict(loaded_market.rows("SELECT * FROM market.trading_signals WHERE action = 'buy' LIMIT 1")[0]._mapping)
    nobody = "00000000-0000-0000-0000-00000000000"
    rows = [
        {**signal, "signal_id": f"{nobody}1", "strategy_id": f"{nobody}9"},
        {**signal, "signal_id": f"{nobody}2", "signal_date": "1999-01-01"},
        {**signal, "signal_id": f"{nobody}3"},
        {**signal, "signal_id": f"{nobody}4", "action": "hold", "surprise": 1},
    ]
    source = ComputedSource(
        name="test:rows",
        computation=lambda *_: iter(rows),
        engine=loaded_market.engine,
        domain=loaded_market.domain,
        schema="market",
        types={column.name: column.type for column in fillable(table)},
        batch_rows=BATCH_ROWS,
    )
    result = loaded_market.load("trading_signals", source_override=source)
    assert (result.read, result.quarantined) == (4, 4)
    found = {row.position: sorted(labels(row.reasons)) for row in loaded_market.rows(QUARANTINE)}
    assert found == {
        1: ["references:strategy_id"],
        2: ["references"],
        3: ["unique"],  # strategy, ticker and day are taken by the signal it was copied from
        4: ["unknown_field"],
    }


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "groundwork.flow.loads.load",
        "groundwork.market.book:_signals",
        "groundwork.market.book:defaultdict",
        "groundwork.market.nothing:rows",
        "groundwork.market.book:nothing",
        "groundwork.market.book:Book",
        "groundwork.../os:system",
        "subprocess:groundwork.run",
    ],
)
def test_a_contract_can_only_name_functions_of_groundwork(name: str) -> None:
    with pytest.raises(ConfigError, match="computed source") as caught:
        find_computation(name)
    assert name in (caught.value.where or "")
