"""What the data API's OpenAPI document carries of a contract."""

from __future__ import annotations

from groundwork.access.api.openapi import is_writable
from groundwork.access.query import operators_of
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.claims import SHARED, has_json_type, is_given, is_no_key, limits_value
from groundwork.contracts.derive.losses import Claim, Claims, Leaf
from groundwork.contracts.derive.types import sql_type


def api_claims(domain: Domain) -> Claims:
    """The claims for the document of `domain`; limits of values stand in it only where some role may write."""
    writing = sum(role.access == "write" for contract in domain.contracts for role in contract.roles)

    def is_decisive(leaf: Leaf) -> bool:
        """Whether the document has its writes, or has none, because of this declaration alone."""
        return writing == (leaf.value == "write")

    written: tuple[Claim, ...] = ()
    if is_writable(domain):
        written = (
            ("contract/enumTypes/*/values/*", None),
            ("column/default", None),
            ("column/enum/*", None),
            ("column/required", is_no_key),
            ("column/logicalTypeOptions/*", limits_value),
        )
    return Claims(
        carried=(
            *written,
            ("table/name", None),
            ("table/physicalName", None),
            ("table/physicalType", None),
            ("table/description", None),
            ("table/dataGranularityDescription", None),
            ("contract/enumTypes/*/name", None),
            ("contract/roles/*/access", is_decisive),
            ("column/name", None),
            ("column/physicalName", None),
            ("column/physicalType", _is_told),
            ("column/description", _is_shown),
            ("column/required", _is_in_order),
            ("column/primaryKey", None),
            ("column/primaryKeyPosition", _is_in_compound_key),
            ("column/classification", _is_shown),
            ("column/personalData", _is_shown),
            ("column/generated", None),
            ("column/identity", _is_always),
        ),
        reasons=(
            ("column/default", "no role may write, so nobody needs to know what may be left out"),
            ("column/enum/*", "no role may write, and what is read may be masked"),
            ("contract/enumTypes/*", "no role may write, and what is read may be masked"),
            ("contract/roles/*/access", "other roles may write, so the document has its writes anyhow"),
            ("contract/roles/*/role", "a key of the API stands for a role; the document is the same for all"),
            ("contract/roles/*/clearance", "masked values have the type of the column"),
            *SHARED,
        ),
        default_reason="a caller of the API neither sees nor needs it",
    )


def _is_told(leaf: Leaf) -> bool:
    return has_json_type(leaf) or not is_given(leaf)


def _is_shown(leaf: Leaf) -> bool:
    """Whether the column is part of answers; search documents can only be searched."""
    return leaf.column is not None and "search" not in operators_of(sql_type(leaf.column))


def _is_in_compound_key(leaf: Leaf) -> bool:
    return leaf.table is not None and len(leaf.table.primary_key) > 1


def _is_in_order(leaf: Leaf) -> bool:
    """Pages are ordered by columns that are never null and of a type that has an order."""
    if leaf.column is None or not is_no_key(leaf):
        return False
    operators = operators_of(sql_type(leaf.column))
    return not {"contains", "search"} & set(operators)


def _is_always(leaf: Leaf) -> bool:
    return leaf.column is not None and leaf.column.identity == "always"
