"""What contracts yield for other tools: claims of what is carried are true, and nothing is lost in silence."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from groundwork.access.derived import Target, derive
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.losses import leaves
from groundwork.contracts.read import read_domain
from groundwork.model.errors import GroundworkError
from tests.access.check_samples import everything
from tests.contracts.derive.perturb import changed_domains
from tests.contracts.samples import shop

PROJECT = Path(__file__).resolve().parents[2]
# Changed by itself the value means nothing else: the order of keys, a type's other name, a rule's own words.
_NOT_TRIED = ("column/primaryKeyPosition", "column/logicalType")


@pytest.mark.parametrize("domain", [shop(), everything()], ids=lambda domain: domain.name)
@pytest.mark.parametrize("target", list(Target))
def test_what_is_carried_changes_the_text_and_what_is_lost_does_not(target: Target, domain: Domain) -> None:
    derived = derive(target, domain)
    lost = {loss.pointer for loss in derived.losses}
    wrong = []
    for contract in domain.contracts:
        for leaf in leaves(contract):
            if leaf.path in _NOT_TRIED:
                continue
            follows = _follows(target, domain, derived.text, list(changed_domains(domain, contract, leaf.pointer)))
            if follows is not None and follows == (leaf.pointer in lost):
                wrong.append(f"{leaf.path} = {leaf.value} ({leaf.pointer}): {'carried' if follows else 'lost'}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("target", list(Target))
def test_nothing_of_a_real_domain_is_lost_in_silence(target: Target) -> None:
    """Values are drawn with a seed: all would take minutes."""
    domain = read_domain("market", PROJECT / "governance" / "contracts")
    derived = derive(target, domain)
    lost = {loss.pointer for loss in derived.losses}
    all_leaves = [(contract, leaf) for contract in domain.contracts for leaf in leaves(contract)]
    carried = [(contract, leaf) for contract, leaf in all_leaves if leaf.pointer not in lost]
    assert carried
    silent = [
        f"{leaf.path} = {leaf.value} ({leaf.pointer})"
        for contract, leaf in random.Random(7).sample(carried, min(40, len(carried)))  # noqa: S311
        if leaf.path not in _NOT_TRIED
        and _follows(target, domain, derived.text, list(changed_domains(domain, contract, leaf.pointer))) is False
    ]
    assert not silent, "\n".join(silent)


def _follows(target: Target, domain: Domain, text: str, changed: list[Domain | None]) -> bool | None:
    """Whether the text is another for any of the changed domains; null when none could be read."""
    texts = set()
    for other in changed:
        if other is None:
            continue
        try:
            texts.add(derive(target, other).text)
        except (GroundworkError, KeyError, ValueError, SQLAlchemyError):
            texts.add("refused")
    return texts != {text} if texts else None


@pytest.mark.parametrize("target", list(Target))
def test_a_property_that_nobody_knows_is_told_as_lost(target: Target) -> None:
    domain = shop()
    (contract,) = domain.contracts
    data = dict(contract.document.data)
    table = {
        **data["schema"][0],
        "customProperties": [
            *data["schema"][0]["customProperties"],
            {"property": "flavour", "value": {"kind": ["sweet"]}},
        ],
        "newWord": 1,
    }
    column = {**table["properties"][0], "anotherWord": None}
    table["properties"] = [column, *table["properties"][1:]]
    data |= {"schema": [table, *data["schema"][1:]], "tags": ["x"]}
    odd = replace(domain, contracts=(replace(contract, document=replace(contract.document, data=data)),))
    lost = {loss.pointer: loss for loss in derive(target, odd).losses}
    place = len(table["customProperties"]) - 1
    for pointer in (
        f"/schema/0/customProperties/{place}/value/kind/0",
        "/schema/0/newWord",
        "/schema/0/properties/0/anotherWord",
        "/tags/0",
    ):
        assert lost[pointer].why
