"""The contract that has the changes: the same file with a few places changed and the next minor version, judged.

Nothing is written here. The draft is refused when the domain would have an error with it that it has not without, when
a change of it is a breaking one by the rules for contract changes, or when the file is not ours to write.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import Contract, Domain, TableContract
from groundwork.contracts.custom_properties import custom_pointers
from groundwork.contracts.document import parse_document
from groundwork.contracts.edits import AddEntry, AppendItem, Edit, SetValue, value_at
from groundwork.contracts.evolution import compare_contracts
from groundwork.contracts.evolution.report import event_of, subject_of
from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.lint.run import findings_of, judged
from groundwork.contracts.lint.yaml_text import Source, parse_leniently, read_leniently
from groundwork.contracts.read import assembled, domain_files, read_contract
from groundwork.contracts.semver import Bump, parse_version
from groundwork.contracts.text_edit import edited
from groundwork.foundation.evolution.change import Evolution
from groundwork.foundation.evolution.look import filled_by
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity

_MARK = "\ufeff"  # at a file's begin: says that it is UTF-8
_WRITABLE = 0o222


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A contract file before and after, and the domain with the file as it would be."""

    path: Path
    before: str
    after: str
    domain: Domain
    from_version: str
    to_version: str


def still_to_do(table: TableContract, evolution: Evolution) -> Evolution:
    """Those changes that the contract does not have yet."""
    there = {column.name: column.type for column in table.columns}
    return Evolution(
        added=tuple(each for each in evolution.added if each.column not in there),
        widened=tuple(each for each in evolution.widened if there.get(each.column) == each.old),
    )


def drafted(domain: Domain, table: TableContract, evolution: Evolution, contracts: Path) -> Draft:
    """The contract of `table` with the changes of `evolution`; `domain` was read whole from below `contracts`.

    Raises: ConfigError when it may not, or cannot, be written so.
    """
    contract = domain.contract_of(table)
    _require_ours(contract.path, contracts, table)
    before = contract.path.read_bytes().decode("utf-8")
    version = parse_version(contract.version)
    if version is None:
        raise _refused(table, "its version cannot be raised", "one such as 1.4.0", contract.version, contract.path)
    to_version = str(version.raised(Bump.MINOR))
    edits = [*_edits(contract, table, evolution), SetValue(pointer="/version", value=to_version)]
    mark = _MARK if before.startswith(_MARK) else ""
    text, done = edited(before.removeprefix(_MARK), edits)
    if len(done) < len(edits):
        raise _refused(table, "its form does not let the change in", "plain YAML", "anchors or tags", contract.path)
    new = _with(domain, contract, text)
    _require_sound(domain, contract, mark + text, table)
    _require_compatible(domain, new, table)
    return Draft(
        path=contract.path,
        before=before,
        after=mark + text,
        domain=new,
        from_version=contract.version,
        to_version=to_version,
    )


def _edits(contract: Contract, table: TableContract, evolution: Evolution) -> Iterator[Edit]:
    data = contract.document.data
    for new in evolution.added:
        yield AppendItem(pointer=f"{table.pointer}/properties", value=dict(new.declared))
    for wider in evolution.widened:
        pointer = table.column(wider.column).pointer
        if "physicalType" in value_at(data, pointer):
            yield SetValue(pointer=f"{pointer}/physicalType", value=wider.new)
        else:
            yield AddEntry(pointer=pointer, key="physicalType", value=wider.new)
    yield from _mapping(data, table, evolution)


def _mapping(data: Mapping[str, Any], table: TableContract, evolution: Evolution) -> Iterator[Edit]:
    """Where fields are mapped the new ones are too; else they are from the first one on that is called otherwise."""
    source = custom_pointers(value_at(data, table.pointer), table.pointer)["source"]
    new = {each.column: each.field for each in evolution.added}
    if "columns" in value_at(data, source):
        for column, field in new.items():
            yield AddEntry(pointer=f"{source}/columns", key=column, value=field)
    elif any(column != field for column, field in new.items()):
        yield AddEntry(pointer=source, key="columns", value={**filled_by(table), **new})


def _require_ours(path: Path, contracts: Path, table: TableContract) -> None:
    """A contract that a link leads elsewhere, or that somebody keeps from being written, is changed by its owner."""
    place = path.resolve()
    if not place.is_relative_to(contracts.resolve()):
        raise _refused(table, "the contract comes from another place", f"a file below {contracts}", place, path)
    closed = [
        each for each in (place, place.parent) if not each.stat().st_mode & _WRITABLE or not os.access(each, os.W_OK)
    ]
    if closed:
        raise _refused(table, "the contract cannot be written", "a file and a folder that can", closed[0], path)


def _with(domain: Domain, contract: Contract, text: str) -> Domain:
    new = read_contract(parse_document(text, contract.path))
    return assembled(domain.name, [new if each is contract else each for each in domain.contracts])


def _require_sound(domain: Domain, contract: Contract, text: str, table: TableContract) -> None:
    """The errors of `validate-schema` are at most those that there were; lines may have moved."""
    sources = [read_leniently(path) for path in domain_files(domain.name, contract.path.parent.parent)]
    after = [parse_leniently(text, each.path) if each.path == contract.path else each for each in sources]
    known = {_identity(finding) for finding in _errors(sources, domain.name)}
    new = [finding for finding in _errors(after, domain.name) if _identity(finding) not in known]
    if new:
        told = "\n    ".join(map(str, new))
        raise _refused(table, "the contract would have errors", "no new error", told, contract.path)


def _errors(sources: list[Source], domain: str) -> list[Finding]:
    return [each for each in findings_of(judged(sources, domain=domain)) if each.severity is Severity.ERROR]


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.rule, finding.file, finding.message


def _require_compatible(old: Domain, new: Domain, table: TableContract) -> None:
    breaking = compare_contracts(old, new).breaking
    if breaking:
        told = "\n    ".join(f"{subject_of(each)}: {event_of(each)}: {each.why}" for each in breaking)
        raise _refused(table, "the change would break whoever relies on the contract", "none", told, None)


def _refused(table: TableContract, what: str, expected: object, found: object, path: Path | None) -> ConfigError:
    return ConfigError(
        f"the contract cannot follow its source: {what}; nothing was changed and nothing loaded",
        where=f"{table.qualified_name}{f', {path}' if path else ''}",
        expected=expected,
        found=found,
        next_step="change the contract where it is kept and migrate (groundwork generate-migration), or set "
        "`source.on_schema_change: quarantine`",
    )
