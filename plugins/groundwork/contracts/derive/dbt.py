"""Contract → dbt sources: the file `models/staging/_sources.yml` of the dbt project.

Only what dbt itself needs stands in it (names, types, descriptions, who owns it, how guarded a column is, how fresh it
is promised to be): the tables' own checks run elsewhere and are not repeated. Freshness is judged as those checks do:
by the column in which the database writes the time, else by the last load, and staleness warns. The file is committed
and a test compares it with what this module makes.
`python -m groundwork.contracts.derive.dbt market` writes it anew.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from groundwork.contracts.contract import ColumnContract, Domain, TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.read import read_domain
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind
from groundwork.settings import Settings

SOURCES = Path("models") / "staging" / "_sources.yml"
_HEADER = (
    "# Made from the contracts by `python -m groundwork.contracts.derive.dbt {domain}`: change the contracts instead.\n"
)
_PERIODS = (("day", 86_400), ("hour", 3_600), ("minute", 60))  # dbt's words; a promise in seconds rounds to minutes
_LAST_LOAD = (  # the books of loads, beside the data
    "SELECT max(finished_at) FROM groundwork_flow.load"
    " WHERE schema_name = {schema} AND table_name = {table} AND NOT is_trial"
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
    checks = derive_checks(domain).checks
    promises = {(check.schema, check.table): check for check in checks if check.kind is CheckKind.FRESHNESS}
    return {
        "name": domain.name if schema == domain.name else schema,
        "description": f"Tables of the domain {domain.name}, declared in governance/contracts/{domain.name}.",
        "schema": schema,
        "tables": [_table(table, domain, promises.get((schema, table.name))) for table in tables],
    }


def _table(table: TableContract, domain: Domain, promise: Check | None) -> dict[str, Any]:
    contract = domain.contract_of(table)
    meta = {"contract": contract.id, "contract_version": contract.version, "owner": contract.owner}
    return {
        "name": table.name,
        "description": " ".join(part for part in (table.description, table.grain) if part),
        "config": {"meta": meta, "tags": list(table.tags), **_freshness(promise)},
        "columns": [_column(column) for column in table.columns],
    }


def _freshness(promise: Check | None) -> dict[str, Any]:
    """Dbt's freshness of the promise; explicitly none where nothing is promised, or nothing could tell."""
    if promise is None:
        return {"freshness": None}
    seconds = int(str(promise.arguments["maximum_age_seconds"]))
    period, length = next((word, size) for word, size in _PERIODS if seconds % size == 0 or size == _PERIODS[-1][1])
    freshness = {"warn_after": {"count": max(1, seconds // length), "period": period}}
    if column := promise.arguments["column"]:
        return {"loaded_at_field": column, "freshness": freshness}
    names = {"schema": _literal(promise.schema), "table": _literal(promise.table)}
    return {"loaded_at_query": _LAST_LOAD.format(**names), "freshness": freshness}


def _literal(value: str) -> str:
    """A literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


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
