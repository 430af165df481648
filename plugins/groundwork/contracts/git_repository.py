"""A git repository, read through the program `git` with fixed arguments.

Owns how git is called and how its failures reach a person; changes nothing in the repository. A revision is resolved to
the hash of its commit before anything else uses it, so that no name can be taken for an option.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from groundwork.model.errors import ConfigError

_SECONDS = 120  # for one call of git; a diff of a large range takes a few
_REGULAR = ("100644", "100755")


@dataclass(frozen=True, kw_only=True)
class GitFile:
    """A file of a commit; `path` is relative to the repository's root, with slashes."""

    path: str
    blob: str


@dataclass(frozen=True, kw_only=True)
class GitRepository:
    """A repository by the root of its work tree."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> GitRepository:
        """The repository that `folder` lies in.

        Raises: ConfigError when there is none, or no git.
        """
        try:
            root = _git(folder, "rev-parse", "--show-toplevel")
        except ConfigError as error:
            raise ConfigError(
                "this folder is in no git repository that can be read",
                where=str(folder),
                expected="a checkout, to compare revisions of it",
                found=error.found,
                next_step="compare two files or folders instead, or run the command in a checkout",
            ) from error
        return cls(root=Path(os.fsdecode(root.rstrip(b"\n"))))

    def run(self, *arguments: str) -> bytes:
        """What git prints for these arguments; raises ConfigError with git's own words when it fails."""
        return _git(self.root, *arguments)

    def commit(self, revision: str) -> str:
        """The hash of the commit that `revision` names.

        Raises: ConfigError when it names none.
        """
        try:
            found = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except ConfigError:
            raise ConfigError(
                f"`{revision}` names no commit",
                where=str(self.root),
                expected="a branch, a tag or a commit of this repository",
                found=revision,
                next_step="git fetch, or name another revision (git branch --all lists branches)",
            ) from None
        return found.decode("ascii").strip()

    def has_commit(self, revision: str) -> bool:
        """Whether `revision` names a commit here."""
        try:
            return bool(self.commit(revision))
        except ConfigError:
            return False

    def merge_base(self, branch: str, other: str = "HEAD") -> str:
        """The commit at which `other` left `branch`; the branch of `origin` counts when there is none of this name.

        Raises: ConfigError when a name is unknown or the two have nothing in common (a shallow clone, for one).
        """
        known = branch if self.has_commit(branch) or not self.has_commit(f"origin/{branch}") else f"origin/{branch}"
        first, second = self.commit(known), self.commit(other)
        try:
            return self.run("merge-base", first, second).decode("ascii").split()[0]
        except (ConfigError, IndexError):
            raise ConfigError(
                f"`{known}` and `{other}` have no commit in common here",
                where=str(self.root),
                expected="the history back to where they parted",
                found="a shallow clone or unrelated histories",
                next_step="git fetch --unshallow, or check out with the whole history in CI (fetch-depth: 0)",
            ) from None

    def files(self, commit: str, folder: str = "") -> list[GitFile]:
        """The files of `commit` below `folder` (or the one file of that path), in order of path.

        Symbolic links and sub-modules are left out: a contract is a file.
        """
        arguments = ["ls-tree", "-r", "-z", "--full-tree", commit]
        listed = self.run(*arguments, "--", folder) if folder else self.run(*arguments)
        found = []
        for line in listed.split(b"\0"):
            facts, _, path = line.partition(b"\t")
            mode, _, rest = facts.decode("ascii").partition(" ")
            if mode in _REGULAR:
                found.append(GitFile(path=os.fsdecode(path), blob=rest.split()[1]))
        return found

    def text(self, blob: str, *, where: str) -> str:
        """The text of a blob; raises ConfigError when it is not UTF-8."""
        try:
            return self.run("cat-file", "blob", blob).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError("the file is not UTF-8 text", where=where, found=error) from error


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "--no-pager", *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            "git cannot be run", where=str(folder), found=error, next_step="install git, and see that it answers"
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise ConfigError(f"git {arguments[0]} failed", where=str(folder), found=said or f"exit {done.returncode}")
    return done.stdout
