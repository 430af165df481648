"""From contract files to contract values.

Expects a document that has the standard's structure; whether it has, and whether it is any good, is the business of
`groundwork.contracts.lint`. Read generously otherwise: whatever any version 3 of the standard allows gives a value.
What the standard has no word for is read from `customProperties`, by these names:

- on a contract `databaseSchema`, `residency`, `enumTypes`, `sequences`;
- on a table `indexes`, `uniqueKeys`, `checks`, `partitioning`, `accessPatterns`, `source`, `retentionColumn`,
  `primaryKeyName`, `primaryKeyInclude`, `primaryKeyDeferrable`;
- on a column `default`, `identity`, `sequence`, `generated`, `generatedKind`, `collation`, `personalData`, `masking`;
- on a relationship `onDelete`, `onUpdate`, `deferrable`, `name`, `match`; on a role `clearance`.

`proposed`, on any of them, holds what was guessed there and why; it is for people and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import (
    ColumnContract,
    Contract,
    Domain,
    EnumTypeContract,
    RoleContract,
    SequenceContract,
    TableContract,
)
from groundwork.contracts.custom_properties import custom_pointers, custom_values
from groundwork.contracts.document import Document, read_document
from groundwork.contracts.read_column import EnumTypes, enum_type_of
from groundwork.contracts.read_relationship import identifiers
from groundwork.contracts.read_table import read_table
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification

SUFFIX = ".odcs.yaml"
_TABLES = frozenset(["", "table", "base table", "partitioned table"])  # physical types of a schema's objects


def read_domain(name: str, contracts_folder: Path) -> Domain:
    """All contracts of the domain `name`, read from `contracts_folder/name/*.odcs.yaml`.

    Raises: ConfigError when there is no such folder or no contract in it, or a file cannot be read.
    """
    paths = domain_files(name, contracts_folder)
    return assembled(name, [read_contract(read_document(path)) for path in paths])


def assembled(name: str, contracts: Sequence[Contract]) -> Domain:
    """The domain of these contracts; a column may use an enum type that another of them declares."""
    domain = Domain(name=name, contracts=tuple(contracts))
    known = _by_name(domain.enum_types)
    if not known or len(contracts) == 1:
        return domain
    return replace(domain, contracts=tuple(_with_enum_types(contract, known) for contract in contracts))


def domain_files(name: str, contracts_folder: Path) -> list[Path]:
    """The contract files of a domain in order of name; raises ConfigError when there are none."""
    folder = contracts_folder / name
    paths = sorted(folder.glob(f"*{SUFFIX}")) if Path(name).name == name else []
    if not paths:
        known = sorted(path.parent.name for path in contracts_folder.glob(f"*/*{SUFFIX}"))
        raise ConfigError(
            f"the domain `{name}` has no contracts",
            where=str(folder),
            expected=f"files *{SUFFIX}; domains with contracts: {', '.join(dict.fromkeys(known)) or 'none'}",
            next_step=f"add {folder}/<name>{SUFFIX} or name another domain",
        )
    return paths


def read_contract(document: Document) -> Contract:
    """The contract that `document` declares.

    Raises: ConfigError naming file, line and what is missing when the structure does not hold.
    """
    try:
        return _contract(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            "the contract does not have the structure of the Open Data Contract Standard",
            where=str(document.path),
            found=f"{type(error).__name__}: {error}",
            next_step=f"groundwork validate-schema {document.path}",
        ) from error


def _contract(document: Document) -> Contract:
    data = document.data
    custom = custom_values(data)
    domain = str(data.get("domain") or document.path.absolute().parent.name)
    schema = str(custom.get("databaseSchema") or domain)
    description = data.get("description") or {}
    enum_types = _enum_types(custom, custom_pointers(data, ""), schema)
    objects = _objects(data.get("schema") or [], data.get("slaProperties") or [], schema, enum_types)
    return Contract(
        document=document,
        id=str(data["id"]),
        name=data.get("name") or str(data["id"]),
        version=str(data["version"]),
        domain=domain,
        status=data.get("status") or "draft",
        owner=_owner(data.get("team")),
        purpose=description.get("purpose") if isinstance(description, Mapping) else str(description),
        residency=custom.get("residency"),
        tables=tuple(item for item in objects if is_table(item)),
        other_objects=tuple(item for item in objects if not is_table(item)),
        enum_types=enum_types,
        sequences=_sequences(custom, custom_pointers(data, ""), schema),
        roles=tuple(_role(role, f"/roles/{index}") for index, role in enumerate(data.get("roles") or [])),
    )


def is_table(item: TableContract) -> bool:
    """Whether an object of a contract's schema is a table of a database, and not a topic, a file or a view."""
    return (item.physical_type or "").strip().lower() in _TABLES


