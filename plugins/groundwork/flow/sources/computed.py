"""Computed sources: rows that a function of this library makes from tables that were loaded before.

The function is `module:function(connection, domain, schema) -> Iterator[dict]`. It may only be one of Groundwork's own:
a contract is data, and data must not be able to name any code it likes.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.json_text import column_text
from groundwork.flow.record import Batch, Mark, Reason, Rule, Source, storable
from groundwork.flow.sources.record_batch import RecordBatch, unstorable
from groundwork.model.decision import Decision
from groundwork.model.errors import ConfigError

Rows = Iterator[Mapping[str, Any]]
Computation = Callable[[Connection, Domain, str], Iterator[Any]]
_NAME = re.compile(r"^groundwork(\.[a-z_][a-z0-9_]*)+:[a-z][a-z0-9_]*$")


def find_computation(name: str) -> Computation:
    """The function called `name` (`groundwork.room.module:function`).

    Raises: ConfigError when it is not Groundwork's, or there is no such module or function.
    """
    if not _NAME.match(name):
        raise _unusable(name, "its name does not start with `groundwork.`")
    module_name, _, function_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise _unusable(name, str(error)) from error
    if not callable(found) or getattr(found, "__module__", None) != module_name:
        raise _unusable(name, "it is not a function of that module")
    return found  # type: ignore[no-any-return]  # the contract's word is checked by use


def decisions_behind(connection: Connection, domain: Domain, table: TableContract) -> tuple[Decision, ...]:
    """The decisions that made a computed table's rows, as its source's `decisions` tells; empty when it names none.

    Raises: ConfigError when the function named is not one of Groundwork's.
    """
    name = (table.source or {}).get("decisions")
    if name is None:
        return ()
    return tuple(find_computation(str(name))(connection, domain, table.schema))


def _unusable(name: str, reason: str) -> ConfigError:
    return ConfigError(
        "the computed source cannot be used",
        where=f"source.callable: {name}",
        expected="groundwork.<room>.<module>:<function>",
        found=reason,
        next_step="name a function of Groundwork in the contract",
    )


@dataclass(kw_only=True)
class ComputedSource:
    """Rows of `computation`, read in a read-only transaction of its own that sees what was committed before."""

    name: str
    computation: Computation
    engine: Engine
    domain: Domain
    schema: str
    types: Mapping[str, str]
    batch_rows: int
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """The function's name."""
        return self.name

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the table can be given."""
        return tuple(self.types)

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

    def rows(self) -> Rows:
        """The rows as the function makes them."""
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield from self.computation(connection, self.domain, self.schema)

    @property
    def fingerprint(self) -> str | None:
        """Nothing: only making the rows tells whether they are the same."""
        return None

    @property
    def size_bytes(self) -> int | None:
        """Nothing: rows are handed out, not bytes."""
        return None

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All rows, `batch_rows` at a time, or those behind a mark as long as the inputs are the same."""
        self._digest = None
        digest = hashlib.sha256()
        rows = self.rows()
        done = int(after["row"]) if after is not None else 0
        for _ in islice(rows, done):
            pass
        while found := tuple(self._record(row) for row in islice(rows, self.batch_rows)):
            done += len(found)
            for values, _, _ in found:
                digest.update(repr(values).encode("utf-8", "backslashreplace"))
            yield RecordBatch(found=found, mark={"row": done})
        if after is None:
            self._digest = digest.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Itself."""
        return (self,)

    def checksum(self) -> str | None:
        """SHA-256 over the rows in the order in which they were made."""
        return self._digest

    def _record(self, row: Mapping[str, Any]) -> tuple[tuple[str | None, ...], Mapping[str, Any], tuple[Reason, ...]]:
        values = tuple(column_text(row.get(column), kind) for column, kind in self.types.items())
        raw = {
            name: None if value is None else storable(column_text(value, self.types.get(name, "text")) or "")
            for name, value in row.items()
        }
        reasons = [unstorable(column, text) for column, text in zip(self.types, values, strict=True)]
        strangers = sorted(set(row) - set(self.types))
        reasons += [Reason(rule=Rule.UNKNOWN_FIELD, message=f"no column is called {name!r}") for name in strangers]
        return values, raw, tuple(reason for reason in reasons if reason)
