"""A domain as if it were declared in other schemas, down to its expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from groundwork.contracts.contract import ColumnContract, Contract, Domain, IndexContract, TableContract
from groundwork.contracts.relocation import Objects, relocated_expression


def moved(domain: Domain, schemas: Mapping[str, str], own: Objects) -> Domain:
    """`domain` with each schema exchanged for the one it maps to; `own` are the types and sequences that move along."""
    return replace(domain, contracts=tuple(_contract(contract, schemas, own) for contract in domain.contracts))


def _contract(contract: Contract, schemas: Mapping[str, str], own: Objects) -> Contract:
    return replace(
        contract,
        tables=tuple(_table(table, schemas, own) for table in contract.tables),
        enum_types=tuple(replace(each, schema=schemas.get(each.schema, each.schema)) for each in contract.enum_types),
        sequences=tuple(replace(each, schema=schemas.get(each.schema, each.schema)) for each in contract.sequences),
    )


def _table(table: TableContract, schemas: Mapping[str, str], own: Objects) -> TableContract:
    place = replace(table, schema=schemas.get(table.schema, table.schema))
    if not own:
        return place
    return replace(
        place,
        columns=tuple(_column(column, schemas, own) for column in table.columns),
        checks=tuple(replace(check, condition=_text(check.condition, own)) for check in table.checks),
        indexes=tuple(_index(index, own) for index in table.indexes),
    )


def _column(column: ColumnContract, schemas: Mapping[str, str], own: Objects) -> ColumnContract:
    kind = column.enum_type
    return replace(
        column,
        default=_text(column.default, own),
        generated=_text(column.generated, own),
        enum_type=replace(kind, schema=schemas.get(kind.schema, kind.schema)) if kind else None,
    )


def _index(index: IndexContract, own: Objects) -> IndexContract:
    return replace(
        index,
        where=_text(index.where, own),
        keys=tuple(replace(key, expression=_text(key.expression, own)) for key in index.keys),
    )


def _text(sql: str | None, own: Objects) -> str | None:
    return None if sql is None else relocated_expression(sql, own)
