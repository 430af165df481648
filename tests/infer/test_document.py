"""A proposal as text: it reads back as its data, the same each time, with every guess marked and nobody's values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwork.contracts.document import parse_document
from groundwork.contracts.evolution import compare_contracts
from groundwork.contracts.lint.run import judged
from groundwork.contracts.lint.yaml_text import parse_leniently
from groundwork.contracts.read import assembled, read_contract
from groundwork.contracts.yaml_tree import parse_tree
from groundwork.contracts.yaml_writing import readable_text
from groundwork.infer.document import contract_data, to_yaml
from groundwork.infer.document_marks import host_of, place_words, unmarked
from groundwork.infer.files import infer_files
from groundwork.infer.profile import Guess, Proposal
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity
from tests.infer.shop_files import CUSTOMERS, email, full_name, shop_files

_PATH = Path("shop.odcs.yaml")
_NESTED = "/schema/0/properties/1/items/properties/0"
_AWKWARD = (
    "yes 1e3 ~ << a:_b #_no -_x *a &a !t x\ny x\r\ny _x_ é\u2028 \x01 0o7 %x @x `x` \" ' { [a a,_b ? 12:30 null "
    "2024-01-01 x__#_y word_word"
)
_DOCUMENT = {
    "apiVersion": "v3.2.0",
    "status": "proposed",
    "domain": "shop",
    "schema": [
        {
            "name": "orders",
            "properties": [
                {"name": "order_id", "physicalType": "integer"},
                {"name": "lines", "items": {"physicalType": "jsonb", "properties": [{"name": "sku"}]}},
            ],
            "relationships": [{"from": ["orders.order_id"], "to": ["other.id"]}],
        }
    ],
    "slaProperties": [{"property": "freshness", "value": 1}],
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Proposal:
    folder = tmp_path_factory.mktemp("shop")
    return infer_files(shop_files(folder), domain="shop", project=folder)


def guess(pointer: str, **more: Any) -> Guess:
    return Guess(pointer=pointer, **{"what": "it", "evidence": "seen", "confidence": 0.5, **more})


def marks(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        mark for each in part.get("customProperties", ()) if each["property"] == "proposed" for mark in each["value"]
    ]


def test_the_text_reads_back_as_the_data_and_passes_the_rules(shop: Proposal) -> None:
    for is_marked, status in ((True, "proposed"), (False, "draft")):
        text = to_yaml(shop, is_marked=is_marked)
        assert parse_tree(text).value == contract_data(shop, is_marked=is_marked)
        assert text == to_yaml(shop, is_marked=is_marked)
        found = judged([parse_leniently(text, _PATH)], domain="shop")
        assert [each.problem.message for each in found if each.severity is Severity.ERROR] == []
        assert f"\nstatus: {status}\n" in text
    assert "proposed" not in to_yaml(shop, is_marked=False).replace("Proposed from", "")
    assert unmarked(contract_data(shop)) == contract_data(shop, is_marked=False)


def test_every_guess_is_marked_at_its_place(shop: Proposal) -> None:
    data = contract_data(shop)
    columns = {each["name"]: each for each in data["schema"][0]["properties"]}
    assert {mark["at"]: mark["what"] for mark in marks(columns["segment"])} == {
        "classification": "internal", "required": "never null", "enum": "allowed values",
    }  # fmt: skip
    reference = data["schema"][1]["relationships"][0]
    assert [mark["what"] for mark in marks(reference)] == ["customer_id refers to customers"]
    assert "at" not in marks(reference)[0]
    assert marks(data["slaProperties"][0])[0]["confidence"] == 0.5
    everywhere = re.findall(r"\bconfidence: [01]\.\d", to_yaml(shop))
    assert len(everywhere) == len(shop.guesses) > 20


def test_lines_of_guessed_values_say_so(shop: Proposal) -> None:
    text = to_yaml(shop)
    assert re.search(r"\n        primaryKey: true  # proposed, 0\.9\d\n", text)
    assert re.search(
        r"\n        logicalTypeOptions: \{minLength: 1, maxLength: 50\}  # proposed, 0\.60 to 0\.70\n", text
    )
    assert re.search(r"\n      - from: \[orders\.customer_id\]  # proposed, 0\.98\n", text)
    assert "#" not in to_yaml(shop, is_marked=False)


def test_no_value_of_a_person_is_in_the_text(shop: Proposal) -> None:
    text = to_yaml(shop)
    assert "@example" not in text
    for number in range(1, CUSTOMERS + 1):
        assert email(number) not in text
        assert full_name(number) not in text


@pytest.mark.parametrize(
    ("pointer", "host", "words"),
    [
        ("/schema/0/properties/0/physicalType", "/schema/0/properties/0", "orders.order_id physicalType"),
        (f"{_NESTED}/name", _NESTED, "orders.lines.sku name"),
        ("/schema/0/properties/1/items/physicalType", "/schema/0/properties/1/items", "orders.lines physicalType"),
        ("/schema/0/relationships/0", "/schema/0/relationships/0", "orders.relationship 1"),
        ("/schema/0/customProperties/0/value/1", "/schema/0", "orders customProperties 0 value 1"),
        ("/schema/0/properties/7/physicalType", "/schema/0", "orders properties 7 physicalType"),
        ("/schema/9", "", "the contract schema 9"),
        ("/slaProperties/0", "/slaProperties/0", "freshness"),
        ("/description/purpose", "", "the contract description purpose"),
        ("", "", "the contract"),
    ],
)  # fmt: skip
def test_the_part_that_holds_a_mark(pointer: str, host: str, words: str) -> None:
    assert host_of(_DOCUMENT, pointer) == host
    assert place_words(_DOCUMENT, pointer) == words
    found = contract_data(Proposal(document=_DOCUMENT, guesses=(guess(pointer),)))
    assert unmarked(found) == unmarked(_DOCUMENT)
    assert found != unmarked(found)


def test_texts_that_yaml_would_take_for_something_else_stay_texts() -> None:
    awkward = ["", *(text.replace("_", " ") for text in _AWKWARD.split(" ")), "word " * 60]
    document = {**_DOCUMENT, "description": {"purpose": awkward[-1]}, "tags": awkward}
    document["team"] = {"name": "t", "members": [{text: text} for text in awkward if text]}
    found = Proposal(document=document, guesses=tuple(guess(f"/tags/{n}", what=text) for n, text in enumerate(awkward)))
    assert parse_tree(to_yaml(found)).value == contract_data(found)
    assert parse_tree(to_yaml(found, is_marked=False)).value == {**document, "status": "draft"}


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_TEXT, _VALUE, max_size=5))
def test_any_data_reads_back(data: dict[str, Any]) -> None:
    assert parse_tree(readable_text(data)).value == data


def test_names_that_are_no_text_become_text() -> None:
    document = {**_DOCUMENT, "description": {"purpose": "Proposed from caf\udce9.csv\0."}}
    found = Proposal(document=document, guesses=(guess("", evidence="in caf\udce9.csv"),))
    text = to_yaml(found)
    assert text.encode()
    assert parse_tree(text).value["description"] == {"purpose": "Proposed from caf?.csv�."}


def test_a_contract_that_no_file_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.contracts.document.MOST_BYTES", 3000)
    properties = [{"name": f"column_{n}", "description": "x" * 30} for n in range(200)]
    with pytest.raises(ConfigError) as error:
        to_yaml(Proposal(document={**_DOCUMENT, "schema": [{"name": "wide", "properties": properties}]}))
    assert "200" in to_yaml(Proposal(document={**_DOCUMENT, "tags": ["200"]}))
    assert "too large" in error.value.what
    assert "--split" in str(error.value.next_step)


def test_marks_have_no_effect_and_going_is_no_change(shop: Proposal) -> None:
    domains = []
    for is_marked in (True, False):
        text = to_yaml(shop, is_marked=is_marked).replace("status: proposed", "status: draft")
        document = parse_document(text, _PATH)
        domains.append(assembled("shop", [read_contract(document)]))
    assert compare_contracts(*domains).changes == ()
    assert [table.columns for table in domains[0].tables] == [table.columns for table in domains[1].tables]
