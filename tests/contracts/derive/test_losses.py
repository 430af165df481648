"""Walking a contract: every value once, by its place, and nothing left out."""

from __future__ import annotations

from typing import Any

from groundwork.contracts.derive.losses import Claims, leaves, losses
from tests.access.check_samples import everything
from tests.contracts.samples import market, shop


def _values(node: Any, pointer: str = "") -> dict[str, Any]:
    """Every leaf of plain data by its JSON pointer."""
    if isinstance(node, dict) and node:
        items = ((str(key).replace("~", "~0").replace("/", "~1"), value) for key, value in node.items())
    elif isinstance(node, list) and node:
        items = ((str(place), value) for place, value in enumerate(node))
    else:
        return {pointer: node}
    return {where: leaf for key, value in items for where, leaf in _values(value, f"{pointer}/{key}").items()}


def test_every_value_is_walked_once() -> None:
    for domain in (shop(), everything(), market()):
        for contract in domain.contracts:
            found = list(leaves(contract))
            expected = _values(contract.document.data)
            names = {pointer for pointer in expected if pointer.endswith("/property")}  # names, told by the path
            assert {leaf.pointer: leaf.value for leaf in found} == {
                pointer: value for pointer, value in expected.items() if pointer not in names
            }
            assert len({leaf.pointer for leaf in found}) == len(found)


def test_paths_tell_places_apart() -> None:
    (contract,) = shop().contracts
    found = {leaf.path for leaf in leaves(contract)}
    assert {
        "contract/team/name",
        "contract/databaseSchema",
        "contract/sla/retention/value",
        "contract/roles/*/clearance",
        "table/indexes/*/columns/*/operatorClass",
        "table/partitioning/interval",
        "column/physicalType",
        "column/default",
        "column/enum/*/value",
        "relationship/onDelete",
    } <= found


def test_what_nobody_claims_is_lost_with_its_reason() -> None:
    (contract,) = shop().contracts
    claims = Claims(
        carried=(("column/*", lambda leaf: leaf.value != "internal"), ("table/*", None)),
        reasons=(("contract/*", "of the contract"),),
        default_reason="not known",
    )
    found = losses([contract], claims)
    assert {loss.why for loss in found if loss.what.startswith("contract/")} == {"of the contract"}
    assert {loss.what for loss in found if loss.why == "not known"} == {
        "column/classification",
        "relationship/onDelete",
        "relationship/to",
    }
    assert {
        loss.pointer.split("/")[2] for loss in losses([contract], claims, ["shop.sales"]) if "/schema/" in loss.pointer
    } == {"1"}
