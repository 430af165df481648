"""Names that a proposed contract has and something else has already, each with the difference of the two.

Files and contracts are compared whole, tables by themselves; marks of proposals do not count. Contracts of other
domains are looked at too: a table that two domains declare would be changed by both.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.contracts.custom_properties import custom_values
from groundwork.contracts.document import MOST_BYTES, Document
from groundwork.contracts.lint.yaml_text import Source, parse_leniently
from groundwork.contracts.read import SUFFIX
from groundwork.contracts.yaml_writing import readable_text
from groundwork.infer.document_marks import unmarked
from groundwork.model.errors import ConfigError

_MOST_LINES = 400  # of differences, in one message


@dataclass(frozen=True, kw_only=True)
class _Clash:
    """What is taken, where it stands, and the difference as lines of a unified diff."""

    what: str
    path: Path
    difference: tuple[str, ...]

    def __str__(self) -> str:
        lines = self.difference[:_MOST_LINES]
        more = [f"… and {len(self.difference) - _MOST_LINES:,} lines more"] if len(self.difference) > len(lines) else []
        if not lines:
            return f"{self.what} ({self.path}), without a difference"
        return "\n    ".join([f"{self.what} ({self.path}), which differs:", *lines, *more])


def require_new_names(contracts: Path, domain: str, there: Sequence[Source], new: Sequence[Source]) -> None:
    """Raises ConfigError when a file, contract or table of `new` is among `there`, the domain's, or in other domains.

    `contracts` is the folder with a folder per domain.
    """
    proposed = [source.document for source in new if source.document is not None]
    known = [source.document for source in there if source.document is not None]
    known += _of_other_domains(contracts, domain, proposed)
    clashes = [clash for document in proposed for other in known for clash in _clashes(document, other)]
    clashes += _not_contracts(proposed, known)
    if clashes:
        raise ConfigError(
            "this is declared already, and nothing is ever overwritten",
            where=str(proposed[0].path.parent),
            expected="names of contracts, files and tables that are new",
            found="\n  ".join(str(clash) for clash in clashes),
            next_step="change the contract that is there by what differs, or choose other names (--name, --table)",
        )


def _not_contracts(proposed: Sequence[Document], known: Sequence[Document]) -> list[_Clash]:
    """Names of files that are taken by what is no contract file: a folder, a link to nowhere."""
    files = {document.path for document in known}
    return [
        _Clash(what=f"the file {each.path.name} is there", path=each.path, difference=("it is no readable contract",))
        for each in proposed
        if each.path not in files and (each.path.exists() or each.path.is_symlink())
    ]


def _clashes(new: Document, old: Document) -> Iterator[_Clash]:
    """What both have: the file, else the contract, else tables."""
    is_file = new.path == old.path
    if is_file or str(new.data.get("id")) == str(old.data.get("id")):
        what = f"the file {old.path.name} is there" if is_file else f"the contract {old.data['id']} is there"
        yield _Clash(what=what, path=old.path, difference=_difference(unmarked(old.data), unmarked(new.data)))
        return
    tables = _tables(old)
    for name, table in _tables(new).items():
        if name in tables:
            difference = _difference(unmarked(tables[name]), unmarked(table))
            yield _Clash(what=f"the table {name} is there", path=old.path, difference=difference)


def _difference(old: Any, new: Any) -> tuple[str, ...]:
    lines = difflib.unified_diff(
        readable_text(old).splitlines(), readable_text(new).splitlines(), "there", "proposed", lineterm=""
    )
    return tuple(lines)


def _tables(document: Document) -> dict[str, dict[str, Any]]:
    """The tables by qualified name, as far as the document has the form of a contract."""
    data = document.data
    try:
        schema = str(custom_values(data).get("databaseSchema") or data.get("domain") or document.path.parent.name)
        objects = [item for item in data.get("schema") or () if isinstance(item, dict)]
    except (AttributeError, KeyError, TypeError):
        return {}
    return {f"{schema}.{item.get('physicalName') or item.get('name')}": item for item in objects}


def _of_other_domains(contracts: Path, domain: str, proposed: Sequence[Document]) -> list[Document]:
    """The contracts of other domains whose text has the name of a proposed contract or table."""
    names = {str(document.data["id"]).encode() for document in proposed}
    names |= {name.rpartition(".")[2].encode() for document in proposed for name in _tables(document)}
    found = []
    for path in sorted(contracts.glob(f"*/*{SUFFIX}")):
        if path.parent.name == domain:
            continue
        try:
            content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
            text = content.decode() if any(name in content for name in names) else ""
        except (OSError, UnicodeDecodeError):
            continue  # what nobody can read is no contract that anything is made from
        document = parse_leniently(text, path).document if text else None
        if document is not None:
            found.append(document)
    return found
