"""Puts the consumers beside each breaking change: who reads what readers lose, who writes what writers must change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from groundwork.contracts.consumers.consumer import Consumer, Side, Use
from groundwork.contracts.consumers.find import all_uses, users
from groundwork.contracts.contract import Domain
from groundwork.contracts.evolution.change import Audience, Change, Evolution, Impact

_OF_ALL = ("contract", "server")  # what concerns every table of the contract


def with_consumers(evolution: Evolution, old: Domain, *, project: Path) -> Evolution:
    """The same evolution, with the consumers of what breaks; `old` is the domain that promised it."""
    if not evolution.breaking:
        return evolution
    uses = all_uses(old, project=project)
    contracts = tuple(
        replace(contract, changes=tuple(_named(change, old, uses) for change in contract.changes))
        for contract in evolution.contracts
    )
    return replace(evolution, contracts=contracts)


def _named(change: Change, old: Domain, uses: Sequence[Use]) -> Change:
    if change.impact is not Impact.BREAKING:
        return change
    found = {consumer for consumer in _consumers(change, old, uses) if _is_hit(consumer, change)}
    return replace(change, consumers=tuple(sorted(found, key=lambda one: (one.kind, one.name, one.where, one.how))))


def _consumers(change: Change, old: Domain, uses: Sequence[Use]) -> Iterator[Consumer]:
    if change.table:
        for name in change.columns or (None,):
            yield from users(uses, change.table, name)
    elif change.subject == "enum type":
        for table in old.tables:
            for column in table.columns:
                if column.type.removesuffix("[]") == change.name:
                    yield from users(uses, table.name, column.name)
    elif change.subject in _OF_ALL:
        names = [
            table.name for contract in old.contracts if contract.id == change.contract for table in contract.tables
        ]
        yield from (use.consumer for use in uses if use.table in names)


def _is_hit(consumer: Consumer, change: Change) -> bool:
    if (consumer.kind, consumer.name) == (change.subject, change.name):
        return False  # a thing is no consumer of itself
    unhurt = {Audience.READERS: Side.WRITES, Audience.WRITERS: Side.READS}.get(change.audience)
    return consumer.side is not unhurt
