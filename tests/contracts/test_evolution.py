"""Every kind of change to a contract, with whom it breaks; the shop is changed one line at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from groundwork.contracts.contract import Domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.evolution import Change, Evolution, compare_contracts
from groundwork.contracts.evolution.report import to_markdown, to_text
from groundwork.contracts.read import read_contract
from groundwork.contracts.semver import Bump
from groundwork.model.errors import ConfigError
from tests.contracts.samples import CASES as SAMPLES
from tests.contracts.samples import SHOP_TEXT, market, shop

TODAY = date(2025, 6, 1)
B, C, D = "breaking", "compatible", "documentation"
_BALANCE = '{name: balance, logicalType: number, physicalType: "numeric(12,2)", classification: internal}'

# what is replaced by what, and the (thing, impact, audience) of each change that follows
CASES: dict[str, dict[str, Any]] = YAML(typ="safe").load(SAMPLES / "evolution.yaml")


def _evolution(old_text: str, new_text: str) -> Evolution:
    return compare_contracts(_domain(old_text), _domain(new_text), today=TODAY)


def _domain(*texts: str, names: tuple[str, ...] = ("shop.odcs.yaml",)) -> Domain:
    documents = [parse_document(text, Path(name)) for text, name in zip(texts, names, strict=True)]
    return Domain(name="shop", contracts=tuple(read_contract(document) for document in documents))


def _thing(change: Change) -> str:
    name = f"{change.table}.{change.column}" if change.subject == "column" else change.name
    event = change.what if change.what != "changed" else (change.attribute or "").removeprefix("logicalTypeOptions.")
    return f"{change.subject} {name} {event}"


def _short(evolution: Evolution) -> list[tuple[str, str, str]]:
    return [(_thing(change), str(change.impact), str(change.audience)) for change in evolution.changes]


@pytest.mark.parametrize("name", CASES)
def test_change(name: str) -> None:
    case = CASES[name]
    assert case["old"] in SHOP_TEXT, "the case does not fit the sample"
    found = _short(_evolution(SHOP_TEXT, SHOP_TEXT.replace(case["old"], case["new"], 1)))
    assert sorted(found) == sorted(tuple(entry) for entry in case["expected"])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["expected"]])
def test_undoing_a_change_is_a_change_too(name: str) -> None:
    changed = SHOP_TEXT.replace(CASES[name]["old"], CASES[name]["new"], 1)
    assert _evolution(changed, SHOP_TEXT).changes


def test_nothing_changes_from_a_contract_to_itself() -> None:
    assert compare_contracts(shop(), shop()).contracts == ()
    assert compare_contracts(market(), market()).contracts == ()


def _leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _leaves(value, (*path, key))
    else:
        yield path


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return f"{value}0" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("domain", [shop(), market()], ids=["shop", "market"])
def test_no_value_of_a_contract_changes_unseen(domain: Domain) -> None:
    unseen, tried = [], 0
    for contract in domain.contracts:
        for path in _leaves(contract.document.data):
            data = copy.deepcopy(contract.document.data)
            node: Any = data
            for key in path[:-1]:
                node = node[key]
            before = node[path[-1]]
            node[path[-1]] = _other(before)
            try:
                changed = read_contract(replace(contract.document, data=data))
            except ConfigError:
                continue  # no contract any more, so nothing to compare
            one, other = (Domain(name=domain.name, contracts=(each,)) for each in (contract, changed))
            tried += 1
            if path != ("version",) and not compare_contracts(one, other, today=TODAY).changes:
                unseen.append((path[-1], bool(node.get("primaryKey"))))
    assert tried > 100
    means_nothing = {("primaryKeyPosition", True), ("required", True)}  # of a key's column, where the order stays
    assert set(unseen) <= means_nothing


def test_the_order_of_the_key_counts() -> None:
    first = "name: sale_id, logicalType: integer, physicalType: bigint, primaryKey: true, primaryKeyPosition: "
    (change,) = _evolution(SHOP_TEXT, SHOP_TEXT.replace(f"{first}1", f"{first}3")).changes
    assert (change.attribute, change.old, change.new) == (
        "primaryKey",
        ["sale_id", "sold_date"],
        ["sold_date", "sale_id"],
    )


def test_places_on_both_sides_are_named() -> None:
    new = SHOP_TEXT.replace("schema:\n", "# one\n# two\nschema:\n").replace("numeric(12,2)", "numeric(8,2)")
    (change,) = _evolution(SHOP_TEXT, new).changes
    line = next(number for number, text in enumerate(SHOP_TEXT.splitlines(), 1) if "balance" in text)
    assert (change.old_where, change.new_where) == (f"shop.odcs.yaml:{line}", f"shop.odcs.yaml:{line + 2}")


def test_a_renamed_column_is_one_change_though_keys_and_indexes_follow() -> None:
    new = SHOP_TEXT.replace("sold_date", "sale_date")
    (change,) = _evolution(SHOP_TEXT, new).changes
    assert (change.what, change.old, change.new) == ("renamed", "sold_date", "sale_date")
    assert change.confidence is not None
    assert 0.6 <= change.confidence <= 1


def test_two_candidates_are_no_rename() -> None:
    twins = f"      - {_BALANCE.replace('balance', 'sum_a')}\n      - {_BALANCE.replace('balance', 'sum_b')}"
    found = _short(_evolution(SHOP_TEXT, SHOP_TEXT.replace(f"      - {_BALANCE}", twins)))
    assert ("column customers.balance removed", B, "both") in found
    assert not [thing for thing, _, _ in found if "renamed" in thing]


def test_a_renamed_table_is_recognised_by_its_columns() -> None:
    new = SHOP_TEXT.replace("- name: sales\n", "- name: purchases\n").replace(
        "customers, sales", "customers, purchases"
    )
    renamed = [change for change in _evolution(SHOP_TEXT, new).changes if change.what == "renamed"]
    assert [(change.subject, change.old, change.new) for change in renamed] == [("table", "sales", "purchases")]


def test_a_removed_table_is_told_once() -> None:
    new = SHOP_TEXT[: SHOP_TEXT.index("  - name: sales\n")].replace('"customers, sales"', "customers")
    found = _short(_evolution(SHOP_TEXT, new))
    assert ("table sales removed", B, "both") in found
    assert not [thing for thing, _, _ in found if thing.startswith(("column", "index"))]


_SAID = "{{since: 2025-01-01, removeAfter: {day}, replacement: credit}}"
_NOTICE = f"customProperties: [{{{{property: deprecated, value: {_SAID}}}}}]"


@pytest.mark.parametrize(
    ("day", "impact", "words"),
    [("2025-05-31", C, "announced"), ("2025-06-01", B, "promised until 2025-06-01"), ("soon", B, "without a day")],
)
def test_a_removal_after_its_notice_is_announced(day: str, impact: str, words: str) -> None:
    told = SHOP_TEXT.replace(_BALANCE, _BALANCE[:-1] + ", " + _NOTICE.format(day=day) + "}")
    (change,) = _evolution(told, SHOP_TEXT.replace(f"      - {_BALANCE}\n", "")).changes
    assert (change.what, str(change.impact)) == ("removed", impact)
    assert words in change.why
    assert "credit" in change.why
    (notice,) = _evolution(SHOP_TEXT, told).changes
    assert (notice.attribute, str(notice.impact)) == ("deprecated", C)


def test_a_notice_may_not_be_shortened() -> None:
    old, new = (
        SHOP_TEXT.replace(_BALANCE, _BALANCE[:-1] + ", " + _NOTICE.format(day=day) + "}")
        for day in ("2026-01-01", "2025-07-01")
    )
    (change,) = _evolution(old, new).changes
    assert str(change.impact) == B


def test_nested_properties_and_items_are_compared() -> None:
    nested = _BALANCE.replace("logicalType: number", "logicalType: object").replace("numeric(12,2)", "jsonb")[:-1]
    old = nested + ", properties: [{name: amount, logicalType: integer, physicalType: integer}]}"
    new = nested + ", properties: [{name: amount, logicalType: integer, physicalType: bigint}]}"
    (change,) = _evolution(SHOP_TEXT.replace(_BALANCE, old), SHOP_TEXT.replace(_BALANCE, new)).changes
    assert (change.column, change.attribute, str(change.impact)) == ("balance.amount", "physicalType", C)
    assert change.columns == ("balance",)


def test_enum_types() -> None:
    old, new = (
        SHOP_TEXT.replace(
            "schema:\n", f"  - {{property: enumTypes, value: [{{name: mood, values: [{values}]}}]}}\nschema:\n"
        )
        for values in ("sad, ok, happy", "ok, sad, glad")
    )
    found = [
        (str(change.impact), str(change.audience), change.old, change.new) for change in _evolution(old, new).changes
    ]
    assert (B, "writers", ["happy"], None) in found
    assert (C, "readers", None, ["glad"]) in found
    assert [entry for entry in found if entry[:2] == (B, "readers")], "the order of values is how they sort"


@pytest.mark.parametrize(
    ("old", "new", "change", "is_announced", "words"),
    [
        ("1.0.0", "1.0.0", "balance,", False, "set `version: 2.0.0`"),
        ("1.0.0", "1.1.0", "balance,", False, "only minor is announced"),
        ("1.0.0", "2.0.0", "balance,", True, "announced: major, due: major"),
        ("0.3.0", "0.4.0", "balance,", True, "announced: major"),
        ("0.3.0", "0.3.1", "balance,", False, "set `version: 0.4.0`"),
        ("1.0.0", "1.0.0", None, True, ""),
        ("1.0.0", "1.0.1", None, True, "due: none"),
        ("1.0.0", "0.9.0", None, False, "went back"),
        ("2024-Q1", "2024-Q2", "balance,", False, "use MAJOR.MINOR.PATCH"),
        ("2024-Q1", "2024-Q2", None, True, "due: none"),
    ],
)
def test_versions(old: str, new: str, change: str | None, is_announced: bool, words: str) -> None:
    before = SHOP_TEXT.replace("version: 1.0.0", f"version: {old}")
    after = SHOP_TEXT.replace("version: 1.0.0", f"version: {new}")
    found = _evolution(before, after.replace(change, "saldo,") if change else after)
    assert found.is_announced is is_announced
    assert words in (found.contracts[0].verdict if found.contracts else "")


def test_documentation_is_due_a_patch() -> None:
    found = _evolution(SHOP_TEXT, SHOP_TEXT.replace("What was bought.", "What was sold."))
    assert (found.due, found.is_announced) == (Bump.PATCH, False)


def _split() -> tuple[str, str]:
    """The shop in two contracts: customers, and sales."""
    head, tables = SHOP_TEXT.split("schema:\n")
    start = tables.index("  - name: sales\n")
    sales = head.replace("id: shop-sales", "id: shop-orders") + "schema:\n" + tables[start:]
    return head + "schema:\n" + tables[:start], sales


def test_a_table_may_move_to_another_contract() -> None:
    customers, sales = _split()
    two = _domain(customers, sales, names=("shop.odcs.yaml", "orders.odcs.yaml"))
    found = compare_contracts(_domain(SHOP_TEXT), two, today=TODAY)
    assert ("table sales moved", C, "both") in _short(found)
    assert not found.breaking


def test_a_contract_that_goes_must_break_nothing() -> None:
    customers, sales = _split()
    two = _domain(customers, sales, names=("shop.odcs.yaml", "orders.odcs.yaml"))
    found = compare_contracts(two, _domain(customers), today=TODAY)
    (gone,) = found.contracts
    assert (gone.id, gone.new_version, gone.is_announced) == ("shop-orders", None, False)
    assert "removeAfter" in gone.verdict
    column = "      - {property: retentionColumn, value: sold_date}"
    notice = "      - {property: deprecated, value: {removeAfter: 2025-01-01}}"
    told = sales.replace(column, f"{notice}\n{column}")
    before = _domain(customers, told, names=("shop.odcs.yaml", "orders.odcs.yaml"))
    assert compare_contracts(before, _domain(customers), today=TODAY).is_announced


def test_a_contract_is_found_though_its_file_or_its_id_changed() -> None:
    moved = _domain(SHOP_TEXT, names=("renamed.odcs.yaml",))
    assert not compare_contracts(_domain(SHOP_TEXT), moved).contracts
    other = compare_contracts(_domain(SHOP_TEXT), _domain(SHOP_TEXT.replace("id: shop-sales", "id: shop-2")))
    assert _short(other) == [("contract shop-sales id", B, "both")]


def test_reports_hold_every_change_and_cannot_be_broken_out_of() -> None:
    hostile = SHOP_TEXT.replace("What was bought.", '"</code>|<script>`x`[y](javascript:z) @all \\n# title"')
    found = [_evolution(SHOP_TEXT, hostile.replace("numeric(12,2)", "numeric(8,2)"))]
    text, markdown = to_text(found), to_markdown(found)
    assert "BREAKING [writers] column customers.balance: physicalType: numeric(12,2) → numeric(8,2)" in text
    assert "REFUSED" in text
    assert "❌" in markdown
    assert not [word for word in ("<script", "</code>|", "](", "@all", "`") if word in markdown]


def test_a_large_contract_is_compared_in_time() -> None:
    import time

    columns = "".join(
        f"      - {{name: c{number}, logicalType: string, physicalType: text, classification: internal}}\n"
        for number in range(2_000)
    )
    old = _domain(SHOP_TEXT.replace(f"      - {_BALANCE}\n", columns))
    new = _domain(SHOP_TEXT.replace(f"      - {_BALANCE}\n", columns.replace("name: c", "name: d")))
    start = time.process_time()
    found = compare_contracts(old, new, today=TODAY)
    assert time.process_time() - start < 60  # of this process alone, whatever else is busy
    assert len(found.breaking) == 2_000
