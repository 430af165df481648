"""The domain's declared tables as they stand in a schema of the warehouse."""

from __future__ import annotations

from sqlalchemy import MetaData, Table

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.metadata import metadata


def table_in(domain: Domain, name: str, schema: str) -> Table:
    """The table `name` with its declared columns, standing in `schema`."""
    declared = metadata(domain).tables[domain.table(name).qualified_name]
    return declared.to_metadata(MetaData(), schema=schema)
