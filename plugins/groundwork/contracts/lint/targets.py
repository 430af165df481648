"""Which contracts are meant by what a person names: files, folders and domains, grouped as they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.read import SUFFIX, domain_files
from groundwork.model.errors import ConfigError

_LONGEST_NAME = 200  # characters of a target, in a message


@dataclass(frozen=True, kw_only=True)
class Group:
    """Contracts that are judged together; `domain` is null for a file that stands alone."""

    domain: str | None
    paths: tuple[Path, ...]


def groups_of(targets: Sequence[str], contracts: Path) -> tuple[Group, ...]:
    """The groups that `targets` mean, each once, in order; without targets all below the folder `contracts`.

    A file of a domain brings the whole domain, because a change in one contract can break another.

    Raises: ConfigError when a target is no domain, no file and no folder with contracts.
    """
    found: dict[Group, None] = {}
    named: Sequence[str | None] = targets or [None]
    for target in named:
        found.update(dict.fromkeys(_groups(target, contracts)))
    return tuple(found)


def _groups(target: str | None, contracts: Path) -> list[Group]:
    try:
        if target and Path(target).name == target and (contracts / target).is_dir():
            return [Group(domain=target, paths=tuple(domain_files(target, contracts)))]
        return _below(Path(target) if target else contracts, target, contracts)
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a name that no file can have
        named = repr(target or str(contracts))[:_LONGEST_NAME]
        raise ConfigError("cannot look for contracts", where=named, found=type(error).__name__) from error


def _below(path: Path, target: str | None, contracts: Path) -> list[Group]:
    if path.is_file():
        return [_of_file(path, contracts)]
    files = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else []
    if not files:
        raise ConfigError(
            f"there is no contract at `{path}`",
            expected=f"a domain, a file *{SUFFIX}, or a folder with such files",
            found=target or "nothing",
            next_step=f"look into {contracts}",
        )
    folders = dict.fromkeys(file.parent for file in files)
    return [
        Group(domain=folder.absolute().name, paths=tuple(file for file in files if file.parent == folder))
        for folder in folders
    ]


def _of_file(path: Path, contracts: Path) -> Group:
    folder = path.absolute().parent
    is_in_domain = folder.parent.resolve() == contracts.resolve() and path.name.endswith(SUFFIX)
    if not is_in_domain:
        return Group(domain=None, paths=(path,))
    return Group(domain=folder.name, paths=tuple(domain_files(folder.name, contracts)))
