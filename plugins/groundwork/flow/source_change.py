"""A source in another form than its contract declares: judged before the load, recorded, and dealt with by policy.

`source.on_schema_change`: with `freeze` such a source is refused (by the source itself, when its fields are read);
with `quarantine` a record that has a value in a field nobody declared goes to quarantine with the reason
`unknown_field`, and the others are loaded. Either way the ledger keeps what was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert

from groundwork.contracts.contract import TableContract
from groundwork.flow.ledger import SOURCE_CHANGE
from groundwork.flow.record import Batch, Mark, Reason, Record, Rule, Source
from groundwork.flow.source import schema_policy
from groundwork.flow.sources.filling import SchemaPolicy, found_fields
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class StrangerBatch:
    """Records of `batch`; one with a value in a field of `strangers` carries a reason."""

    batch: Batch
    strangers: tuple[str, ...]

    @property
    def block(self) -> None:
        """Nothing: each record has to be looked at."""
        return

    @property
    def mark(self) -> Mark | None:
        """Where the source goes on."""
        return self.batch.mark

    def records(self, first_position: int) -> Iterator[Record]:
        """The records, each with its own reasons and those of unknown fields."""
        for record in self.batch.records(first_position):
            unknown = tuple(
                Reason(rule=Rule.UNKNOWN_FIELD, message=f"no column is called {name!r}")
                for name in self.strangers
                if record.raw.get(name) is not None
            )
            yield replace(record, reasons=(*record.reasons, *unknown)) if unknown else record


@dataclass(frozen=True)
class StrangeSource:
    """A source with fields that no column takes."""

    inner: Source
    strangers: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        """Everything else is the source's own."""
        return getattr(self.inner, name)

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All batches, looked through."""
        for batch in self.inner.batches(after):
            yield StrangerBatch(batch=batch, strangers=self.strangers)

    def parts(self, wanted: int) -> list[Any]:
        """The parts, each looked through."""
        return [StrangeSource(part, self.strangers) for part in self.inner.parts(wanted)]


def judged(connection: Connection, table: TableContract, source: Source, *, schema: str, run_id: str) -> Source:
    """The source as the policy lets it through; what was found is recorded.

    Raises: ConfigError by the policy `freeze`, when fields are missing or strange.
    """
    policy = schema_policy(table)
    facts = {"run_id": run_id, "schema_name": schema, "table_name": table.name, "policy": str(policy)}
    try:
        mapped = set(source.columns)
    except ConfigError as error:
        found = {"reason": str(error).splitlines()[0]}
        _record(connection, facts, source, added=[found], missing=[], outcome="refused")
        raise
    if policy is SchemaPolicy.FREEZE:
        return source
    mapping = (table.source or {}).get("columns")
    fields = found_fields(source) or ()
    known = set(mapping.values()) if mapping else {column.name for column in table.columns}
    strangers = tuple(field for field in fields if field.name not in known) if mapping is None else ()
    missing = sorted(set(mapping) - mapped) if mapping else []
    if not strangers and not missing:
        return source
    added = [{"name": field.name, "type": field.type} for field in strangers]
    _record(connection, facts, source, added=added, missing=missing, outcome="quarantined")
    return StrangeSource(source, tuple(field.name for field in strangers)) if strangers else source


def _record(
    connection: Connection, facts: dict[str, str], source: Source, *, added: list[Any], missing: list[str], outcome: str
) -> None:
    with connection.begin():
        connection.execute(
            insert(SOURCE_CHANGE).values(
                **facts, source=source.description, added=added, missing=missing, outcome=outcome
            )
        )
