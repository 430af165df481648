"""Contract → dbt sources: the file `models/staging/_sources.yml` of the dbt project.

Only what dbt itself needs stands in it (names, types, descriptions, who owns it, how guarded a column is): the tables'
own checks run elsewhere and are not repeated. The file is committed and a test compares it with what this module makes.
`python -m groundwork.contracts.derive.dbt market` writes it anew.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.contracts.read import read_domain
from groundwork.settings import Settings

SOURCES = Path("models") / "staging" / "_sources.yml"
_HEADER = (
    "# Made from the contracts by `python -m groundwork.contracts.derive.dbt {domain}`: change the contracts instead.\n"
)


def sources_yaml(domain: Domain) -> str:
    """The text of the sources file of one domain, one source per database schema, tables in order of declaration."""
    schemas = dict.fromkeys(table.schema for table in domain.tables)
    document = {"version": 2, "sources": [_source(domain, schema) for schema in schemas]}
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096  # one description, one line
    stream = io.StringIO()
    yaml.dump(document, stream)
    return _HEADER.format(domain=domain.name) + stream.getvalue()


def _source(domain: Domain, schema: str) -> dict[str, Any]:
    tables = [table for table in domain.tables if table.schema == schema]
    return {
        "name": domain.name if schema == domain.name else schema,
        "description": f"Tables of the domain {domain.name}, declared in governance/contracts/{domain.name}.",
        "schema": schema,
        "tables": [_table(table, domain) for table in tables],
    }


def _table(table: TableContract, domain: Domain) -> dict[str, Any]:
    contract = domain.contract_of(table)
    meta = {"contract": contract.id, "contract_version": contract.version, "owner": contract.owner}
    return {
        "name": table.name,
        "description": " ".join(part for part in (table.description, table.grain) if part),
        "config": {"meta": meta, "tags": list(table.tags)},
        "columns": [_column(column) for column in table.columns],
    }


def _column(column: ColumnContract) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "data_type": column.type}
    if column.description:
        found["description"] = column.description
    if column.classification:
        found["config"] = {"meta": {"classification": str(column.classification)}}
    return found


def main(domain_name: str) -> None:
    """Write the sources file of a domain into the dbt project."""
    settings = Settings.from_environment()
    text = sources_yaml(read_domain(domain_name, settings.contracts))
    (settings.dbt_project / SOURCES).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
