"""From contract files to contract values.

Expects a document that has the standard's structure; whether it has, and whether it is any good, is the business of
`groundwork.contracts.lint`. What the standard has no word for is read from `customProperties`, by these names:
on a contract `databaseSchema`, `residency`; on a table `indexes`, `uniqueKeys`, `checks`, `partitioning`,
`accessPatterns`, `source`, `retentionColumn`; on a column `default`, `identity`, `generated`, `personalData`,
`masking`; on a relationship `onDelete`; on a role `clearance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import (
    AccessPattern,
    ColumnContract,
    ConstraintContract,
    Contract,
    Domain,
    IndexContract,
    IndexKey,
    PartitioningContract,
    RelationshipContract,
    RoleContract,
    TableContract,
)
from groundwork.contracts.document import Document, read_document
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification, PersonalData

SUFFIX = ".odcs.yaml"


def read_domain(name: str, contracts_folder: Path) -> Domain:
    """All contracts of the domain `name`, read from `contracts_folder/name/*.odcs.yaml`.

    Raises: ConfigError when there is no such folder or no contract in it, or a file cannot be read.
    """
    paths = domain_files(name, contracts_folder)
    return Domain(name=name, contracts=tuple(read_contract(read_document(path)) for path in paths))


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
    custom = _custom(data)
    schema = str(custom.get("databaseSchema", data["domain"]))
    team = data.get("team") or {}
    owner = team.get("name") if isinstance(team, dict) else team[0].get("username")
    return Contract(
        document=document,
        id=data["id"],
        name=data.get("name", data["id"]),
        version=data["version"],
        domain=data["domain"],
        status=data.get("status", "draft"),
        owner=owner or "unowned",
        purpose=(data.get("description") or {}).get("purpose"),
        residency=custom.get("residency"),
        tables=tuple(
            _table(table, f"/schema/{index}", schema, data.get("slaProperties", []))
            for index, table in enumerate(data.get("schema", []))
        ),
        roles=tuple(_role(role, f"/roles/{index}") for index, role in enumerate(data.get("roles", []))),
    )


def _table(
    data: Mapping[str, Any], pointer: str, schema: str, service_levels: list[Mapping[str, Any]]
) -> TableContract:
    custom = _custom(data)
    places = _custom_pointers(data, pointer)
    name = data.get("physicalName", data["name"])
    columns = tuple(
        _column(column, f"{pointer}/properties/{index}") for index, column in enumerate(data.get("properties", []))
    )
    return TableContract(
        name=name,
        schema=schema,
        description=data.get("description"),
        grain=data.get("dataGranularityDescription"),
        tags=tuple(data.get("tags", ())),
        columns=columns,
        relationships=tuple(_relationships(data, pointer)),
        indexes=tuple(
            _index(entry, f"{places['indexes']}/{position}") for position, entry in enumerate(custom.get("indexes", []))
        ),
        unique_keys=_unique_keys(name, columns, custom, places),
        checks=tuple(
            ConstraintContract(
                name=entry["name"], condition=entry["condition"], pointer=f"{places['checks']}/{position}"
            )
            for position, entry in enumerate(custom.get("checks", []))
        ),
        partitioning=_partitioning(custom, places),
        access_patterns=tuple(
            AccessPattern(
                name=entry["name"],
                query=entry["query"],
                description=entry.get("description"),
                pointer=f"{places['accessPatterns']}/{position}",
            )
            for position, entry in enumerate(custom.get("accessPatterns", []))
        ),
        quality=tuple(data.get("quality", ())),
        source=custom.get("source"),
        retention=_service_level(service_levels, "retention", name),
        freshness=_service_level(service_levels, "freshness", name),
        retention_column=custom.get("retentionColumn"),
        pointer=pointer,
    )


def _column(data: Mapping[str, Any], pointer: str) -> ColumnContract:
    custom = _custom(data)
    position = data.get("primaryKeyPosition", 1) if data.get("primaryKey") else None
    classification = data.get("classification")
    personal_data = custom.get("personalData")
    return ColumnContract(
        name=data.get("physicalName", data["name"]),
        type=data["physicalType"],
        logical_type=data.get("logicalType"),
        options=data.get("logicalTypeOptions", {}),
        is_required=bool(data.get("required")) or position is not None,
        primary_key_position=position,
        is_unique=bool(data.get("unique")),
        default=_text(custom.get("default")),
        identity=custom.get("identity"),
        generated=custom.get("generated"),
        description=data.get("description"),
        classification=Classification(classification) if classification else None,
        personal_data=PersonalData(personal_data) if personal_data else None,
        masking=custom.get("masking"),
        allowed_values=tuple(entry["value"] for entry in data.get("enum", ())),
        quality=tuple(data.get("quality", ())),
        pointer=pointer,
    )


def _relationships(table: Mapping[str, Any], pointer: str) -> list[RelationshipContract]:
    found = []
    for index, entry in enumerate(table.get("relationships", ())):
        sources = [entry["from"]] if isinstance(entry["from"], str) else entry["from"]
        columns = tuple(source.rpartition(".")[2] for source in sources)
        found.append(_relationship(entry, columns, f"{pointer}/relationships/{index}"))
    for position, column in enumerate(table.get("properties", ())):
        for index, entry in enumerate(column.get("relationships", ())):
            place = f"{pointer}/properties/{position}/relationships/{index}"
            found.append(_relationship(entry, (column.get("physicalName", column["name"]),), place))
    return found


def _relationship(entry: Mapping[str, Any], columns: tuple[str, ...], pointer: str) -> RelationshipContract:
    targets = [entry["to"]] if isinstance(entry["to"], str) else entry["to"]
    tables = {target.rpartition(".")[0] for target in targets}
    if len(tables) != 1:
        raise ValueError(f"a relationship points at exactly one table, found {sorted(tables)}")
    return RelationshipContract(
        columns=columns,
        target_table=tables.pop(),
        target_columns=tuple(target.rpartition(".")[2] for target in targets),
        on_delete=str(_custom(entry).get("onDelete", "NO ACTION")).upper(),
        pointer=pointer,
    )


def _index(entry: Mapping[str, Any], pointer: str) -> IndexContract:
    return IndexContract(
        name=entry["name"],
        keys=tuple(_index_key(key) for key in entry["columns"]),
        is_unique=bool(entry.get("unique", False)),
        method=entry.get("method", "btree"),
        where=entry.get("where"),
        include=tuple(entry.get("include", ())),
        reason=entry.get("reason"),
        pointer=pointer,
    )


def _index_key(key: str | Mapping[str, Any]) -> IndexKey:
    if isinstance(key, str):
        column, _, order = key.partition(" ")
        return IndexKey(column=column, is_descending=order.strip().lower() == "desc")
    return IndexKey(
        column=key.get("column"),
        expression=key.get("expression"),
        is_descending=str(key.get("order", "asc")).lower() == "desc",
        operator_class=key.get("operatorClass"),
    )


def _unique_keys(
    table: str, columns: tuple[ColumnContract, ...], custom: Mapping[str, Any], places: Mapping[str, str]
) -> tuple[ConstraintContract, ...]:
    single = tuple(
        ConstraintContract(name=f"{table}_{column.name}_key", columns=(column.name,), pointer=column.pointer)
        for column in columns
        if column.is_unique
    )
    declared = tuple(
        ConstraintContract(
            name=entry["name"], columns=tuple(entry["columns"]), pointer=f"{places['uniqueKeys']}/{position}"
        )
        for position, entry in enumerate(custom.get("uniqueKeys", []))
    )
    return single + declared


def _partitioning(custom: Mapping[str, Any], places: Mapping[str, str]) -> PartitioningContract | None:
    data = custom.get("partitioning")
    if data is None:
        return None
    return PartitioningContract(
        strategy=data["strategy"],
        columns=tuple(data["columns"]),
        interval=data["interval"],
        start=str(data["start"]),
        end=str(data["end"]),
        has_default=bool(data.get("default", False)),
        pointer=places["partitioning"],
    )


def _role(data: Mapping[str, Any], pointer: str) -> RoleContract:
    return RoleContract(
        name=data["role"],
        access=data.get("access", "read"),
        clearance=Classification(_custom(data).get("clearance", "internal")),
        description=data.get("description"),
        pointer=pointer,
    )


def _service_level(entries: list[Mapping[str, Any]], name: str, table: str) -> tuple[float, str] | None:
    for entry in entries:
        elements = [element.strip() for element in str(entry.get("element", "")).split(",")]
        if entry["property"] == name and table in elements:
            return float(entry["value"]), str(entry.get("unit", "d"))
    return None


def _custom(data: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in data.get("customProperties", ())}


def _custom_pointers(data: Mapping[str, Any], pointer: str) -> dict[str, str]:
    entries = enumerate(data.get("customProperties", ()))
    return {entry["property"]: f"{pointer}/customProperties/{index}/value" for index, entry in entries}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
