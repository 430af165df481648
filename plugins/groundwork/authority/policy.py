"""Who may write which paths, as the file `authority.yaml` says: teams with exclusive and forbidden globs.

Every glob keeps its line, so that a verdict can point at what decided. Knows nothing of git.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from groundwork.authority.glob import Nearness, is_glob, nearness
from groundwork.contracts.checked_file import CheckedFile
from groundwork.contracts.document import parse_document, read_document
from groundwork.model.errors import ConfigError

FILE = "authority.yaml"
_TEAM_KEYS = {"description", "members", "exclusive", "forbidden"}
_FORBIDDEN_KEYS = {"what", "paths", "except"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One glob of a team; `what` says in words what a forbidden one is about, `line` where the glob stands."""

    team: str
    glob: str
    line: int
    what: str | None = None
    exceptions: tuple[str, ...] = ()

    def nearness(self, path: str) -> Nearness | None:
        """How near it comes to `path`; null when it does not match, or an exception of its entry does."""
        found = nearness(self.glob, path)
        is_excepted = found is not None and any(nearness(glob, path) for glob in self.exceptions)
        return None if is_excepted else found


@dataclass(frozen=True, kw_only=True)
class Team:
    """A team or a specialist; `members` are addresses in small letters, or `*@domain`."""

    name: str
    description: str | None
    members: tuple[str, ...]
    exclusive: tuple[Rule, ...]
    forbidden: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class AuthorityPolicy:
    """The whole policy; `source` is how its file is called, with a revision where it was read from one."""

    version: str
    source: str
    teams: tuple[Team, ...]

    @property
    def knows_people(self) -> bool:
        """Whether any team has members, so that authors can be told apart."""
        return any(team.members for team in self.teams)

    def team(self, name: str) -> Team:
        """The team called `name`.

        Raises: ConfigError when the policy has none.
        """
        for team in self.teams:
            if team.name == name:
                return team
        raise ConfigError(
            f"no team is called `{name}`",
            where=self.source,
            expected=f"one of {', '.join(team.name for team in self.teams)}",
            found=name,
            next_step=f"add the team to {self.source}, or use --as with another one",
        )

    def team_of(self, address: str) -> str | None:
        """The team of whom the mail address belongs to: by the address, then by its domain; null when of none."""
        wanted = address.strip().lower()
        for member in (wanted, f"*@{wanted.rpartition('@')[2]}"):
            for team in self.teams:
                if member in team.members:
                    return team.name
        return None


def read_policy(path: Path, *, root: Path | None = None) -> AuthorityPolicy:
    """The policy in the file `path`, called by its path from `root` where it lies below.

    Raises: ConfigError, naming file and line, when it cannot be read, a key is unknown or missing, a value is of
    another kind, a glob cannot be used, or two teams claim the same.
    """
    is_below = root is not None and path.resolve().is_relative_to(root.resolve())
    shown = path.resolve().relative_to(root.resolve()) if root is not None and is_below else path
    return _policy(CheckedFile(document=replace(read_document(path), path=shown)), str(shown))


def parse_policy(text: str, source: str) -> AuthorityPolicy:
    """The policy that `text` says, known as `source`; raises as `read_policy` does."""
    return _policy(CheckedFile(document=parse_document(text, Path(source))), source)


def _policy(file: CheckedFile, source: str) -> AuthorityPolicy:
    file.mapping("", keys={"kind", "version", "teams"}, required=True)
    file.word("/kind", ("authority",))
    names = file.mapping("/teams")
    if not names:
        raise file.error("a policy without teams rules nothing", "/teams", expected="at least one team", found="none")
    teams = tuple(_team(file, name) for name in names)
    _refuse_same_claims(file, teams)
    _refuse_same_members(file, teams)
    return AuthorityPolicy(version=str(file.at("/version")), source=source, teams=teams)


def _team(file: CheckedFile, name: str) -> Team:
    place = f"/teams/{name.replace('~', '~0').replace('/', '~1')}"
    if "/" in name or "~" in name or not name.strip():
        raise file.error("this is no name of a team", place, expected="letters, digits and dashes", found=name)
    entries = file.mapping(place, keys=_TEAM_KEYS)
    return Team(
        name=name,
        description=file.text(f"{place}/description") if "description" in entries else None,
        members=tuple(_members(file, f"{place}/members")) if "members" in entries else (),
        exclusive=tuple(_exclusive(file, place, name)) if "exclusive" in entries else (),
        forbidden=tuple(_forbidden(file, place, name)) if "forbidden" in entries else (),
    )


def _members(file: CheckedFile, place: str) -> Iterator[str]:
    for index, member in enumerate(file.texts(place)):
        local, at, domain = member.strip().lower().rpartition("@")
        if not at or not local or not domain or ("*" in local and local != "*") or "*" in domain:
            expected = "an address, or `*@` and a domain"
            raise file.error("this is no member of a team", f"{place}/{index}", expected=expected, found=member)
        yield f"{local}@{domain}"


def _exclusive(file: CheckedFile, place: str, team: str) -> Iterator[Rule]:
    for glob, line in _globs(file, f"{place}/exclusive"):
        yield Rule(team=team, glob=glob, line=line)


def _forbidden(file: CheckedFile, place: str, team: str) -> Iterator[Rule]:
    for index in range(len(file.items(f"{place}/forbidden"))):
        entry = f"{place}/forbidden/{index}"
        keys = file.mapping(entry, keys=_FORBIDDEN_KEYS)
        what = file.text(f"{entry}/what")
        exceptions = tuple(glob for glob, _ in _globs(file, f"{entry}/except")) if "except" in keys else ()
        for glob, line in _globs(file, f"{entry}/paths"):
            yield Rule(team=team, glob=glob, line=line, what=what, exceptions=exceptions)


def _globs(file: CheckedFile, place: str) -> Iterator[tuple[str, int]]:
    for index, glob in enumerate(file.texts(place)):
        if not is_glob(glob):
            raise file.error(
                "this glob cannot be used",
                f"{place}/{index}",
                expected="a path of the repository as in .gitignore, without `!`, `..` and empty parts",
                found=repr(glob),
                next_step="write an exception of something forbidden under `except`",
            )
        yield glob, file.line(f"{place}/{index}")


def _refuse_same_claims(file: CheckedFile, teams: tuple[Team, ...]) -> None:
    claimed: dict[str, Rule] = {}
    for team in teams:
        for rule in team.exclusive:
            first = claimed.setdefault(rule.glob, rule)
            if first.team != team.name:
                what = f"{first.team} and {team.name} claim `{rule.glob}`"
                raise _twice(file, what, rule.line, f"both, first in line {first.line}")


def _refuse_same_members(file: CheckedFile, teams: tuple[Team, ...]) -> None:
    seen: dict[str, str] = {}
    for team in teams:
        for index, member in enumerate(team.members):
            first = seen.setdefault(member, team.name)
            if first != team.name:
                line = file.line(f"/teams/{team.name}/members/{index}")
                raise _twice(file, f"`{member}` is in {first} and {team.name}", line, "both")


def _twice(file: CheckedFile, what: str, line: int, found: str) -> ConfigError:
    where = f"{file.path}:{line}"
    return ConfigError(what, where=where, expected="one team", found=found, next_step="remove it from one of the two")
