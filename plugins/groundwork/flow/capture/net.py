"""Many changes of a table folded into what they come to: per key one new row, or its absence.

An update may leave out columns that did not change; they are taken from the change before, else named as unknown
together with the key under which the target has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from groundwork.flow.capture.declaration import StreamTable
from groundwork.flow.capture.event import Change, Operation, Row

Key = tuple[str | None, ...]


@dataclass(kw_only=True)
class NewRow:
    """The row that a key shall have; `unknown` are source columns whose value the target has under `known_as`."""

    change: Change
    values: dict[str, str | None]
    unknown: frozenset[str] = frozenset()
    known_as: Key = ()


@dataclass(kw_only=True)
class Net:
    """What a run of changes comes to. `superseded` counts new rows that a later change of the run replaced."""

    rows: dict[Key, NewRow] = field(default_factory=dict)
    gone: dict[Key, Change] = field(default_factory=dict)
    superseded: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.rows and not self.gone


def fold(table: StreamTable, changes: Sequence[Change]) -> Net:
    """What `changes` of one table, in their order and without truncations, come to."""
    net = Net()
    for change in changes:
        if change.after is None:
            _remove(net, _key(table, change.before), change)
        else:
            _put(net, table, change, change.after)
    return net


def _put(net: Net, table: StreamTable, change: Change, after: Row) -> None:
    new = _key(table, after)
    old = _key(table, change.before) if change.before and change.operation is Operation.UPDATE else new
    wanted = frozenset(table.columns.values()) & change.unchanged
    before = net.rows.get(old)
    row = NewRow(change=change, values=dict(after))
    if wanted and before is not None:
        row.values |= {name: before.values[name] for name in wanted if name in before.values}
        row.unknown, row.known_as = wanted & before.unknown, before.known_as
    elif wanted:
        row.unknown, row.known_as = wanted, old
    if old != new:
        _remove(net, old, change)
    if new in net.rows:
        net.superseded += 1
    net.gone.pop(new, None)
    net.rows[new] = row


def _remove(net: Net, key: Key, change: Change) -> None:
    if net.rows.pop(key, None) is not None:
        net.superseded += 1
    net.gone[key] = change


def _key(table: StreamTable, row: Row | None) -> Key:
    return tuple((row or {}).get(name) for name in table.source_key)
