"""What a contract declares, value by value, and which of it a target does not carry.

Every value that stands in a contract file is walked, known or not, and checked off against what the target claims; what
nobody claims is a loss. So a property that is new to a contract is told as lost until a target learns it, and can never
be dropped in silence. A test changes each value and sees whether the target's text follows, so claims stay true.

Places are told apart by paths: `contract/…`, `table/…`, `column/…`, `relationship/…`, `quality/…`, `nested/…` (below a
column) and `other/…` (objects that are no tables), with list positions as `*` and custom properties by their name
(`table/indexes/*/reason`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from groundwork.contracts.contract import ColumnContract, Contract, TableContract

_BY_NAME = {"customProperties": "property", "slaProperties": "property"}


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A declared value that the target does not say; `pointer` is its place in the contract `file`."""

    file: str
    pointer: str
    what: str
    why: str

    def to_json(self) -> dict[str, str]:
        """The loss as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One declared value with its place and what it belongs to; an empty list or object is a value too.

    `owner` is the object that it stands in; of a part of a quality rule or relationship the rule or relationship.
    """

    pointer: str
    path: str
    value: object
    contract: Contract
    table: TableContract | None
    column: ColumnContract | None
    owner: Mapping[str, Any]


Claim = tuple[str, Callable[[Leaf], bool] | None]
"""A pattern of paths, and what else must hold for the target to carry the value (null: nothing)."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a target carries, and why it does not carry the rest: `reasons` by pattern, the first match counts."""

    carried: tuple[Claim, ...]
    reasons: tuple[tuple[str, str], ...]
    default_reason: str

    def carries(self, leaf: Leaf) -> bool:
        """Whether the target says this value."""
        return any(
            fnmatchcase(leaf.path, pattern) and (condition is None or condition(leaf))
            for pattern, condition in self.carried
        )

    def reason(self, leaf: Leaf) -> str:
        """Why it does not."""
        return next((why for pattern, why in self.reasons if fnmatchcase(leaf.path, pattern)), self.default_reason)


def losses(contracts: Sequence[Contract], claims: Claims, only: Sequence[str] = ()) -> tuple[Loss, ...]:
    """Everything declared that the target does not carry, in order of file and place.

    With `only` (qualified names) other tables are left out.
    """
    return tuple(
        Loss(file=str(contract.path), pointer=leaf.pointer, what=leaf.path, why=claims.reason(leaf))
        for contract in contracts
        for leaf in leaves(contract)
        if not (only and leaf.table is not None and leaf.table.qualified_name not in only) and not claims.carries(leaf)
    )


def leaves(contract: Contract) -> Iterator[Leaf]:
    """Every value of the contract's file."""
    tables = {table.pointer: table for table in (*contract.tables, *contract.other_objects)}
    tabular = {table.pointer for table in contract.tables}
    for key, value in contract.document.data.items():
        if key == "schema" and isinstance(value, list):
            for place, item in enumerate(value):
                pointer = f"/schema/{place}"
                table = tables.get(pointer)
                kind = "table" if pointer in tabular else "other"
                yield from _Walk(contract=contract, table=table).part(item, pointer, kind)
        else:
            yield from _Walk(contract=contract).value(
                value, f"/{_escaped(key)}", f"contract/{key}", contract.document.data
            )


@dataclass(frozen=True, kw_only=True)
class _Walk:
    contract: Contract
    table: TableContract | None = None
    column: ColumnContract | None = None

    def part(self, item: Any, pointer: str, kind: str) -> Iterator[Leaf]:
        """An object of the schema, a column, or a property nested in one."""
        if not isinstance(item, Mapping):
            yield self._leaf(item, pointer, kind, {})
            return
        for key, value in item.items():
            place = f"{pointer}/{_escaped(key)}"
            if key == "properties" and isinstance(value, list):
                yield from self._properties(value, place, kind)
            elif key == "items" and isinstance(value, Mapping):
                yield from self.part(value, place, "nested")
            elif key == "relationships" and isinstance(value, list):
                yield from self._each(value, place, "relationship")
            elif key == "quality" and isinstance(value, list):
                yield from self._each(value, place, "quality")
            else:
                yield from self.value(value, place, f"{kind}/{key}", item)

    def value(self, value: Any, pointer: str, path: str, owner: Mapping[str, Any]) -> Iterator[Leaf]:
        """Any value, down to its leaves."""
        key = path.rpartition("/")[2]
        if key in _BY_NAME and isinstance(value, list):
            yield from self._named(value, pointer, path, _BY_NAME[key])
        elif isinstance(value, Mapping) and value:
            for name, each in value.items():
                yield from self.value(each, f"{pointer}/{_escaped(name)}", f"{path}/{name}", value)
        elif isinstance(value, list) and value:
            for place, each in enumerate(value):
                yield from self.value(each, f"{pointer}/{place}", f"{path}/*", owner)
        else:
            yield self._leaf(value, pointer, path, owner)

    def _properties(self, value: Sequence[Any], pointer: str, kind: str) -> Iterator[Leaf]:
        for place, item in enumerate(value):
            where = f"{pointer}/{place}"
            if kind == "table":
                column = (
                    next((each for each in self.table.columns if each.pointer == where), None) if self.table else None
                )
                walk = _Walk(contract=self.contract, table=self.table, column=column)
                yield from walk.part(item, where, "column" if column is not None else "measure")
            else:
                yield from self.part(item, where, "other" if kind == "other" else "nested")

    def _each(self, value: Sequence[Any], pointer: str, kind: str) -> Iterator[Leaf]:
        for place, item in enumerate(value):
            if isinstance(item, Mapping):
                for key, each in item.items():
                    where = f"{pointer}/{place}/{_escaped(key)}"
                    yield from (replace(leaf, owner=item) for leaf in self.value(each, where, f"{kind}/{key}", item))
            else:
                yield self._leaf(item, f"{pointer}/{place}", kind, {})

    def _named(self, value: Sequence[Any], pointer: str, path: str, name: str) -> Iterator[Leaf]:
        """Entries that are known by a name of their own, such as custom properties."""
        place_of = path.rpartition("/")[0]
        prefix = place_of if path.endswith("customProperties") else f"{place_of}/sla"
        for place, item in enumerate(value):
            where = f"{pointer}/{place}"
            if not isinstance(item, Mapping) or name not in item:
                yield from self.value(item, where, f"{path}/*", {})
                continue
            for key, each in item.items():
                if key == name:
                    continue
                inner = f"{prefix}/{item[name]}" + ("" if key == "value" and prefix == place_of else f"/{key}")
                yield from self.value(each, f"{where}/{_escaped(key)}", inner, item)

    def _leaf(self, value: object, pointer: str, path: str, owner: Mapping[str, Any]) -> Leaf:
        return Leaf(
            pointer=pointer,
            path=path,
            value=value,
            contract=self.contract,
            table=self.table,
            column=self.column,
            owner=owner,
        )


def _escaped(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