def _objects(
    objects: Sequence[Mapping[str, Any]],
    service_levels: Sequence[Mapping[str, Any]],
    schema: str,
    enum_types: Sequence[EnumTypeContract],
) -> list[TableContract]:
    known = identifiers(objects)
    by_name = _by_name(enum_types)
    return [
        read_table(
            item,
            f"/schema/{index}",
            schema=schema,
            service_levels=service_levels,
            enum_types=by_name,
            identifiers=known,
        )
        for index, item in enumerate(objects)
    ]


def _owner(team: object) -> str:
    """The team's name; of the list that versions before 3.1 write, the owner's user name, else the first one's."""
    if isinstance(team, Mapping):
        return str(team.get("name") or "") or _owner(team.get("members"))
    members = [member for member in team if isinstance(member, Mapping)] if isinstance(team, list) else []
    members.sort(key=lambda member: "owner" not in str(member.get("role")).lower())
    names = [str(member.get("username") or member.get("name") or "") for member in members]
    return next((name for name in names if name), "unowned")


def _enum_types(custom: Mapping[str, Any], places: Mapping[str, str], schema: str) -> tuple[EnumTypeContract, ...]:
    return tuple(
        EnumTypeContract(
            name=str(entry["name"]),
            schema=schema,
            values=tuple(str(value) for value in entry["values"]),
            description=entry.get("description"),
            pointer=f"{places['enumTypes']}/{position}",
        )
        for position, entry in enumerate(custom.get("enumTypes") or ())
    )


def _sequences(custom: Mapping[str, Any], places: Mapping[str, str], schema: str) -> tuple[SequenceContract, ...]:
    return tuple(
        SequenceContract(
            name=str(entry["name"]),
            schema=schema,
            options={name: value for name, value in entry.items() if name not in ("name", "description")},
            description=entry.get("description"),
            pointer=f"{places['sequences']}/{position}",
        )
        for position, entry in enumerate(custom.get("sequences") or ())
    )


def _by_name(enum_types: Sequence[EnumTypeContract]) -> EnumTypes:
    """Enum types by bare and by qualified name."""
    found: dict[str, EnumTypeContract] = {}
    for each in enum_types:
        found.setdefault(each.name, each)
        found.setdefault(each.qualified_name, each)
    return found


def _with_enum_types(contract: Contract, known: EnumTypes) -> Contract:
    tables = tuple(
        replace(table, columns=tuple(_resolved(column, known) for column in table.columns)) for table in contract.tables
    )
    return replace(contract, tables=tables)


def _resolved(column: ColumnContract, known: EnumTypes) -> ColumnContract:
    found = None if column.enum_type else enum_type_of(column.type, known)
    return replace(column, enum_type=found) if found else column


def _role(data: Mapping[str, Any], pointer: str) -> RoleContract:
    return RoleContract(
        name=data["role"],
        access=str(data.get("access") or "read").lower(),
        clearance=Classification(custom_values(data).get("clearance", "internal")),
        description=data.get("description"),
        pointer=pointer,
    )
