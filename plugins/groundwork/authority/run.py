"""A change judged: what was written by whom, under the policy that was in force before it.

A change cannot give itself authority: the policy of the range's start rules the range, that of HEAD rules what is not
committed. Where there was none yet, the policy as it lies there rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.authority.change import Written, in_working_tree, range_start, staged, written_in_range
from groundwork.authority.check import Decision, Verdict, check_change
from groundwork.authority.policy import AuthorityPolicy, parse_policy, read_policy
from groundwork.contracts.git_repository import GitRepository
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One path that was written, and whether it might be."""

    written: Written
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        found = {"what": self.written.what, "commit": self.written.commit, "author": self.written.author}
        return {**self.verdict.to_json(), **found, "is_allowed": self.verdict.is_allowed}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A whole change: the policy that ruled it, and every path."""

    policy: AuthorityPolicy
    judged: tuple[Judged, ...]

    @property
    def refused(self) -> tuple[Judged, ...]:
        """The paths that may not be written by whom they were."""
        return tuple(each for each in self.judged if not each.verdict.is_allowed)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "policy": self.policy.source,
            "policy_version": self.policy.version,
            "is_allowed": not self.refused,
            "paths": [each.to_json() for each in self.judged],
        }


def check_range(
    repository: GitRepository, revisions: str, *, policy_file: Path, team: str | None = None, override: bool = False
) -> Judgement:
    """Every path that the commits of a range write, once for each author (or once for `team`).

    With `override` the file as it lies there rules. Raises: ConfigError when a revision, the policy or `team` is
    unknown, or authors have to be told apart and no team has members.
    """
    start = None if override else range_start(repository, revisions)
    policy = policy_in_force(repository, policy_file, start)
    _require_people(policy, team)
    return judge(policy, written_in_range(repository, revisions), team=team, by_author=True)


def check_present(
    repository: GitRepository, *, policy_file: Path, team: str | None, only_staged: bool, override: bool = False
) -> Judgement:
    """Every path that is staged, or that the working tree has, and that HEAD has not like that.

    Without `team` the author is whom git would commit as.
    """
    start = "HEAD" if repository.has_commit("HEAD") and not override else None
    policy = policy_in_force(repository, policy_file, start)
    _require_people(policy, team)
    written = staged(repository) if only_staged else in_working_tree(repository)
    return judge(policy, written, team=team or policy.team_of(present_author(repository)), by_author=False)


def present_author(repository: GitRepository) -> str:
    """The mail address that git would commit with, empty when it has none."""
    try:
        identity = repository.run("var", "GIT_AUTHOR_IDENT").decode("utf-8", "replace")
    except ConfigError:
        return ""
    return identity.partition("<")[2].partition(">")[0]


def policy_in_force(repository: GitRepository, policy_file: Path, start: str | None) -> AuthorityPolicy:
    """The policy as it was at the commit `start`; the file as it lies there when `start` is null or had none."""
    root, path = repository.root.resolve(), policy_file.resolve()
    if start is not None and path.is_relative_to(root):
        name = path.relative_to(root).as_posix()
        commit = repository.commit(start)
        for file in repository.files(commit, name):
            if file.path == name:
                source = f"{commit[:12]}:{name}"
                return parse_policy(repository.text(file.blob, where=source), source)
    return read_policy(policy_file, root=root)


def _require_people(policy: AuthorityPolicy, team: str | None) -> None:
    """Refuse a team that the policy does not know, and authors whom it cannot tell apart."""
    if team is not None:
        policy.team(team)
    elif not policy.knows_people:
        raise ConfigError(
            "nobody is a member of any team, so authors cannot be told apart",
            where=policy.source,
            expected="`members` of a team, or a team to judge as",
            found="no members",
            next_step="groundwork authority check --as TEAM, or add `members` to the policy",
        )


def judge(policy: AuthorityPolicy, written: Sequence[Written], *, team: str | None, by_author: bool) -> Judgement:
    """The verdict on each path, once per team: that of its author with `by_author`, unless `team` is given."""
    found: dict[tuple[str, str | None, str | None], Judged] = {}
    for each in written:
        who = team if team or not by_author else policy.team_of(each.author or "")
        (verdict,) = check_change(policy, who, [each.path])
        if each.leads_to is not None:
            why = f"the symbolic link leads out of the repository, to {each.leads_to}"
            verdict = Verdict(path=each.path, team=who, decision=Decision.OUTSIDE, why=why)
        found.setdefault((each.path, who, each.leads_to), Judged(written=each, verdict=verdict))
    return Judgement(policy=policy, judged=tuple(found.values()))
