r"""Translated patterns mean in PostgreSQL what they mean in ECMA-262.

Python's engine, told to be ASCII-only for \d and \w, is the oracle: on these patterns its grammar and ECMA-262's agree.
"""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from groundwork.contracts.derive.patterns import UntranslatablePatternError, to_postgresql
from tests.fix_postgres import Database

_PATTERNS = [
    r"^[A-Z][A-Z0-9.]*\Z",
    r"^[^@\s]+@[^@\s]+\Z",
    r"a.c",
    r"^\d{2,3}\Z",
    r"\bcat\b",
    r"\Bat",
    r"^\w+\W\w+\Z",
    r"[\d_-]+x",
    r"[([]",
    r"[\]\\]",
    r"^(?:ab)+\Z",
    r"^(?=.*1)(?!.*z).+\Z",
    r"(a)\1",
    r"^\x41\u0042\Z",
    r"a{",
    r"x{0,2}y",
    r"^a|b\Z",
    r"\.\*\/",
    r"^.*?b",
    r"\t|\n",
    r"ü",
]
_TEXTS = [
    "",
    "A.B1",
    "abc",
    "a\nc",
    "12",
    "1234",
    "the cat sat",
    "concat",
    "ab ab",
    "aa",
    "AB",
    "[",
    "]",
    "\\",
    "a{",
    "xxy",
    "b",
    "x@y.z",
    "x@ y",
    "1z",
    "z1a",
    ".*/",
    "1_x",
    "tab\there",
    "über",
    "٣٤",
    "abab",
]


@pytest.mark.postgres
@pytest.mark.parametrize("pattern", _PATTERNS)
def test_meaning_is_kept(module_database: Database, pattern: str) -> None:
    ecma = pattern.replace(r"\Z", "$")  # the end of the text, which Python writes \Z
    expected = [bool(re.search(pattern, value, re.ASCII)) for value in _TEXTS]
    with module_database.engine.connect() as connection:
        query = text(
            "SELECT value ~ :pattern FROM unnest(CAST(:texts AS text[])) WITH ORDINALITY AS t(value, n) ORDER BY n"
        )
        found = connection.execute(query, {"pattern": to_postgresql(ecma), "texts": _TEXTS}).scalars().all()
    assert dict(zip(_TEXTS, found, strict=True)) == dict(zip(_TEXTS, expected, strict=True))


@pytest.mark.parametrize(
    "pattern",
    ["(", "a{1,256}", "[^]", "[]", r"[\D]", "(?<name>a)", "(?i)a", r"\p{L}", r"\cA", r"\u12", "(?<=a)b", "[a"],
)
def test_what_cannot_be_said_is_refused(pattern: str) -> None:
    with pytest.raises(UntranslatablePatternError):
        to_postgresql(pattern)
