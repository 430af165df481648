"""What every proposed contract begins with: who it is, what it is for, and who answers for it until it is reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

API_VERSION = "v3.2.0"


def contract_head(*, domain: str, name: str, purpose: str, schema: str) -> dict[str, Any]:
    """A contract as plain ODCS data but for its tables; `schema` is that of the database."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"{domain}-{name.replace('_', '-')}",
        "name": f"{name.replace('_', ' ').capitalize()}",
        "version": "0.1.0",
        "status": "proposed",
        "domain": domain,
        "description": {"purpose": purpose},
        "team": {"name": f"{domain}-data", "members": [{"username": f"{domain}-data-owner", "role": "owner"}]},
        "roles": [
            {"role": f"{domain}_reader", "access": "read", "customProperties": custom({"clearance": "internal"})},
            {"role": f"{domain}_engineer", "access": "write", "customProperties": custom({"clearance": "restricted"})},
        ],
        "customProperties": custom({"databaseSchema": schema}),
    }


def custom(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Custom properties; those without a value are left out."""
    return [{"property": name, "value": value} for name, value in values.items() if value not in (None, (), [], {})]
