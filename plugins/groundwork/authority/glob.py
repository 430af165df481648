"""Globs of paths, as `.gitignore` has them, and how near to a path each one comes.

pathspec says what a glob matches. What it does not say is where: the nearest glob decides about a path, and near means
that the glob names a deep folder of the path, or the file itself. `**/data/` names the second part of `app/data/a.sql`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_WILD = re.compile(r"\\.|\[[^\]]*\]|[*?]")


@dataclass(frozen=True)
class Nearness:
    """How near a glob comes to a path: parts of the path it names, then letters of its own. More is nearer."""

    depth: int
    letters: int


def is_glob(text: str) -> bool:
    """Whether `text` can be used: no negation, no way out of the repository, no back slash as a separator."""
    parts = text.strip("/").split("/")
    is_plain = bool(text.strip()) and text == text.strip() and not text.startswith(("!", "#"))
    return is_plain and "//" not in text and all(part not in ("", ".", "..") for part in parts) and _can_be_read(text)


def nearness(glob: str, path: str) -> Nearness | None:
    """How near `glob` comes to `path` (relative, with slashes), null when it does not match it.

    >>> nearness("**/data/", "app/data/a.sql"), nearness("**/data/", "app/data")
    (Nearness(depth=2, letters=4), None)
    """
    path = path.replace("\n", "_")  # a name may hold a line end, at which regular expressions would stop
    if not _spec(glob).match_file(path):
        return None
    parts = path.split("/")
    letters = len(_WILD.sub("", glob).replace("/", ""))
    for depth in range(len(parts), 0, -1):
        if _names(glob, tuple(parts[:depth]), is_folder=depth < len(parts)):
            return Nearness(depth, letters)
    return Nearness(0, letters)


def _names(glob: str, parts: tuple[str, ...], *, is_folder: bool) -> bool:
    """Whether the glob names exactly this leading part of a path, rather than something above it."""
    wanted = glob.strip("/").split("/")
    is_dir_only, is_anchored = glob.endswith("/"), "/" in glob.rstrip("/")
    while wanted and wanted[-1] in ("*", "**"):  # `data/*` and `data/**` name the folder
        wanted.pop()
        is_dir_only = True
    if not wanted or (is_dir_only and not is_folder):
        return False
    return _matches(tuple(wanted) if is_anchored else ("**", *wanted), parts)


def _matches(wanted: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether parts of a glob match parts of a path one by one; `**` stands for any number of them."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        rest = wanted[1:]
        if not rest:
            return bool(parts)
        return any(_matches(rest, parts[start:]) for start in range(len(parts) + 1))
    return bool(parts) and _spec(f"/{wanted[0]}").match_file(parts[0]) and _matches(wanted[1:], parts[1:])


def _can_be_read(text: str) -> bool:
    try:
        return bool(_spec(text).patterns[0].regex is not None)
    except (ValueError, TypeError):
        return False


@lru_cache(maxsize=4096)
def _spec(glob: str) -> Any:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines([glob])
