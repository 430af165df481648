"""Two declared worlds compared and judged: `compare_contracts`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from groundwork.contracts.contract import Contract, Domain
from groundwork.contracts.evolution.change import Audience, Change, Evolution
from groundwork.contracts.evolution.difference import Difference, differences, table_differences
from groundwork.contracts.evolution.judge import judge
from groundwork.contracts.evolution.judgement import Verdict, World, breaks, compatible
from groundwork.contracts.evolution.pairing import Pair, TablePair, contract_pairs, table_pairs
from groundwork.contracts.evolution.subject import CONTRACT, TABLE, Subject

_VERSION = "version"  # the announcement, not what is announced


def compare_contracts(old: Domain, new: Domain, *, today: date | None = None) -> Evolution:
    """Every change from `old` to `new`, judged, contract by contract; equal contracts are left out.

    `today` decides whether the notice of something deprecated has run out (default: the day it is, UTC). Needs no
    database: SQL is compared by its syntax, types by PostgreSQL's grammar.
    """
    day = today or datetime.now(UTC).date()
    world = World(old_roles=old.roles, new_roles=new.roles, today=day)
    pairs = contract_pairs(old, new)
    for pair in pairs:
        pair.changes.extend(_of_contract(pair, world))
    for table in table_pairs(pairs):
        table.pair.changes.extend(_of_table(table, world))
    evolved = (pair.evolution() for pair in pairs)
    return Evolution(domain=new.name or old.name, contracts=tuple(found for found in evolved if found))


def _of_contract(pair: Pair, world: World) -> Iterator[Change]:
    """What changed of a contract beside its tables."""
    if pair.old_tree is None or pair.new_tree is None:
        what = "added" if pair.old_tree is None else "removed"
        why = "nobody relies on it yet" if what == "added" else "nothing promises the tables that are left any more"
        difference = Difference(what=what, kind=CONTRACT, old=pair.old_tree, new=pair.new_tree)
        yield _change(difference, compatible(Audience.BOTH, why), pair, pair.new)
    elif pair.old_tree is not pair.new_tree:
        for difference in differences(pair.old_tree, pair.new_tree, skipped=frozenset([TABLE])):
            if difference.attribute != _VERSION or difference.kind != CONTRACT:
                yield from _judged(difference, world, pair, pair.new)


def _of_table(table: TablePair, world: World) -> Iterator[Change]:
    for difference in _differences(table):
        yield from _judged(difference, world, table.pair, table.new_contract)
    if table.has_moved:
        difference = Difference(what="moved", kind=TABLE, old=table.old, new=table.new, old_table=table.old)
        yield _change(difference, _moved(table), table.pair, table.new_contract)


def _differences(table: TablePair) -> Iterator[Difference]:
    old, new = table.old, table.new
    if old is None or new is None:
        what = "added" if old is None else "removed"
        yield Difference(what=what, kind=TABLE, old=old, new=new, old_table=old, new_table=new)
    elif old is not new:
        if table.confidence is not None:
            yield Difference(
                what="renamed", kind=TABLE, old=old, new=new, confidence=table.confidence, old_table=old, new_table=new
            )
        yield from table_differences(old, new)


def _moved(table: TablePair) -> Verdict:
    """A move is harmless as long as the table keeps its schema."""
    before, after = table.pair.old, table.new_contract
    schemas = {side.tables[0].schema for side in (before, after) if side and side.tables}
    if len(schemas) > 1:
        return breaks(Audience.BOTH, f"it moves from one database schema to another: {' and '.join(sorted(schemas))}")
    return compatible(Audience.BOTH, f"the contract `{after.id if after else ''}` declares it now")


def _judged(difference: Difference, world: World, pair: Pair, new_contract: Contract | None) -> Iterator[Change]:
    for verdict in judge(difference, world):
        yield _change(difference, verdict, pair, new_contract)


def _change(difference: Difference, verdict: Verdict, pair: Pair, new_contract: Contract | None) -> Change:
    old, new = difference.old, difference.new
    some, table = old or new, difference.old_table or difference.new_table
    values = (difference.old_value, difference.new_value)
    if difference.what == "renamed":
        values = (old.name if old else None, new.name if new else None)
    elif verdict.old is not None or verdict.new is not None:
        values = (verdict.old, verdict.new)
    return Change(
        contract=pair.id,
        table=table.name if table else (some.get("table") if some and some.kind == "service level" else None),
        column=".".join(difference.path) or None,
        subject=difference.kind,
        name=some.name if some else pair.id,
        what=difference.what,
        attribute=difference.attribute,
        old=values[0],
        new=values[1],
        old_where=_where(pair.old, old, difference.attribute),
        new_where=_where(new_contract, new, difference.attribute),
        impact=verdict.impact,
        audience=verdict.audience,
        why=verdict.why,
        confidence=difference.confidence,
        columns=_columns(difference),
    )


def _columns(difference: Difference) -> tuple[str, ...]:
    """The columns of the table, by their old names, that a difference is about; none where it is about all of them."""
    if difference.path:
        return difference.path[:1]
    if difference.attribute == "primaryKey":
        return tuple(difference.old_value or ())
    some = difference.old or difference.new
    if some is None or some.kind == TABLE:
        return ()
    if some.kind == "relationship":
        return tuple(some.name.partition(" → ")[0].split(", "))
    keys = [
        key.get("column") if isinstance(key, dict) else str(key).partition(" ")[0] for key in some.get("columns") or ()
    ]
    return tuple(str(key) for key in keys if key)


def _where(contract: Contract | None, subject: Subject | None, attribute: str | None) -> str | None:
    """`file:line` of a thing, or of its attribute where it has one."""
    if contract is None or subject is None:
        return None
    value = subject.values.get(attribute) if attribute else None
    position = contract.document.position(value.pointer if value else subject.pointer)
    return f"{contract.path}:{position.line}"
