"""Values in words, and small charts."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta

import pytest

from groundwork.pages import charts, render, words

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("module", [words, charts])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    found = doctest.testmod(module, extraglobs={"UTC": UTC, "datetime": datetime})  # type: ignore[arg-type]
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (2, "just now"),
        (-2, "just now"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3_599, "59 min ago"),
        (86_399, "23 h ago"),
        (86_400 * 400, "400 d ago"),
        (-7_200, "in 2 h"),
    ],
)
def test_times_are_relative(seconds: int, expected: str) -> None:
    assert words.distance(NOON - timedelta(seconds=seconds), NOON) == expected


def test_a_time_carries_the_exact_moment_in_utc() -> None:
    at = datetime.fromisoformat("2026-11-21T13:30:15+02:00")
    assert str(words.moment(at, NOON)) == (
        '<time datetime="2026-11-21T11:30:15+00:00" title="2026-11-21 11:30:15 UTC">29 min ago</time>'
    )


def test_an_unfinished_time_grows() -> None:
    start = NOON - timedelta(seconds=75)
    assert words.duration(start, None, NOON) == "1 min 15 s"
    assert words.duration(None, None, NOON) == words.NOTHING


def test_a_score_is_full_only_when_nothing_is_missing() -> None:
    assert words.share(0.99999) == "99.9 %"
    assert words.share(1.0) == "100 %"


def test_code_is_marked_and_everything_else_escaped() -> None:
    assert str(words.prose("run `a<b` & <i>")) == "run <code>a&lt;b</code> &amp; &lt;i&gt;"


def test_a_flat_trend_is_drawn_flat_and_in_the_middle() -> None:
    drawn = str(charts.sparkline([1.0, 1.0], "score"))
    assert 'points="3.0,12.0 93.0,12.0"' in drawn


def test_a_label_cannot_break_out_of_its_attribute() -> None:
    assert '"><script>' not in str(charts.sparkline([0.5], '"><script>'))


@pytest.mark.parametrize(
    ("text", "absent", "present"),
    [
        ("<script>alert(1)</script>", "<script>", "&lt;script&gt;"),
        ("[x](javascript:alert(1))", "href", "javascript:alert(1)"),
        ("![x](data:text/html,1)", "<img", "data:text/html"),
        ("| a |\n|--:|\n| b |", "style", '<td class="figure">b</td>'),
    ],
)
def test_markdown_is_rendered_without_anything_active(text: str, absent: str, present: str) -> None:
    made = str(render.markdown(text))
    assert absent not in made
    assert present in made
