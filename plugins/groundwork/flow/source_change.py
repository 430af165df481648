"""A source in another form than its contract declares: judged before the load, recorded, and dealt with by policy.

`source.on_schema_change`: with `freeze` such a source is refused (by the source itself, when its fields are read);
with `quarantine` a record that has a value in a field nobody declared goes to quarantine with the reason
`unknown_field`, and the others are loaded. With `evolve` the contract followed the source before the load
(`groundwork.foundation.evolution`), and what is still strange then is met as with `quarantine`. Either way the ledger
keeps what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from groundwork.contracts.contract import TableContract
from groundwork.contracts.source_keys import ignored_fields
from groundwork.flow import ledger
from groundwork.flow.ledger import SOURCE_CHANGE
from groundwork.flow.record import Batch, Mark, Reason, Record, Rule, Source
from groundwork.flow.source import schema_policy
from groundwork.flow.sources.filling import FoundField, SchemaPolicy, found_fields
from groundwork.flow.sources.parts import told_part
from groundwork.model.errors import ConfigError

REFUSED = "refused"
QUARANTINED = "quarantined"
EVOLVING = "evolving"
EVOLVED = "evolved"


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

    def part_named(self, description: str) -> Source | None:
        """The part of this description, looked through as well."""
        found = told_part(self.inner, description)
        return None if found is None else StrangeSource(found, self.strangers)


def strange_fields(table: TableContract, fields: Iterable[FoundField]) -> tuple[FoundField, ...]:
    """The fields that nobody declared, in their order.

    Where `source.columns` maps fields, the others are left out on purpose; only with the policy `evolve` they are
    news, but for those in `source.ignore`.
    """
    declared = table.source or {}
    mapping: Mapping[str, str] | None = declared.get("columns")
    if mapping is None:
        known = {column.name for column in table.columns}
    elif schema_policy(table) is SchemaPolicy.EVOLVE:
        known = {*mapping.values(), *ignored_fields(declared)}
    else:
        return ()
    return tuple(field for field in fields if field.name not in known)


def judged(connection: Connection, table: TableContract, source: Source, *, schema: str, run_id: str) -> Source:
    """The source as the policy lets it through; what was found is recorded.

    Raises: ConfigError by the policy `freeze`, when fields are missing or strange; by `evolve`, when a field that is
    still strange could not even be seen in a record.
    """
    policy = schema_policy(table)
    facts = {"run_id": run_id, "schema_name": schema, "table_name": table.name, "policy": str(policy)}
    facts["source"] = source.description
    try:
        mapped = set(source.columns)
    except ConfigError as error:
        record_change(connection, facts, added=[{"reason": str(error).splitlines()[0]}], outcome=REFUSED)
        raise
    if policy is SchemaPolicy.FREEZE:
        return source
    mapping = (table.source or {}).get("columns")
    strangers = strange_fields(table, found_fields(source) or ())
    missing = sorted(set(mapping) - mapped) if mapping else []
    if not strangers and not missing:
        return source
    added = [{"name": field.name, "type": field.type} for field in strangers]
    names = tuple(field.name for field in strangers)
    if policy is SchemaPolicy.EVOLVE and names and getattr(source, "is_selective", False):
        record_change(connection, facts, added=added, missing=missing, outcome=REFUSED)
        raise _unseen(table, source, names)
    record_change(connection, facts, added=added, missing=missing, outcome=QUARANTINED)
    return StrangeSource(source, names) if names else source


def record_change(
    connection: Connection,
    facts: Mapping[str, Any],
    *,
    added: list[Any],
    missing: list[str] | None = None,
    outcome: str,
) -> int:
    """Write the event down in a transaction of its own, and return its number; `facts` are further columns."""
    with connection.begin():
        statement = insert(SOURCE_CHANGE).values(**facts, added=added, missing=missing or [], outcome=outcome)
        return int(connection.execute(statement.returning(SOURCE_CHANGE.c.source_change_id)).scalar_one())


def settle_change(connection: Connection, source_change_id: int, outcome: str, **facts: Any) -> None:
    """Say in a transaction of its own what became of an event; `facts` are further columns."""
    with connection.begin():
        mine = SOURCE_CHANGE.c.source_change_id == source_change_id
        connection.execute(update(SOURCE_CHANGE).where(mine).values(outcome=outcome, **facts))


def unfinished_changes(connection: Connection, schema: str, table: str) -> list[Mapping[str, Any]]:
    """Events of the table that were begun and not ended, the oldest first; columns of `source_change`."""
    with connection.begin():
        ledger.ensure(connection)
        query = (
            select(SOURCE_CHANGE)
            .where(SOURCE_CHANGE.c.schema_name == schema, SOURCE_CHANGE.c.table_name == table)
            .where(SOURCE_CHANGE.c.outcome == EVOLVING)
            .order_by(SOURCE_CHANGE.c.source_change_id)
        )
        return [dict(row) for row in connection.execute(query).mappings()]


def _unseen(table: TableContract, source: Source, names: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        "the source has fields that its contract does not follow yet, and this reading would leave them out",
        where=f"{table.qualified_name} from {source.description}",
        expected="fields that the contract declares",
        found=", ".join(names),
        next_step=f"groundwork load {table.qualified_name}, or its pipeline: both let the contract follow first",
    )
