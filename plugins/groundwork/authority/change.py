"""What a change writes: the paths of a range of commits, of the index, or of the working tree, from git.

Every name counts that comes or goes: a file that moves is one path written and one removed. A symbolic link counts as
the path it stands at; one that leads out of the repository is told apart, because what is written through it is seen by
nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from groundwork.contracts.git_repository import GitRepository
from groundwork.model.errors import ConfigError

_LINK = "120000"
_NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the hash of the empty tree, the same in every repository
_WORDS = {"A": "added", "M": "changed", "D": "removed", "T": "changed"}


@dataclass(frozen=True, kw_only=True)
class Written:
    """One path that a change writes: `commit` and `author` (a mail address) are null outside of commits.

    `leads_to` is the target of a symbolic link that leads out of the repository.
    """

    path: str
    what: str
    commit: str | None = None
    author: str | None = None
    leads_to: str | None = None


def written_in_range(repository: GitRepository, text: str) -> tuple[Written, ...]:
    """What each commit of `text` (`A..B`, `A...B`, or one commit) writes, the oldest first.

    Of a merge only what it changes beyond its parents counts: the rest is told of the commits it brings in. Raises:
    ConfigError when a revision is unknown.
    """
    found = _commits(repository, text)
    return tuple(written for commit, author in found for written in _of_commit(repository, commit, author))


def range_start(repository: GitRepository, text: str) -> str | None:
    """The commit that the range begins after, whose policy rules it; null when nothing came before it."""
    start, dots, end = _ends(text)
    if dots == "...":
        return repository.merge_base(start, end)
    if dots:
        return repository.commit(start)
    return f"{repository.commit(text)}^" if repository.has_commit(f"{text}^") else None


def staged(repository: GitRepository) -> tuple[Written, ...]:
    """What the index has that HEAD does not."""
    base = repository.commit("HEAD") if repository.has_commit("HEAD") else _NOTHING
    return tuple(_entries(repository, repository.run("diff-index", "--cached", *_RAW, base, "--"), is_stored=True))


def in_working_tree(repository: GitRepository) -> tuple[Written, ...]:
    """What the working tree has that HEAD does not, with files that git does not know yet but those it ignores."""
    base = repository.commit("HEAD") if repository.has_commit("HEAD") else _NOTHING
    known = list(_entries(repository, repository.run("diff", *_RAW, base, "--"), is_stored=False))
    listed = repository.run("ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    for path in [os.fsdecode(name) for name in listed if name]:
        is_link = (repository.root / path).is_symlink()
        known.append(_written(repository, path, "added", _linked(repository, path, None) if is_link else None))
    return tuple(known)


_RAW = ("--raw", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "--abbrev=40")


def _commits(repository: GitRepository, text: str) -> list[tuple[str, str]]:
    """The commits of a range, each with the mail address of its author as `.mailmap` has it."""
    start, dots, end = _ends(text)
    if dots:
        first = repository.merge_base(start, end) if dots == "..." else repository.commit(start)
        which = ["--reverse", "--topo-order", f"{first}..{repository.commit(end)}"]
    else:
        which = ["--no-walk", repository.commit(text)]
    listed = repository.run("rev-list", "--no-commit-header", "--format=%H %aE", *which)
    lines = listed.decode("utf-8", "replace").splitlines()
    return [(commit, author) for commit, _, author in (line.partition(" ") for line in lines)]


def _ends(text: str) -> tuple[str, str, str]:
    dots = "..." if "..." in text else ".." if ".." in text else ""
    start, _, end = text.partition(dots) if dots else (text, "", text)
    return start or "HEAD", dots, end or "HEAD"


def _of_commit(repository: GitRepository, commit: str, author: str) -> Iterator[Written]:
    listed = repository.run("diff-tree", "--root", "-r", "-c", "--no-commit-id", *_RAW, commit)
    for written in _entries(repository, listed, is_stored=True):
        yield Written(path=written.path, what=written.what, commit=commit, author=author, leads_to=written.leads_to)


def _entries(repository: GitRepository, listed: bytes, *, is_stored: bool) -> Iterator[Written]:
    """The paths of git's raw form: `:<modes> <hashes> <status>`, then the path, each ended by NUL.

    A merge has one more colon, mode and hash for each further parent; the last of each are those of the result.
    """
    fields = listed.split(b"\0")
    for facts, name in zip(fields[0::2], fields[1::2], strict=False):
        words = facts.decode("ascii").split(" ")
        parents = len(words[0]) - len(words[0].lstrip(":"))
        mode, blob, status = words[parents], words[-2], words[-1]
        path = os.fsdecode(name)
        target = _linked(repository, path, blob if is_stored else None) if mode == _LINK else None
        yield _written(repository, path, _WORDS.get(status[-1], "changed"), target)


def _linked(repository: GitRepository, path: str, blob: str | None) -> str:
    """Where a symbolic link leads, as it is written: from the stored blob, else from the working tree."""
    if blob is not None:
        return os.fsdecode(repository.run("cat-file", "blob", blob))
    try:
        return str((repository.root / path).readlink())
    except OSError as error:
        raise ConfigError("cannot read a symbolic link", where=str(repository.root / path), found=error) from error


def _written(repository: GitRepository, path: str, what: str, target: str | None) -> Written:
    is_outside = target is not None and leads_out(path, target)
    return Written(path=path, what=what, leads_to=target if is_outside else None)


def leads_out(path: str, target: str) -> bool:
    """Whether a symbolic link at `path` with this target leaves the repository, or enters its `.git`.

    >>> leads_out("data/a", "../docs/b"), leads_out("data/a", "../../b"), leads_out("a", "/etc/passwd")
    (False, True, True)
    """
    if target.startswith("/"):
        return True
    parts = list(PurePosixPath(path).parent.parts)
    for part in PurePosixPath(target).parts:
        if part == "..":
            if not parts:
                return True
            parts.pop()
        else:
            parts.append(part)
    return parts[:1] == [".git"]
