"""The one way in for whoever is about to load: the contract follows its source where its policy says so.

Two loads that see the same news take turns, and the second finds nothing left to do.
"""

# groundwork: allow-file own_session writes to the ledger of flow

from __future__ import annotations

from dataclasses import replace

from groundwork.change.session import migration_session
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.read import read_domain
from groundwork.flow.loads.preflight import require_table
from groundwork.flow.source import schema_policy
from groundwork.flow.source_change import REFUSED, record_change, strange_fields, unfinished_changes
from groundwork.flow.sources.filling import SchemaPolicy
from groundwork.foundation.evolution.carry_out import announce, carry_out, prepare
from groundwork.foundation.evolution.change import Evolution, Followed, evolution_of
from groundwork.foundation.evolution.decide import decide
from groundwork.foundation.evolution.look import Look, filled_by, look
from groundwork.foundation.evolution.means import Means, Subject
from groundwork.model.errors import ConfigError

_TURN_SECONDS = 600.0
_STATEMENT_SECONDS = 60.0


def follow_source(means: Means, subject: Subject) -> tuple[Followed, ...]:
    """Let the table's contract and its table in the database follow the source; what was done, in order.

    Nothing is done for another policy than `evolve`, nor where source and contract agree. Read the contract again when
    something was: `subject` is as it was before.

    Raises: ConfigError when the source has changed in a way that is not compatible, or contract or database cannot
    follow (the event is recorded, all is as it was), or the table is not there; as reading the source and
    `apply_migration` do.
    """
    if subject.table.source is None or schema_policy(subject.table) is not SchemaPolicy.EVOLVE:
        return ()
    with means.warehouse.connect() as connection:
        require_table(connection, subject.table)
    if not _unfinished(means, subject) and _asked(means, subject) is None:
        return ()
    with migration_session(
        means.warehouse,
        f"{subject.domain.name}, following sources",
        statement_timeout_seconds=_STATEMENT_SECONDS,
        turn_timeout_seconds=_TURN_SECONDS,
    ):
        done = [_taken_up(means, subject, event) for event in _unfinished(means, subject)]
        domain, current = _current(means, subject)
        asked = _asked(means, current)
        if asked is None:
            return tuple(done)
        evolution, seen = asked
        try:
            prepared = prepare(means, domain, _declared(domain, current.table), evolution)
        except ConfigError as error:
            _record_refusal(means, current, seen, error)
            raise
        return (*done, carry_out(means, prepared, announce(means, prepared, seen.description)))


def _unfinished(means: Means, subject: Subject) -> list[tuple[int, Evolution]]:
    """What an earlier run has begun and not ended."""
    with means.warehouse.connect() as connection:
        events = unfinished_changes(connection, subject.table.schema, subject.table.name)
    return [(int(event["source_change_id"]), evolution_of(event)) for event in events]


def _taken_up(means: Means, subject: Subject, unfinished: tuple[int, Evolution]) -> Followed:
    event, evolution = unfinished
    domain, current = _current(means, subject)
    return carry_out(means, prepare(means, domain, _declared(domain, current.table), evolution), event)


def _asked(means: Means, subject: Subject) -> tuple[Evolution, Look] | None:
    """What the source asks for and what was seen of it; null when that is nothing."""
    seen = look(means, subject)
    if seen is None or not seen.types:
        return None
    try:
        evolution = decide(means.warehouse, subject.table, seen)
    except ConfigError as error:
        _record_refusal(means, subject, seen, error)
        raise
    return None if evolution.is_empty else (evolution, seen)


def _current(means: Means, subject: Subject) -> tuple[Domain, Subject]:
    """The domain as it is on disk now, and the subject with its table as it is there; its source is the asked one."""
    domain = read_domain(subject.domain.name, means.settings.contracts)
    fresh = _declared(domain, subject.table)
    source = dict(subject.table.source or {})
    if (fresh.source or {}).get("columns"):
        source["columns"] = (fresh.source or {})["columns"]
    return domain, replace(subject, table=replace(fresh, source=source))


def _declared(domain: Domain, table: TableContract) -> TableContract:
    return domain.table(table.qualified_name)


def _record_refusal(means: Means, subject: Subject, seen: Look, error: ConfigError) -> None:
    facts = {
        "run_id": means.run_id,
        "schema_name": subject.table.schema,
        "table_name": subject.table.name,
        "policy": str(SchemaPolicy.EVOLVE),
        "source": seen.description,
        "reason": str(error),
    }
    added = [{"name": each.name, "type": each.type} for each in strange_fields(subject.table, seen.fields)]
    missing = sorted({*filled_by(subject.table).values()} - seen.types.keys())
    with means.warehouse.connect() as connection:
        record_change(connection, facts, added=added, missing=missing, outcome=REFUSED)
