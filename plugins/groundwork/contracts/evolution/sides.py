"""The two sides of a comparison: contracts from a file, a folder, a domain, or a revision of the project's repository.

A side is written as a path, a domain, `REV:path`, `REV:domain` or `REV` (all contracts of that revision). What exists
as a path comes first, then a domain, then a revision; `REV:` is a revision for sure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from groundwork.contracts.contract import Contract, Domain
from groundwork.contracts.document import Document, parse_document
from groundwork.contracts.git_repository import GitRepository
from groundwork.contracts.read import SUFFIX, read_contract
from groundwork.model.errors import ConfigError
from groundwork.settings import Settings

Texts = Iterable[tuple[str, str]]  # how a file is called, and its text


@dataclass(kw_only=True)
class SideReader:
    """Reads sides of one comparison; a text that stands on both is parsed once."""

    settings: Settings
    _parsed: dict[str, Document] = field(default_factory=dict)

    def read(self, target: str) -> Mapping[str, Domain]:
        """The domains of the side that `target` names, by name.

        Raises: ConfigError when it names nothing, holds no contract, or one of them cannot be read.
        """
        path, folder = Path(target), self.settings.contracts / target
        if target and path.exists():
            return self._domains(_texts_at(path), target)
        if target and Path(target).name == target and folder.is_dir():
            return self._domains(_texts_at(folder), target)
        revision, colon, place = target.partition(":")
        repository = self._repository(target)
        if not colon and not repository.has_commit(revision):
            raise _unknown(target, self.settings)
        commit = repository.commit(revision or "HEAD")
        return self._domains(self._texts_of(repository, commit, place, revision or "HEAD"), target)

    def working_tree(self) -> Mapping[str, Domain]:
        """All contracts of the project as they lie there; there may be none."""
        folder = self.settings.contracts
        return (
            self._domains(_texts_at(folder, shown=self.settings.project), "", may_be_empty=True)
            if folder.is_dir()
            else {}
        )

    def merge_base(self, branch: str) -> tuple[str, Mapping[str, Domain]]:
        """The commit at which the checkout left `branch`, and all contracts of the project there; there may be none."""
        repository = self._repository(branch)
        commit = repository.merge_base(branch)
        texts = self._texts_of(repository, commit, "", commit[:12])
        return commit, self._domains(texts, branch, may_be_empty=True)

    def _repository(self, target: str) -> GitRepository:
        try:
            return GitRepository.around(self.settings.project)
        except ConfigError as error:
            error.what = f"`{target}` is no path and no domain, and as a revision it needs a git repository"
            raise

    def _texts_of(self, repository: GitRepository, commit: str, place: str, shown: str) -> Texts:
        contracts = self._contracts_in(repository)
        files = repository.files(commit, place.rstrip("/") or contracts)
        if place and not files and "/" not in place:
            files = repository.files(commit, f"{contracts}/{place}")
        is_file = [file.path for file in files] == [place]
        chosen = [file for file in files if is_file or file.path.endswith(SUFFIX)]
        return [(f"{shown}:{file.path}", repository.text(file.blob, where=f"{shown}:{file.path}")) for file in chosen]

    def _contracts_in(self, repository: GitRepository) -> str:
        root, folder = repository.root.resolve(), self.settings.contracts.resolve()
        if not folder.is_relative_to(root):
            raise ConfigError(
                "the project's contracts are not part of its repository",
                where=str(folder),
                expected=f"a folder below {root}",
                next_step="compare two folders instead",
            )
        return str(PurePosixPath(folder.relative_to(root)))

    def _domains(self, texts: Texts, target: str, *, may_be_empty: bool = False) -> Mapping[str, Domain]:
        contracts = [self._contract(text, name) for name, text in texts]
        if not contracts and not may_be_empty:
            raise ConfigError(
                f"there is no contract at `{target}`",
                expected=f"a file, or a folder with files *{SUFFIX}",
                found="none",
                next_step=f"look into {self.settings.contracts}",
            )
        names = dict.fromkeys(contract.domain for contract in contracts)
        return {name: Domain(name=name, contracts=tuple(c for c in contracts if c.domain == name)) for name in names}

    def _contract(self, text: str, name: str) -> Contract:
        document = self._parsed.get(text)
        if document is None:
            document = self._parsed[text] = parse_document(text, Path(name))
        return read_contract(replace(document, path=Path(name)))


def matched(old: Mapping[str, Domain], new: Mapping[str, Domain]) -> Sequence[tuple[Domain, Domain]]:
    """The domains of two sides by name, an empty one where a side has none; two single ones whatever their names."""
    if len(old) == len(new) == 1:
        return [(next(iter(old.values())), next(iter(new.values())))]
    names = dict.fromkeys([*old, *new])
    return [(old.get(name, Domain(name=name)), new.get(name, Domain(name=name))) for name in names]


def _texts_at(path: Path, *, shown: Path | None = None) -> Texts:
    files = [path] if path.is_file() else sorted(path.rglob(f"*{SUFFIX}"))
    found = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("cannot read the contract file", where=str(file), found=error) from error
        found.append((str(file.relative_to(shown)) if shown else str(file), text))
    return found


def _unknown(target: str, settings: Settings) -> ConfigError:
    return ConfigError(
        f"`{target}` is no path, no domain and no revision",
        where=str(settings.project),
        expected="a contract, a folder, a domain, REV or REV:path",
        found=target,
        next_step="groundwork contract-diff main:governance/contracts governance/contracts",
    )
