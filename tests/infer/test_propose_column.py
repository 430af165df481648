"""What is proposed for a column holds on all rows seen, keeps a margin, and never tells personal data."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundwork.infer.propose import ColumnProposal, propose_column
from groundwork.infer.quality_patterns import pattern_of_values
from groundwork.model.vocabulary import Classification, PersonalData
from tests.infer.profiles import column_profile

CODES = [f"u{n}" for n in range(99)]
PEOPLE = ["Ada Hopper", "Grace Turing", "Alan Noether", "Emmy Curie", "Marie Lovelace", "Edsger Knuth"]


def proposed(name: str, values: list[Any], physical_type: str | None = None, **more: Any) -> ColumnProposal:
    table = more.pop("table", "things")
    return propose_column(column_profile(name, values, physical_type, **more), table=table)


def test_a_list_of_few_values_over_many_rows_is_proposed_with_its_evidence() -> None:
    found = proposed("status", ["open", "paid", "sent"] * 40)
    assert found.allowed_values == ("open", "paid", "sent")
    guess = next(guess for guess in found.guesses if guess.pointer == "/enum")
    assert guess.evidence == "3 values in 120 rows, the rarest 40 times"
    assert guess.confidence >= 0.9


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", ["open", "paid"] * 10),  # too few rows
        ("city", [f"city {n % 19}" for n in range(300)]),  # too few rows per value for a name that says no list
        ("city", ["Bern", "Rome"] * 100 + ["Oslo"]),  # a value seen once says that there are more
        ("comment", ["good", "bad"] * 100),  # free text
        ("customer_id", ["a", "b"] * 100),  # identifiers
    ],
)
def test_what_chance_explains_is_no_list_of_values(name: str, values: list[str]) -> None:
    assert proposed(name, values).allowed_values == ()


def test_a_key_gets_no_list_of_values() -> None:
    profile = column_profile("currency", ["EUR", "USD"] * 100)
    assert propose_column(profile).allowed_values == ("EUR", "USD")
    assert propose_column(profile, is_key=True).allowed_values == ()


@pytest.mark.parametrize(
    ("name", "values", "physical_type", "options"),
    [
        ("quantity", list(range(1, 60)), "integer", {"minimum": 0}),
        ("quantity", [*range(1, 60), *range(1, 60)], "integer", {"minimum": 0, "maximum": 1000}),
        ("change", [*range(-40, 40), *range(-40, 40)], "integer", {"minimum": -500, "maximum": 500}),
        ("discount_pct", [n % 50 for n in range(100)], "integer", {"minimum": 0, "maximum": 100}),
        ("customer_id", [n % 50 for n in range(100)], "integer", {"minimum": 0}),
        ("small", [n % 9 * 10_000 for n in range(100)], "integer", {"minimum": 0, "maximum": 1_000_000}),
        ("small", [n % 9 * 4_000 for n in range(100)], "smallint", {"minimum": 0}),  # the type says more
        ("few", [1, 2, 3], "integer", {}),
    ],
)
def test_ranges_hold_and_keep_a_margin(name: str, values: list[int], physical_type: str, options: Any) -> None:
    assert proposed(name, values, physical_type).options == options


def test_times_get_a_first_day_and_event_times_a_freshness() -> None:
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(100)]
    found = propose_column(column_profile("loaded_date", days, "date"))
    assert found.options == {"minimum": "2019-01-01"}
    assert found.freshness == (14.0, "d")
    assert propose_column(column_profile("due_date", days, "date")).freshness is None
    stamped = column_profile("loaded_at", days, "timestamptz")
    assert propose_column(stamped).options == {"minimum": "2019-01-01T00:00:00Z"}


def test_texts_get_lengths_with_room_and_the_pattern_that_all_have() -> None:
    found = proposed("sku", [f"AB-{n:04}" for n in range(50)])
    assert found.options == {"minLength": 1, "maxLength": 20, "pattern": "^[A-Z]{2}-[0-9]{4}$"}
    limited = proposed("sku", [f"AB-{n:04}" for n in range(50)], "varchar(8)")
    assert "maxLength" not in limited.options


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        ([f"A{n}" for n in range(50)], "^[A-Z][0-9]+$"),
        ([f"{n:05}" for n in range(50)], "^[0-9]{5}$"),
        ([f"X{n}Y" if n % 2 else f"{n}Z" for n in range(50)], "^[A-Z0-9]+$"),
        ([f"v{n}.{n}" for n in range(50)], r"^[a-z][0-9]+\.[0-9]+$"),
        ([f"word{'s' * n}" for n in range(20)], None),
        ([f"some words {n}" for n in range(50)], None),
        ([f"ä{n}" for n in range(50)], None),
        ([f"A{n}" for n in range(10)], None),
    ],
)
def test_patterns_come_from_shapes(values: list[str], pattern: str | None) -> None:
    assert pattern_of_values(values) == pattern


@given(st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=8), min_size=20, max_size=60, unique=True))
def test_a_pattern_matches_every_value_it_came_from(values: list[str]) -> None:
    import re

    pattern = pattern_of_values(values)
    assert pattern is None or all(re.search(pattern, value) for value in values)


@given(st.lists(st.from_regex(r"[A-Z]{1,3}[-_.+*?(|\\^$][0-9]{2,4}", fullmatch=True), min_size=25, unique=True))
def test_patterns_of_codes_match_and_can_be_translated(values: list[str]) -> None:
    import re

    from groundwork.contracts.derive.patterns import to_postgresql

    pattern = pattern_of_values(values)
    if pattern is not None:
        assert all(re.search(pattern, value) for value in values)
        assert to_postgresql(pattern)


def test_personal_data_is_guarded_and_no_value_of_it_is_told() -> None:
    emails = [f"p{n}@example.com" for n in range(40)]
    found = proposed("contact", emails * 3, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    assert found.personal_data is PersonalData.EMAIL
    assert found.classification is Classification.CONFIDENTIAL
    assert found.masking == "partial"
    assert found.options["format"] == "email"
    assert "p1@" not in str(found)
    names = proposed("full_name", PEOPLE * 30)
    assert names.personal_data is PersonalData.NAME
    assert names.allowed_values == ()
    assert not any(person in str(names) for person in PEOPLE)
    births = [date(1950, 1, 1) + timedelta(days=97 * n) for n in range(60)]
    born = propose_column(column_profile("date_of_birth", births, "date"))
    assert born.masking == "null"
    assert "minimum" not in born.options
    assert "195" not in str(born)


def test_secrets_are_guarded_by_their_name() -> None:
    found = proposed("api_key", [f"k{n:08}" for n in range(50)])
    assert found.classification is Classification.RESTRICTED
    assert "pattern" not in found.options


def test_what_nobody_guards_is_internal_until_its_owner_says_so() -> None:
    found = proposed("colour", ["red", "blue", "green"])
    assert found.classification is Classification.INTERNAL
    assert "internal until its owner publishes it" in found.guesses[0].evidence


def test_neighbours_and_the_table_count_for_classification() -> None:
    name = column_profile("name", PEOPLE)
    alone = propose_column(name, table="parks")
    beside = propose_column(name, neighbours=[column_profile("email", ["a@example.com"]), name], table="parks")
    assert alone.personal_data is None
    assert beside.personal_data is PersonalData.NAME


def test_presence_and_uniqueness_say_on_how_many_rows() -> None:
    found = {guess.pointer: guess for guess in proposed("user_code", CODES, table="users").guesses}
    assert found["/required"].evidence == "no row of 99 is without a value"
    assert found["/unique"].evidence == "99 values in 99 rows, none twice"
    assert found["/unique"].confidence == 0.99
    assert proposed("user_code", CODES, table="orders").guesses[2].confidence < 0.9  # another table's key
    assert proposed("zip_code", CODES, table="zips").guesses[2].confidence < 0.9
    assert proposed("sku", CODES, table="stock").guesses[2].confidence == 0.99
    few = proposed("colour", ["red", None])
    assert not few.is_required
    assert few.options == {}


@pytest.mark.parametrize("physical_type", ["jsonb", "text[]", "tsvector", "order_status", "bytea", "boolean", "inet"])
def test_types_without_rules_get_none(physical_type: str) -> None:
    found = proposed("thing", ["a", "b"] * 60, physical_type)
    assert found.options == {}
    assert found.allowed_values == ()
    assert found.logical_type


@pytest.mark.parametrize("odd", ["infinity", "0044-03-15 BC", "-infinity", "24:00:00"])
def test_times_that_python_cannot_hold_give_no_range(odd: str) -> None:
    profile = column_profile("at", ["x"] * 60, "timestamptz", minimum=odd, maximum=odd)
    assert propose_column(profile).options == {}


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity"])
def test_numbers_without_end_give_no_range(odd: str) -> None:
    profile = column_profile("reading", ["x"] * 60, "numeric", minimum="0", maximum=odd)
    assert propose_column(profile).options == {}
