"""What of a contract follows its source: new columns and wider ones, with the form in which the ledger keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ORDER = ("name", "logicalType", "physicalType", "classification", "description", "customProperties")


@dataclass(frozen=True, kw_only=True)
class NewColumn:
    """A column for the source's field `field`; `declared` is the column's entry in the contract."""

    field: str
    column: str
    declared: Mapping[str, Any]

    @property
    def type(self) -> str:
        """The physical type."""
        return str(self.declared["physicalType"])

    def to_json(self) -> dict[str, Any]:
        """The form kept in the ledger."""
        return {"name": self.field, "type": self.type, "column": self.column, "declared": dict(self.declared)}


@dataclass(frozen=True, kw_only=True)
class WiderColumn:
    """A column whose type `old` does not hold what the source has and whose type `new` does."""

    field: str
    column: str
    old: str
    new: str

    def to_json(self) -> dict[str, Any]:
        """The form kept in the ledger."""
        return {"name": self.field, "column": self.column, "from": self.old, "to": self.new}


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """All changes that a source asks for at one time."""

    added: tuple[NewColumn, ...] = ()
    widened: tuple[WiderColumn, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to follow."""
        return not self.added and not self.widened

    @property
    def columns(self) -> frozenset[str]:
        """Names of all columns that it is about."""
        return frozenset([*(each.column for each in self.added), *(each.column for each in self.widened)])

    def __str__(self) -> str:
        told = [f"new column {each.column} {each.type}" for each in self.added]
        told += [f"{each.column} from {each.old} to {each.new}" for each in self.widened]
        return ", ".join(told)


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A contract that followed its source; `from_version` and `to_version` are the same when it had been written."""

    table: str
    evolution: Evolution
    from_version: str
    to_version: str
    migration_id: int | None

    def __str__(self) -> str:
        number = f", migration {self.migration_id}" if self.migration_id is not None else ""
        return (
            f"{self.table}: the contract follows its source: {self.evolution} "
            f"(version {self.from_version} to {self.to_version}{number})"
        )


def evolution_of(event: Mapping[str, Any]) -> Evolution:
    """The changes that the ledger's event `source_change` tells."""
    return Evolution(
        added=tuple(
            NewColumn(
                field=each["name"],
                column=each["column"],
                declared={key: each["declared"][key] for key in _ORDER if key in each["declared"]},
            )
            for each in event["added"]
        ),
        widened=tuple(
            WiderColumn(field=each["name"], column=each["column"], old=each["from"], new=each["to"])
            for each in event["widened"]
        ),
    )
