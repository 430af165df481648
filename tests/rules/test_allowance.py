"""Comments that allow: with a reason, for a rule that is broken there, listed; all else is a finding itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.samples import checked, shop, told

IMPORT = "import sqlite3"


@pytest.mark.parametrize(
    "source",
    [
        f"{IMPORT}  # groundwork: allow direct_driver the file is SQLite's\n",
        f"# groundwork: allow direct_driver the file is SQLite's\n{IMPORT}\n",
        f"# groundwork: allow direct_driver the file is SQLite's\n# and another comment\n\n{IMPORT}\n",
        f'"""A module."""\n\n# groundwork: allow-file direct_driver the file is SQLite\'s\n\n{IMPORT}\n',
        f"#groundwork: allow direct_driver: the file is SQLite's\n{IMPORT}\n",
    ],
)
def test_a_reason_allows_and_is_listed(tmp_path: Path, source: str) -> None:
    report = checked(tmp_path, source)
    assert report.findings == ()
    (allowed,) = report.allowed
    assert (allowed.finding.rule, allowed.reason) == ("direct_driver", "the file is SQLite's")
    assert allowed.comment_line == next(n for n, line in enumerate(source.splitlines(), 1) if "groundwork" in line)


def test_a_comment_covers_its_whole_statement_and_no_more(tmp_path: Path) -> None:
    source = """def load(cursor):
    # groundwork: allow raw_sql the server's own statistics
    rows = (
        cursor
        .execute('SELECT 1')
    )
    cursor.execute('SELECT 2')
    with open('x') as f:  # groundwork: allow raw_sql only the head
        cursor.execute('SELECT 3')
"""
    report = checked(tmp_path, source)
    assert [allowed.finding.line for allowed in report.allowed] == [4]
    assert told(report) == [(7, "raw_sql"), (8, "allow_comment"), (9, "raw_sql")]


def test_several_rules_with_one_reason(tmp_path: Path) -> None:
    source = "from sqlalchemy import create_engine\n# groundwork: allow own_engine,own_session a probe of the server\n"
    report = checked(tmp_path, source + "create_engine('x').connect()\n")
    assert report.findings == ()
    assert sorted(allowed.finding.rule for allowed in report.allowed) == ["own_engine", "own_session"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (f"{IMPORT}  # groundwork: allow direct_driver\n", "no reason"),
        (f"{IMPORT}  # groundwork: allow direct_drivers it is fine\n", "no rule `direct_drivers`"),
        (f"{IMPORT}  # groundwork: allow\n", "the rule is missing"),
        (f"{IMPORT}  # groundwork: ignore direct_driver because\n", "nothing that a comment can do"),
        (f"{IMPORT}\n# groundwork: allow-file direct_driver too late\n", "before the first statement"),
    ],
)
def test_a_wrong_comment_allows_nothing_and_is_told(tmp_path: Path, source: str, says: str) -> None:
    report = checked(tmp_path, source)
    assert sorted(finding.rule for finding in report.findings) == ["allow_comment", "direct_driver"]
    (comment,) = [finding for finding in report.findings if finding.rule == "allow_comment"]
    assert says in comment.message
    assert report.allowed == ()


def test_a_comment_that_allows_nothing_is_told(tmp_path: Path) -> None:
    report = checked(tmp_path, "x = 1  # groundwork: allow raw_sql it was here once\n")
    assert told(report) == [(1, "allow_comment")]
    assert "allows nothing" in report.findings[0].message


def test_a_comment_about_contracts_is_not_judged_without_contracts(tmp_path: Path) -> None:
    source = "x = 1  # groundwork: allow undeclared_column another database\n"
    assert checked(tmp_path, source).findings == ()
    assert told(checked(tmp_path, source, domains=(shop(),))) == [(1, "allow_comment")]


def test_words_in_strings_and_prose_are_no_comments(tmp_path: Path) -> None:
    source = (
        'x = "# groundwork: allow raw_sql"\n"""\n# groundwork: allow nonsense\n"""\n# see groundwork: allow raw_sql\n'
    )
    assert checked(tmp_path, source).findings == ()


def test_the_allow_comment_rule_cannot_be_allowed(tmp_path: Path) -> None:
    source = "# groundwork: allow allow_comment please\nx = 1  # groundwork: allow raw_sql\n"
    assert [finding.rule for finding in checked(tmp_path, source).findings] == ["allow_comment", "allow_comment"]


def test_comments_of_sql(tmp_path: Path) -> None:
    source = "-- groundwork: allow-file raw_sql made once, by hand\nSELECT '-- groundwork: allow x';\n"
    report = checked(tmp_path, source, name="once.sql")
    assert report.findings == ()
    assert [allowed.reason for allowed in report.allowed] == ["made once, by hand"]
