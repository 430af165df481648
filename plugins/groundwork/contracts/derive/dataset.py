"""Contract → dataset names for lineage: what a table, its file and its inputs are called in OpenLineage events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from groundwork.contracts.contract import Domain, TableContract
from groundwork.model.lineage import ColumnSource, Dataset, Lineage


def table_dataset(url: URL, table: TableContract, row_count: int | None = None) -> Dataset:
    """The dataset of a declared table on the server at `url`; `row_count` is the rows written."""
    return Dataset(
        namespace=server_namespace(url),
        name=f"{url.database}.{table.schema}.{table.name}",
        columns=tuple((column.name, column.type) for column in table.columns),
        row_count=row_count,
        description=table.description,
    )


def server_namespace(url: URL) -> str:
    """OpenLineage's namespace of a PostgreSQL server."""
    return f"postgres://{url.host}:{url.port or 5432}"


def load_lineage(url: URL, domain: Domain, table: TableContract, *, project: Path, row_count: int) -> Lineage:
    """What one load read and wrote: the declared source, its fields where they are mapped, and the table.

    Columns of a computed source are unknown, because its code decides; a mapped column of any other is known. What
    lies behind a connection is named by the connection's id, because its host is no business of a backend of lineage.
    """
    source = table.source or {}
    output = table_dataset(url, table, row_count)
    if source.get("kind") == "computed":
        inputs = tuple(table_dataset(url, domain.table(name)) for name in source.get("inputs", ()))
        return Lineage(inputs=inputs, outputs=(output,))
    origin = _origin(source, project)
    mapping = source.get("columns") or {column.name: column.name for column in table.columns if not column.generated}
    sources = {
        (output.name, column): (ColumnSource(dataset=origin, column=field, how="cast to the declared type"),)
        for column, field in mapping.items()
    }
    return Lineage(inputs=(origin,), outputs=(output,), column_sources=sources)


def _origin(source: Mapping[str, Any], project: Path) -> Dataset:
    """The declared source as a dataset: a file, an object of a storage, an address or table behind a connection."""
    kind, connection, path = source.get("kind"), source.get("connection"), str(source.get("path") or "")
    if kind in ("http", "table"):
        name = path if kind == "http" else str(source.get("table") or "query")
        return Dataset(namespace=f"airflow://{connection}", name=name, description=source.get("origin"))
    if package := source.get("package"):
        return Dataset(namespace="file", name=f"{package}/{path}", description=source.get("origin"))
    scheme, is_address, rest = path.partition("://")
    if is_address and scheme != "file":
        place, _, name = rest.partition("/")
        return Dataset(namespace=f"{scheme}://{place}", name=name, description=source.get("origin"))
    return Dataset(namespace="file", name=str(project / (rest or path)), description=source.get("origin"))
