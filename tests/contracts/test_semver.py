"""Versions as people write them, compared as the specification says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundwork.contracts.semver import Bump, Version, bump_between, parse_version

IN_ORDER = ["0.0.1", "0.1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11"]
IN_ORDER += ["1.0.0-rc.1", "v1.0.0+build.5", "1.0.1", "1.2", "2"]
_numbers = st.integers(min_value=0, max_value=50)
_versions = st.builds(Version, major=_numbers, minor=_numbers, patch=_numbers)


def test_versions_sort_as_the_specification_says() -> None:
    found = [parse_version(text) for text in IN_ORDER]
    assert None not in found
    shuffled = [version for version in found[::-1] if version]
    assert sorted(shuffled) == found


@pytest.mark.parametrize(
    "text", ["", "1.2.3.4", "01.0.0", "2024-Q1", "1.0.0-", "latest", "1..2", "\u0661.\u0660.\u0660", "9" * 40]
)
def test_what_is_no_semantic_version(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("1.2.3", "1.2.3", Bump.NONE),
        ("1.2.3", "1.2.4", Bump.PATCH),
        ("1.2.3", "1.3.0", Bump.MINOR),
        ("1.2.3", "2.0.0", Bump.MAJOR),
        ("0.4.1", "0.5.0", Bump.MAJOR),
        ("0.4.1", "0.4.2", Bump.PATCH),
        ("0.9.0", "1.0.0", Bump.MAJOR),
        ("2.0.0", "1.9.9", Bump.NONE),
        ("1.0.0-rc.1", "1.0.0", Bump.PATCH),
    ],
)
def test_what_a_step_announces(old: str, new: str, expected: Bump) -> None:
    before, after = parse_version(old), parse_version(new)
    assert before is not None
    assert after is not None
    assert bump_between(before, after) is expected


@given(_versions, st.sampled_from(Bump))
def test_the_least_version_announces_what_is_due(version: Version, due: Bump) -> None:
    assert bump_between(version, version.raised(due)).covers(due)
    assert parse_version(str(version)) == version
