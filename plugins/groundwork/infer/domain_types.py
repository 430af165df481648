"""Domains of a database (types with conditions of their own), for which contracts have no word but their base type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundwork.catalog.session import run, undone

if TYPE_CHECKING:
    from sqlalchemy import Connection

_DOMAINS = """
SELECT format_type(oid, NULL), format_type(typbasetype, typtypmod) FROM pg_type
WHERE typtype = 'd' AND typnamespace <> 'information_schema'::regnamespace
"""


def domain_types(connection: Connection) -> dict[str, str]:
    """The base type of each domain, both as the server's texts with an empty search path."""
    with undone(connection):
        run(connection, "SET LOCAL search_path = ''")
        rows = [tuple(row) for row in run(connection, _DOMAINS).fetchall()]
    found = {str(row[0]): str(row[1]) for row in rows}
    return {name: _last(base, found) for name, base in found.items()}


def _last(base: str, domains: dict[str, str]) -> str:
    """Through domains over domains to a type that is none."""
    for _ in domains:
        base = domains.get(base, base)
    return base
