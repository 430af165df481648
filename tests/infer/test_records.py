"""Fields of records that somebody else has read get the types that files of them would get."""

from __future__ import annotations

import pytest

from groundwork.infer.records import FieldSample, profile_fields

_TEXTS: list[tuple[list[str | None], str]] = [
    (["1", "2", None], "integer"),
    (["1.50", "12.25", None], "numeric(7,2)"),
    (["3000000000", "1", "2"], "bigint"),
    (["2024-05-01", None, None], "date"),
    (["1,5", "2,5", "3,5"], "text"),  # a load could not take a decimal comma
    (["1", "NA", "3"], "text"),
    ([None, None, None], "text"),
]
_JSON: list[tuple[list[str | None], str]] = [
    (["1", "null", None], "integer"),
    (['"1"', '"2"', None], "text"),  # a text on purpose
    (["true", "false", None], "boolean"),
    (['{"a": 1}', None, None], "jsonb"),
    (['["x"]', "[]", None], "text[]"),
]


@pytest.mark.parametrize(("is_json", "cases"), [(False, _TEXTS), (True, _JSON)], ids=["texts", "json"])
def test_types(*, is_json: bool, cases: list[tuple[list[str | None], str]]) -> None:
    samples = [
        FieldSample(name=f"Field {place}", column=f"field_{place}", values=values, is_json=is_json)
        for place, (values, _) in enumerate(cases)
    ]
    profiles = profile_fields(samples)
    assert [profile.type for profile in profiles] == [kind for _, kind in cases]
    assert [profile.name for profile in profiles] == [sample.column for sample in samples]
    assert profiles[0].nulls == (2 if is_json else 1)


def test_a_type_that_the_source_tells_counts() -> None:
    (profile,) = profile_fields([FieldSample(name="n", column="n", values=["5", "x"], type="numeric(20,0)")])
    assert (profile.type, profile.samples) == ("numeric(20,0)", ("5", "x"))
