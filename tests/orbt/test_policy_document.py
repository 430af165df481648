"""Policies that are wrong are told with file and line, what is expected and what is found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from groundwork.model.errors import ConfigError
from groundwork.orbt.policy_document import PolicyPart, read_policy_document, read_policy_or


class _Fast(PolicyPart):
    watch: Literal["fast"]
    hours: float = Field(default=1, ge=1, le=24)


class _Slow(PolicyPart):
    watch: Literal["slow"]
    days: int = Field(default=1, lt=9)


class _Policy(PolicyPart):
    name: str = Field(default="n", pattern="^[a-z]+$")
    rules: tuple[Annotated[_Fast | _Slow, Field(discriminator="watch")], ...] = ()
    owners: dict[str, _Fast] = Field(default_factory=dict)


def told(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "drill.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match="this policy cannot be read") as caught:
        read_policy_document(path, _Policy)
    return " ".join(str(caught.value).split())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: n\nrules:\n- {watch: fast, hours: 25}\n", "drill.yaml:3:17 expected: a number up to 24 found: `ru"),
        ("rules:\n- watch: slow\n  hours: 2\n", ":3:3 expected: one of days, watch found: `rules/0/hours`: this key"),
        ("rules:\n- watch: often\n", ":2:3 expected: one of its words: 'fast', 'slow' found: `rules/0`: a mapping"),
        ("rules:\n- hours: 2\n", "expected: the key `watch` found: `rules/0`: the key is missing"),
        ("rules: soon\n", ":1:1 expected: a valid tuple found: `rules`: soon"),
        ("owners:\n  ann/bo: {watch: fast, days: 3}\n", "expected: one of hours, watch found: `owners/ann/bo/days`"),
        ("name: A\n", "expected: String should match pattern"),
        ("name:\n", "expected: a valid string found: `name`: nothing"),
        ("nonsense: 1\nname: [a]\n", "expected: one of name, owners, rules found: `nonsense`: this key is not known"),
        ("nonsense: 1\nname: [a]\n", "also wrong: line 2: `name`: a list, expected a valid string"),
        ("- 1\n", "drill.yaml:1:1 expected: a YAML mapping found: list"),
        ("", "expected: a YAML mapping found: NoneType"),
        ("name: a\nname: b\n", "drill.yaml:2:1 expected: a YAML mapping found: the key `name` stands here twice"),
        ("name: [", "drill.yaml:"),
        (b"name: \xff\n", "invalid start byte"),
    ],
)  # fmt: skip
def test_a_policy_that_is_wrong_is_told_with_its_place(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert words in told(tmp_path, content)


def test_a_file_that_is_not_there_is_told_unless_there_is_a_default(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_policy_document(tmp_path / "none.yaml", _Policy)
    assert read_policy_or(_Policy(), tmp_path / "none.yaml") == _Policy()
