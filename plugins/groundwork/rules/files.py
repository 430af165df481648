"""Which files are checked, and how they are called in findings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from groundwork.model.errors import ConfigError
from groundwork.rules.policy import CodePolicy

SUFFIXES = (".py", ".sql")
_NEVER = frozenset(["__pycache__", "node_modules", "site-packages"])


def chosen_files(paths: Sequence[Path], *, project: Path, policy: CodePolicy) -> list[Path]:
    """The Python and SQL files that `paths` name or hold, in order of path, without what the policy leaves out.

    A file that is named is checked whatever its folder. Raises: ConfigError when there is no such path.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(_below(path.resolve(), project, policy))
        elif path.is_file():
            resolved = path.resolve()
            if resolved.suffix in SUFFIXES and not policy.is_left_out(shown(resolved, project)):
                found[resolved] = None
        else:
            raise ConfigError(
                f"there is no file or folder `{path}`",
                expected="a Python or SQL file, or a folder",
                found="nothing",
                next_step="groundwork rules check without a path checks what the policy names",
            )
    return sorted(found)


def shown(path: Path, project: Path) -> str:
    """The path from the project's folder with slashes, or as it is when it lies elsewhere."""
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else path.as_posix()


def _below(folder: Path, project: Path, policy: CodePolicy) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _NEVER
            and not (here / name / "pyvenv.cfg").is_file()
            and not policy.is_left_out(f"{shown(here / name, project)}/")
        )
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not policy.is_left_out(shown(here / name, project)):
                yield here / name
