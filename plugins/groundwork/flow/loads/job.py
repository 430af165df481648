"""One load as it was asked for: what, from where, into where, and by which rules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection, MetaData, Table

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.metadata import metadata
from groundwork.flow.loads.history import declared_history
from groundwork.flow.loads.progress import Progress
from groundwork.flow.loads.row_checks import RowChecks
from groundwork.flow.loads.staging import StagingArea
from groundwork.flow.loads.threshold import Threshold
from groundwork.flow.loads.vector import Sieve
from groundwork.flow.loads.waiting import BeforePublish
from groundwork.flow.record import Source
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode


def snapshot_column(contract: TableContract) -> str:
    """The column of the declared snapshot, a part of the primary key.

    Raises: ConfigError when none is declared, or it is no part of the key.
    """
    name = str(((contract.source or {}).get("snapshot") or {}).get("column", ""))
    if name not in contract.primary_key:
        raise ConfigError(
            "a snapshot needs a column of the primary key that tells of which day it is",
            where=contract.qualified_name,
            expected="source.snapshot.column: one of " + (", ".join(contract.primary_key) or "the primary key"),
            found=name or None,
            next_step="declare it in the contract",
        )
    return name


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that the steps of a load need to know; `schema` is where the table stands."""

    domain: Domain
    contract: TableContract
    schema: str
    mode: WriteMode
    source: Source
    run_id: str
    threshold: Threshold
    window: Window | None = None
    snapshot: str | None = None
    is_trial: bool = False
    progress: Callable[[Progress], None] | None = None
    before_publish: BeforePublish | None = None

    @property
    def name(self) -> str:
        """`schema.table` where it stands, for people."""
        return f"{self.schema}.{self.contract.name}"

    @cached_property
    def target(self) -> Table:
        """The table that is loaded."""
        return metadata(self.domain).tables[self.contract.qualified_name].to_metadata(MetaData(), schema=self.schema)

    @cached_property
    def area(self) -> StagingArea:
        """Where rows wait."""
        return StagingArea(contract=self.contract, schema=self.schema, values=self.values)

    @property
    def values(self) -> dict[str, str]:
        """Columns that the load itself fills, with their value; of a history, the values of a version that begins."""
        if self.mode is WriteMode.SCD2:
            history = declared_history(self.contract)
            begun = {history.valid_from: "now", **({history.is_current: "true"} if history.is_current else {})}
            return {name: value for name, value in begun.items() if name not in self.source.columns}
        name = self.snapshot_column
        return {name: self.snapshot} if name is not None and self.snapshot is not None else {}

    @property
    def snapshot_column(self) -> str | None:
        """The column that tells which snapshot a row belongs to; null in other modes."""
        return snapshot_column(self.contract) if self.mode is WriteMode.SNAPSHOT else None

    @property
    def window_column(self) -> str | None:
        """The column that a window is about."""
        declared = (self.contract.source or {}).get("watermark")
        return str(declared["column"]) if declared else None

    def checks(self, connection: Connection) -> RowChecks:
        """The checks a row must pass."""
        return RowChecks(connection, self.domain, self.contract, self.schema)

    def sieve(self, checks: RowChecks, source: Source | None = None) -> Sieve:
        """What tells good records from doubtful ones; `source` may be a part of the whole."""
        read = source or self.source
        return Sieve(
            contract=self.contract,
            columns=read.columns,
            fields=read.fields,
            checks=checks.checks,
            given=frozenset(self.values),
            window=self.window,
            window_column=self.window_column,
        )

    def plan(self, parts: tuple[Source, ...]) -> str | None:
        """A digest that is the same for the next try of the same load; null when the source may have changed."""
        prints = [part.fingerprint for part in parts]
        if None in prints:
            return None
        told = [self.contract, self.mode, self.window, self.snapshot, self.schema, self.is_trial]
        told += [(part.description, part.columns, part.fields) for part in parts]
        return hashlib.sha256(repr([*told, *prints]).encode()).hexdigest()
