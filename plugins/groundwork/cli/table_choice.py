"""The table that a command names, with as much of its domain as loading it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundwork.model.errors import ConfigError
from groundwork.settings import Settings

if TYPE_CHECKING:
    from groundwork.contracts.contract import Domain, TableContract


def chosen_table(name: str, domain: str | None) -> tuple[Domain, TableContract]:
    """The table called `name`, with or without its schema; a broken contract elsewhere does not matter.

    Raises: ConfigError when there is none of this name, or more than one.
    """
    from groundwork.flow.pipelines.catalogue import pipeline_domain, read_catalogue

    settings = Settings.from_environment()
    catalogue = read_catalogue(settings.contracts, settings.home)
    tables = {(each, f"{place[0]}.{place[1]}") for (each, _), place in catalogue.tables.items()}
    found = sorted(
        (each, table) for each, table in tables if domain in (None, each) and name in (table, table.partition(".")[2])
    )
    if len(found) != 1:
        broken = "; ".join(f"{file} is broken" for file in catalogue.broken)
        raise ConfigError(
            f"{'no table is' if not found else 'several tables are'} called `{name}`",
            where=str(settings.contracts),
            expected=f"one of {', '.join(sorted(table for _, table in tables)) or 'none: there are no contracts'}",
            found=", ".join(f"{table} of {each}" for each, table in found) or broken or name,
            next_step="name the table with its schema, or the domain by --domain",
        )
    place, table = found[0]
    part = pipeline_domain(settings.contracts, place, table)
    return part, part.table(table)
