"""Contract files as data: what words mean, where things stand, what is refused, and the way back to text."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwork.contracts.document import Position, document_text, parse_document, read_document
from groundwork.contracts.yaml_tree import MOST_LEVELS, YamlError, parse_tree
from groundwork.model.errors import ConfigError
from tests.contracts.samples import CASES, CONTRACTS

FILES = sorted([*CONTRACTS.rglob("*.odcs.yaml"), *CASES.rglob("*.odcs.yaml")])
PATH = Path("c.odcs.yaml")
_TRICKY = ["yes", "0o17", "1e3", "~", "", "<<", "12:30", "2024-01-01", "0x1F", "1_000", "+.inf", "-", "a: b", "# c"]
_TRICKY += [
    "a\nb\n",
    " a",
    "\n\nb",
    "\ta",
    "&a",
    "*a",
    "!t",
    "|",
    "'",
    '"',
    "\u2028",
    "\x85",
    "\ufeffa",
    "=",
    "null",
]
TEXTS = st.one_of(
    st.sampled_from(_TRICKY), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
)
SCALARS = st.one_of(TEXTS, st.integers(-(10**30), 10**30), st.floats(allow_nan=False), st.booleans(), st.none())
DATA = st.dictionaries(
    TEXTS,
    st.recursive(
        SCALARS, lambda part: st.lists(part, max_size=4) | st.dictionaries(TEXTS, part, max_size=4), max_leaves=10
    ),
    max_size=5,
)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((word, word) for word in ("yes", "no", "on", "off", "y", "12:30", "1:30:00", "2024-01-01", "1_000", "0b1")),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("-12", -12),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("-.inf", float("-inf")),
        ("'true'", "true"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("! 1", "1"),
        ("9" * 200, "9" * 200),
    ],
)
def test_words_mean_what_yaml_1_2_says(written: str, value: object) -> None:
    found = parse_document(f"a: {written}\n", PATH).data["a"]
    assert (type(found), found) == (type(value), value)


@settings(max_examples=300, deadline=None)
@given(DATA)
def test_text_made_of_data_gives_the_data_back(data: dict[str, Any]) -> None:
    assert _same(parse_document(document_text(data), PATH).data, data)


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_our_contracts_go_there_and_back(path: Path) -> None:
    data = read_document(path).data
    assert _same(parse_document(document_text(data), PATH).data, data)


def _same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other


def test_everything_has_its_place() -> None:
    text = "a: &x\n  b: [1, {c: 2}]\nd: *x\ne:\n  <<: *x\n  f/g: 3\n"
    document = parse_document(text, PATH)
    assert document.data["d"] == document.data["a"] == {"b": [1, {"c": 2}]}
    assert document.data["e"] == {"f/g": 3, "b": [1, {"c": 2}]}
    assert document.position("/a/b/1/c") == document.position("/d/b/1/c") == Position(2, 11)
    assert document.position("/e/f~1g") == Position(6, 3)
    assert document.position("/e/b/0") == document.position("/e") == Position(4, 1)
    assert document.position("/nothing") == Position(1, 1)


def test_what_aliases_share_can_be_changed_apart() -> None:
    data = parse_document("a: &x [1]\nb: *x\n", PATH).data
    data["a"].append(2)
    assert data["b"] == [1]


def test_own_keys_win_over_merged_ones_and_earlier_over_later() -> None:
    text = "a: &a {k: 1, m: 1}\nb: &b {k: 2, n: 2}\nc: {k: 0, <<: [*a, *b]}\nd: {<<: *b, m: 3}\n'<<': text\n"
    data = parse_document(text, PATH).data
    assert data["c"] == {"k": 0, "m": 1, "n": 2}
    assert data["d"] == {"m": 3, "k": 2, "n": 2}
    assert data["<<"] == "text"


_BOMB = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
_DEEP_BY_ALIASES = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        (_BOMB, "aliases are followed", 6),
        (_DEEP_BY_ALIASES, f"more than {MOST_LEVELS} levels", MOST_LEVELS),
        ("a: " + "[" * 100_000, f"more than {MOST_LEVELS} levels", 1),
        ("a: " + "{b: " * 100_000, f"more than {MOST_LEVELS} levels", 1),
        ("a:\n" + "- " * 100_000, f"more than {MOST_LEVELS} levels", 2),
        ("a: &x [*x]\n", "contains itself", 1),
        ("a: *b\n", "no anchor", 1),
        ("a: 1\n---\nb: 2\n", "second begins here", 2),
        ("? [a]\n: 1\n", "a key is one text", 1),
        ("a: &x [1]\nb: {*x : 1}\n", "a key is one text", 2),
        ("a: 1\na: 2\n", "stands here twice, first in line 1", 2),
        ("a: {<<: 1}\n", "a merge", 1),
        ("a: !!python/object/apply:os.system [id]\n", "is not read in contracts", 1),
        ("a: !secret x\n", "is not read in contracts", 1),
        ("a: !!set {x}\n", "is not read in contracts", 1),
        ("a: !!int twelve\n", "is no int", 1),
        ("a: 1\nb: \x07\n", "this is not YAML", 2),
        ('a: 1\nb: "x\\0y"\n', "NUL character", 2),
        ("a: [1\nb: 2\n", "this is not YAML", 2),
        ("a: 1\n\tb: 2\n", "this is not YAML", 2),
    ],
)
def test_what_contracts_cannot_be_is_refused_with_its_line(text: str, words: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, PATH)
    assert words in str(caught.value.found)
    assert str(caught.value.where).startswith(f"c.odcs.yaml:{line}:")
    assert caught.value.next_step


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from([*"[]{}:,-?&*!|>'\"%@`# \n\ta1~", "<<", "&a", "*a", "a: ", "\n  ", "---", "!!int "]),
        max_size=25,
    )
)
def test_no_text_breaks_the_parser(parts: list[str]) -> None:
    with contextlib.suppress(YamlError):
        parse_tree("".join(parts))


@pytest.mark.parametrize(
    ("content", "what", "found"),
    [
        (b"\xef\xbb\xbfa: 1\n", None, None),
        (b"a: 1\r\nb: |\r\n  x\r\n  y\r\n", None, None),
        (b"", "a contract is a YAML mapping", "NoneType"),
        (b"- 1\n", "a contract is a YAML mapping", "list"),
        (b"a: \xff\n", "cannot read the contract file", "invalid start byte"),
        (b"a" * 5_000_001, "too large", "5,000,001 bytes"),
    ],
    ids=["byte order mark", "carriage returns", "empty", "list", "not UTF-8", "large"],
)
def test_files_are_read_or_refused_in_words(
    tmp_path: Path, content: bytes, what: str | None, found: str | None
) -> None:
    path = tmp_path / "c.odcs.yaml"
    path.write_bytes(content)
    if what is None:
        assert read_document(path).data["a"] == 1
        return
    with pytest.raises(ConfigError, match=what) as caught:
        read_document(path)
    assert found is not None
    assert found in str(caught.value.found)
    assert str(path) in str(caught.value.where)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.odcs.yaml"
    loop.symlink_to(loop)
    for path in (tmp_path, loop, tmp_path / "nothing.odcs.yaml"):
        with pytest.raises(ConfigError, match="cannot read"):
            read_document(path)
