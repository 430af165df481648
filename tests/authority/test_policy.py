"""The policy file: what it says, and what is refused with file and line; globs and how near they come."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from groundwork.authority.check import Decision, check_change, who_may_write
from groundwork.authority.glob import is_glob, nearness
from groundwork.authority.policy import AuthorityPolicy, parse_policy, read_policy
from groundwork.governance.policy import read_policies
from groundwork.model.errors import ConfigError

POLICIES = Path(__file__).parents[2] / "governance" / "policies"
POLICY = """kind: authority
version: 1.0.0
teams:
  data:
    members: [Ada@Example.org, "*@data.example.org"]
    exclusive: ["**/data/", docker-compose.data.yml]
    forbidden:
      - {what: front-end code, paths: ["**/frontend/", "*.tsx"], except: ["**/charts/"]}
      - {what: infrastructure, paths: ["docker-compose*.yml"]}
  web:
    members: ["*@example.org"]
    exclusive: ["**/frontend/"]
"""
_names = st.sampled_from(["a", "b", "data", "x.sql", "ab"])
_parts = st.sampled_from(["a", "b", "data", "*", "a*", "?", "**", "*.sql", "[ab]"])
_paths = st.lists(_names, min_size=1, max_size=4).map("/".join)
_bodies = st.lists(_parts, min_size=1, max_size=4).map("/".join)
_globs = st.tuples(st.sampled_from(["", "/"]), _bodies, st.sampled_from(["", "/"])).map("".join)


def policy() -> AuthorityPolicy:
    return parse_policy(POLICY, "authority.yaml")


@given(_globs, _paths)
def test_a_glob_is_near_what_git_says_it_matches_and_nothing_else(glob: str, path: str) -> None:
    assume(is_glob(glob))
    found = nearness(glob, path)
    assert (found is not None) == bool(GitIgnoreSpec.from_lines([glob]).match_file(path))
    names_something = glob.strip("/*") != ""
    assert found is None or (found.depth > 0) == names_something


@pytest.mark.parametrize(
    ("glob", "path", "depth"),
    [
        ("**/data/", "app/data/x/y.sql", 2),
        ("**/data/", "data/app/data/y.sql", 3),
        ("data", "app/data", 2),
        ("/data/", "app/data/x", None),
        ("data/**", "data/x/y", 1),
        ("*.sql", "a/b/c.sql", 3),
        ("**", "a/b", 0),
        (".github/workflows/*data*", ".github/workflows/load-data.yml", 3),
        ("a/**/b/", "a/x/y/b/c", 4),
    ],
)
def test_depth(glob: str, path: str, depth: int | None) -> None:
    found = nearness(glob, path)
    assert (found.depth if found else None) == depth


@pytest.mark.parametrize("glob", ["", " ", "!data/", "#x", "../x", "a/../b", "a//b", "/", "./a", " a", "a "])
def test_globs_that_cannot_be_used(glob: str) -> None:
    assert not is_glob(glob)


CASES: list[tuple[str | None, str, Decision, str | None]] = [
    ("data", "app/data/a.sql", Decision.ALLOWED, "**/data/"),
    ("web", "app/data/a.sql", Decision.EXCLUSIVE, "**/data/"),
    (None, "app/data/a.sql", Decision.EXCLUSIVE, "**/data/"),
    ("data", "frontend/data/a.sql", Decision.ALLOWED, "**/data/"),
    ("data", "data/frontend/a.ts", Decision.FORBIDDEN, "**/frontend/"),
    ("data", "frontend/a.ts", Decision.FORBIDDEN, "**/frontend/"),
    ("data", "data/page.tsx", Decision.FORBIDDEN, "*.tsx"),
    ("data", "frontend/charts/a.tsx", Decision.EXCLUSIVE, "**/frontend/"),
    ("data", "charts/a.tsx", Decision.ALLOWED, None),
    ("data", "docker-compose.data.yml", Decision.ALLOWED, "docker-compose.data.yml"),
    ("data", "docker-compose.yml", Decision.FORBIDDEN, "docker-compose*.yml"),
    ("web", "docker-compose.yml", Decision.ALLOWED, None),
    ("web", "frontend/a.ts", Decision.ALLOWED, "**/frontend/"),
    (None, "README.md", Decision.ALLOWED, None),
]


@pytest.mark.parametrize(("team", "path", "decision", "glob"), CASES)
def test_the_nearest_rule_decides(team: str | None, path: str, decision: Decision, glob: str | None) -> None:
    (verdict,) = check_change(policy(), team, [path])
    assert (verdict.decision, verdict.glob) == (decision, glob)
    assert (verdict.where is None) == (glob is None)


def test_a_verdict_names_line_owner_and_subject() -> None:
    (verdict,) = check_change(policy(), "web", ["data/a.sql"])
    assert (verdict.where, verdict.owner) == ("authority.yaml:6", "data")
    (verdict,) = check_change(policy(), "data", ["frontend/a.ts"])
    assert (verdict.where, verdict.why) == ("authority.yaml:8", "the team data may not write front-end code")
    assert [each.is_allowed for each in who_may_write(policy(), "data/a.sql")] == [True, False, False]


def test_an_address_counts_before_a_domain() -> None:
    found = policy()
    people = {
        address: found.team_of(address) for address in ("ada@example.org", "BOB@example.org", "x@data.example.org")
    }
    assert people == {"ada@example.org": "data", "BOB@example.org": "web", "x@data.example.org": "data"}
    assert (found.team_of("eve@else.org"), found.team_of(""), found.team_of("*@example.org")) == (None, None, "web")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("kind: authority", "kind: other", 1, "not one of its words"),
        ("version: 1.0.0\n", "", None, "a key is missing"),
        ("    members: [Ada", "    member: [Ada", 5, "the key `member` is not known"),
        ('"**/data/", docker', '"!**/data/", docker', 6, "cannot be used"),
        ('"**/data/", docker', '"../data/", docker', 6, "cannot be used"),
        ('"**/data/", docker', "3, docker", 6, "a list of names"),
        ("what: infrastructure, ", "", 9, "is missing"),
        ('exclusive: ["**/frontend/"]', 'exclusive: ["**/data/"]', 12, "data and web claim"),
        ('"*@example.org"', '"*@data.example.org"', 11, "is in data and web"),
        ('"*@example.org"', '"*@*.org"', 11, "no member"),
        ('"*@example.org"', "nobody", 11, "no member"),
    ],
)
def test_a_mistake_names_file_and_line(old: str, new: str, line: int | None, words: str) -> None:
    assert old in POLICY
    with pytest.raises(ConfigError, match=words) as caught:
        parse_policy(POLICY.replace(old, new), "authority.yaml")
    if line:
        assert (caught.value.where or "").startswith(f"authority.yaml:{line}")


def test_an_unknown_team_is_refused() -> None:
    with pytest.raises(ConfigError, match="no team is called `ops`"):
        check_change(policy(), "ops", ["a"])


SHIPPED: list[tuple[str, Decision]] = [
    *[
        (f"{folder}/{name}/x", Decision.ALLOWED)
        for folder in ("app", "a/b")
        for name in ("data", "analytics", "etl", "migrations", "queries", "reports", "data-models", "data-governance")
    ],
    ("data-mesh/x", Decision.ALLOWED),
    ("monitoring/x", Decision.ALLOWED),
    ("ml-models/x", Decision.ALLOWED),
    ("docker-compose.data.yml", Decision.ALLOWED),
    (".github/workflows/load-data.yml", Decision.ALLOWED),
    (".github/workflows/release.yml", Decision.FORBIDDEN),
    ("src/frontend/app.ts", Decision.FORBIDDEN),
    ("src/frontend/charts/bar.tsx", Decision.ALLOWED),
    ("src/auth/login.py", Decision.FORBIDDEN),
    ("src/authorization/rules.py", Decision.FORBIDDEN),
    ("src/payments/card.py", Decision.FORBIDDEN),
    ("src/core/order.py", Decision.FORBIDDEN),
    ("infra/terraform/main.tf", Decision.FORBIDDEN),
    ("infra/postgres/main.tf", Decision.ALLOWED),
    ("docker-compose.yml", Decision.FORBIDDEN),
    ("README.md", Decision.ALLOWED),
]


@pytest.mark.parametrize(("path", "decision"), SHIPPED)
def test_the_policy_as_it_ships(path: str, decision: Decision) -> None:
    (verdict,) = check_change(read_policy(POLICIES / "authority.yaml"), "data", [path])
    assert verdict.decision is decision, verdict


def test_what_is_exclusive_is_so_for_everybody_else() -> None:
    shipped = read_policy(POLICIES / "authority.yaml")
    exclusive = [path for path, decision in SHIPPED if decision is Decision.ALLOWED and path != "README.md"]
    closed = [each for each in check_change(shipped, None, exclusive) if not each.is_allowed]
    assert len(closed) == len(exclusive) - 2, "but visualisation and data services, which others may write too"


def test_the_other_policies_are_read_beside_it() -> None:
    assert read_policies(POLICIES).masking.version == "1.0.0"
