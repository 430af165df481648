"""What contracts yield for other tools, each with a list of what the tool cannot be told.

The targets are made where they belong (`groundwork.contracts.derive`, `groundwork.quality`, the data API); here they
come under one name, as text, with the losses that walking the contracts finds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive import claims
from groundwork.contracts.derive.losses import Claims, Loss, losses


class Target(StrEnum):
    """What can be derived."""

    DDL = "ddl"
    SQLALCHEMY = "sqlalchemy"
    JSON_SCHEMA = "json-schema"
    DBT = "dbt"
    GX = "gx"
    API = "api"


@dataclass(frozen=True, kw_only=True)
class Derived:
    """The text for one target, and what of the contracts it does not say."""

    target: Target
    domain: str
    table: str | None
    text: str
    losses: tuple[Loss, ...]

    def to_json(self) -> dict[str, object]:
        """The same as a JSON object."""
        return {
            "target": str(self.target),
            "domain": self.domain,
            "table": self.table,
            "text": self.text,
            "losses": [loss.to_json() for loss in self.losses],
        }


def derive(target: Target, domain: Domain, table: TableContract | None = None) -> Derived:
    """What `target` is told of a domain, or of one of its tables.

    Raises: ConfigError when the contracts cannot be made into it.
    """
    make, claimed = _TARGETS[target]
    tables = [table] if table is not None else list(domain.tables)
    contracts = [domain.contract_of(table)] if table is not None else list(domain.contracts)
    only = [table.qualified_name] if table is not None else []
    return Derived(
        target=target,
        domain=domain.name,
        table=table.qualified_name if table is not None else None,
        text=make(domain, tables),
        losses=losses(contracts, claimed(domain), only),
    )


def _reduced(domain: Domain, tables: Sequence[TableContract]) -> Domain:
    """The domain with these tables only."""
    contracts = [
        replace(contract, tables=tuple(table for table in contract.tables if table in tables))
        for contract in domain.contracts
    ]
    return replace(domain, contracts=tuple(contract for contract in contracts if contract.tables))


def _ddl(domain: Domain, tables: Sequence[TableContract]) -> str:
    from groundwork.contracts.derive.ddl import StatementKind, statements

    shared = (StatementKind.SCHEMA, StatementKind.ENUM_TYPE, StatementKind.SEQUENCE)
    names = {(table.schema, table.name) for table in tables}
    own = {(table.schema, table.name) for table in domain.tables}
    chosen = [
        statement.sql
        for statement in statements(domain)
        if (statement.schema, statement.table) in names
        or (statement.kind in shared and (statement.schema, statement.table) not in own)
        or (statement.kind is StatementKind.COMMENT and (statement.schema, statement.table) not in own)
    ]
    return "".join(f"{sql};\n\n" for sql in chosen)


def _sqlalchemy(domain: Domain, tables: Sequence[TableContract]) -> str:
    from groundwork.contracts.derive.source_code import source_code

    is_all = len(tables) == len(domain.tables)
    return source_code(domain, () if is_all else [table.qualified_name for table in tables])


def _json_schema(domain: Domain, tables: Sequence[TableContract]) -> str:
    from groundwork.contracts.derive.json_schema import create_schema

    head: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    names = [table.name for table in tables]
    described = {
        (table.name if names.count(table.name) == 1 else table.qualified_name): create_schema(table)
        | ({"description": table.description} if table.description else {})
        for table in tables
    }
    if len(tables) == 1 and len(domain.tables) > 1:
        return _json(head | described[tables[0].name])
    return _json(head | {"title": f"Rows to write into the tables of {domain.name}", "$defs": described})


def _dbt(domain: Domain, tables: Sequence[TableContract]) -> str:
    from groundwork.contracts.derive.dbt import sources_yaml

    return sources_yaml(_reduced(domain, tables))


def _gx(domain: Domain, tables: Sequence[TableContract]) -> str:
    from groundwork.quality.expectation_suite import suites

    found = suites(domain, tables)
    return _json(found[tables[0].qualified_name] if len(tables) == 1 and len(domain.tables) > 1 else found)


def _gx_claims(domain: Domain) -> Claims:
    from groundwork.quality.expectation_claims import expectation_claims

    return expectation_claims(domain)


def _api(domain: Domain, tables: Sequence[TableContract]) -> str:
    from groundwork.access.api.openapi import document

    return _json(document([_reduced(domain, tables)]))


def _api_claims(domain: Domain) -> Claims:
    from groundwork.access.api.claims import api_claims

    return api_claims(domain)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


_TARGETS: Mapping[Target, tuple[Callable[[Domain, Sequence[TableContract]], str], Callable[[Domain], Claims]]] = {
    Target.DDL: (_ddl, lambda _: claims.DDL),
    Target.SQLALCHEMY: (_sqlalchemy, lambda _: claims.SQLALCHEMY),
    Target.JSON_SCHEMA: (_json_schema, lambda _: claims.JSON_SCHEMA),
    Target.DBT: (_dbt, lambda _: claims.DBT),
    Target.GX: (_gx, _gx_claims),
    Target.API: (_api, _api_claims),
}
