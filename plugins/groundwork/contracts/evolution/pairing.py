"""How the contracts and tables of two declared worlds find each other.

A contract is found by its id, then by its file, then by its tables, so that a file may move. A table is found by its
name in the whole domain, so that it may move to another contract, then by what it looks like. What changed of a table
counts for the contract that promised it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from groundwork.contracts.contract import Contract, Domain
from groundwork.contracts.evolution.change import Change, ContractEvolution
from groundwork.contracts.evolution.renames import recognised
from groundwork.contracts.evolution.subject import TABLE, Subject, contract_subject


@dataclass(kw_only=True)
class Pair:
    """One contract on both sides, with its trees and the changes that were found."""

    old: Contract | None
    new: Contract | None
    changes: list[Change] = field(default_factory=list)
    old_tree: Subject | None = field(init=False)
    new_tree: Subject | None = field(init=False)

    def __post_init__(self) -> None:
        self.old_tree = contract_subject(self.old.document.data) if self.old else None
        if self.old and self.new and self.old.document.data == self.new.document.data:
            self.new_tree = self.old_tree
        else:
            self.new_tree = contract_subject(self.new.document.data) if self.new else None

    @property
    def id(self) -> str:
        """The contract's id, the old one where there is one."""
        some = self.old or self.new
        return some.id if some else ""

    def evolution(self) -> ContractEvolution | None:
        """What became of the contract; null when nothing did."""
        versions = {contract.version for contract in (self.old, self.new) if contract}
        if not self.changes and len(versions) < 2:
            return None
        return ContractEvolution(
            id=self.id,
            old_path=str(self.old.path) if self.old else None,
            new_path=str(self.new.path) if self.new else None,
            old_version=self.old.version if self.old else None,
            new_version=self.new.version if self.new else None,
            changes=tuple(self.changes),
        )


@dataclass(frozen=True, kw_only=True)
class TablePair:
    """A table on both sides; `pair` is the contract its changes count for, `new_contract` declares it now."""

    old: Subject | None
    new: Subject | None
    pair: Pair
    new_contract: Contract | None
    confidence: float | None = None

    @property
    def has_moved(self) -> bool:
        """Whether another contract declares it now."""
        return self.old is not None and self.new is not None and self.new_contract is not self.pair.new


_RULES: tuple[Callable[[Contract, Contract], bool], ...] = (
    lambda old, new: old.id == new.id and old.path.name == new.path.name,
    lambda old, new: old.id == new.id,
    lambda old, new: old.path.name == new.path.name,
    lambda old, new: not {table.name for table in old.tables}.isdisjoint(table.name for table in new.tables),
)


def contract_pairs(old: Domain, new: Domain) -> list[Pair]:
    """Every contract of the two sides, once."""
    waiting = {id(contract): contract for contract in new.contracts}
    found: dict[int, Contract] = {}
    for is_same in _RULES:
        for index, before in enumerate(old.contracts):
            if index in found:
                continue
            after = next((contract for contract in waiting.values() if is_same(before, contract)), None)
            if after is not None:
                found[index] = waiting.pop(id(after))
    kept = [Pair(old=before, new=found.get(index)) for index, before in enumerate(old.contracts)]
    return kept + [Pair(old=None, new=after) for after in waiting.values()]


def table_pairs(pairs: list[Pair]) -> Iterator[TablePair]:
    """Every table of the two sides; those of a contract that is new are left out, unless they moved there."""
    before, after = _tables(pairs, is_old=True), _tables(pairs, is_old=False)
    gone = {id(table): name for name, (table, _) in before.items() if name not in after}
    fresh = {id(table): name for name, (table, _) in after.items() if name not in before}
    renames = recognised(
        TABLE, [before[name][0] for name in gone.values()], [after[name][0] for name in fresh.values()]
    )
    matched: list[tuple[str, str, float | None]] = [(name, name, None) for name in before if name in after]
    matched += [(gone.pop(id(old)), fresh.pop(id(new)), confidence) for old, new, confidence in renames]
    for name, other, confidence in matched:
        (old, pair), (new, holder) = before[name], after[other]
        yield TablePair(old=old, new=new, pair=pair, new_contract=holder.new, confidence=confidence)
    for name in gone.values():
        old, pair = before[name]
        yield TablePair(old=old, new=None, pair=pair, new_contract=pair.new)
    for name in fresh.values():
        new, pair = after[name]
        if pair.old is not None:
            yield TablePair(old=None, new=new, pair=pair, new_contract=pair.new)


def _tables(pairs: list[Pair], *, is_old: bool) -> dict[str, tuple[Subject, Pair]]:
    """Tables by name; by contract and name where two contracts have one of the same name."""
    found = [
        (table, pair)
        for pair in pairs
        for table in ((pair.old_tree if is_old else pair.new_tree) or Subject(kind="", name="", pointer="")).of_kind(
            TABLE
        )
    ]
    names = Counter(table.name for table, _ in found)
    return {
        (table.name if names[table.name] == 1 else f"{pair.id}/{table.name}"): (table, pair) for table, pair in found
    }
