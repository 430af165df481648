"""Which field of a source fills which column, and what becomes of fields that fit none.

This is the one place that judges the schema of a source: with the policy `freeze` a field nobody expected, or one that
is missing, is an error; with the others it is left to the load, which asks a source for its `found_fields`. Before a
load with the policy `evolve` the contract was made to follow the source (`groundwork.foundation.evolution`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from groundwork.flow.record import Source
from groundwork.model.errors import ConfigError


class SchemaPolicy(StrEnum):
    """What a load does when the fields of its source have changed (`source.on_schema_change`)."""

    FREEZE = "freeze"
    EVOLVE = "evolve"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, kw_only=True)
class FoundField:
    """A field of a source; `type` is the PostgreSQL type that holds all its values, null when the format has none."""

    name: str
    type: str | None = None


def found_fields(source: Source) -> tuple[FoundField, ...] | None:
    """The fields a source has, in its order; null when it cannot tell (rows of a function, a source of one's own).

    Raises: as reading the source does.
    """
    ask = getattr(source, "found_fields", None)
    return None if ask is None else tuple(ask())


@dataclass(frozen=True, kw_only=True)
class Filling:
    """`mapping` is column → field, null when the fields have the names of the columns in `known`."""

    mapping: Mapping[str, str] | None
    known: tuple[str, ...]
    policy: SchemaPolicy = SchemaPolicy.FREEZE

    def columns_of(self, found: Sequence[str], where: str, optional: Sequence[str] = ()) -> tuple[str | None, ...]:
        """The column of each found field, null for a field that fills none; `optional` ones may be strangers.

        Raises: ConfigError when a name stands twice, or by the policy `freeze` when fields are missing or strange.
        """
        wanted = set(self.mapping.values()) if self.mapping is not None else set()
        missing = sorted(wanted - set(found))
        strangers = [name for name in found if name not in {*self.known, *optional}] if self.mapping is None else []
        repeated = sorted({name for name in found if found.count(name) > 1})
        if repeated or (self.policy is SchemaPolicy.FREEZE and (missing or strangers)):
            raise ConfigError(
                "the header of the source does not fit the contract",
                where=where,
                expected=", ".join(sorted(wanted) or self.known),
                found=", ".join(found) or "an empty file",
                next_step="correct `source.columns` in the contract, or the file; or set `source.on_schema_change`",
            )
        return tuple(self.column_of(name) for name in found)

    def column_of(self, field: str) -> str | None:
        """The column that `field` fills."""
        if self.mapping is None:
            return field if field in self.known else None
        return next((column for column, name in self.mapping.items() if name == field), None)
