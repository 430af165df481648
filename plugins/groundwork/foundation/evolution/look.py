"""What a source has: its fields with the types that its format tells, and values of a bounded number of records.

Of several files a few are looked into: those that brought a new field, the first one and the last ones.
"""

# groundwork: allow-file own_session the warehouse tells from where on a source is to be read

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from groundwork.contracts.contract import TableContract
from groundwork.flow import ledger
from groundwork.flow.record import Source, storable
from groundwork.flow.source import fillable, open_source
from groundwork.flow.source_change import strange_fields
from groundwork.flow.sources.filling import FoundField, found_fields
from groundwork.flow.watermark import Watermark
from groundwork.foundation.evolution.means import Means, Subject

_BLOCK = 1_000  # records that are read at a time
_RECORDS = 5_000  # of each file that is looked into
_MOST_RECORDS = 200_000  # read of a file for a value of a new field that has had none
_LAST_FILES = 3
_MOST_FILES = 12
_PROBE = "groundwork_probe_"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen: `types` are, by field, the types that the files tell (null: none), `values` texts by field.

    Values of new fields are JSON where `is_json`; those of known fields are what a load sends to their columns. Each
    page of a source that `is_costly` is a request; one that `is_selective` does not read fields that fill no column.
    `bearers` is, by field, the place of the first file that has it.
    """

    description: str
    is_json: bool
    is_costly: bool = False
    is_selective: bool = False
    types: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    bearers: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[FoundField, ...]:
        """The fields in the order in which they turned up."""
        return tuple(FoundField(name=name, type=types[0]) for name, types in self.types.items())


def look(means: Means, subject: Subject) -> Look | None:
    """What the table's source has; null when it cannot tell its fields.

    Raises: as reading the source does.
    """
    source = _opened(means, subject, subject.table)
    seen = _fields_seen(source, subject.table)
    if seen is None or not seen.types:
        return seen
    strangers = [each.name for each in strange_fields(subject.table, seen.fields)]
    probe, columns = _probe(subject.table, seen, strangers)
    return replace(seen, values=_sampled(_opened(means, subject, probe), seen, strangers, columns))


def filled_by(table: TableContract) -> dict[str, str]:
    """Column → field, for all columns that the source may fill."""
    mapping: Mapping[str, str] | None = (table.source or {}).get("columns")
    return dict(mapping) if mapping is not None else {column.name: column.name for column in fillable(table)}


def _opened(means: Means, subject: Subject, table: TableContract) -> Source:
    with means.warehouse.begin() as connection:
        ledger.ensure(connection)
        watermark = Watermark.declared(connection, subject.table, subject.table.schema)
        since = watermark.since() if watermark else None
    return open_source(
        means.warehouse,
        subject.domain,
        table,
        project=means.resources.project,
        batch_rows=_BLOCK,
        resources=means.resources,
        since=since,
        window=subject.window,
    )


def _members(source: Any) -> tuple[Source, ...]:
    """The files of a source of several, else the source itself."""
    return getattr(source, "members", None) or (source,)


def _fields_seen(source: Source, table: TableContract) -> Look | None:
    types: dict[str, dict[str | None, None]] = {}
    bearers: dict[str, int] = {}
    for place, member in enumerate(_members(source)):
        found = found_fields(member)
        if found is None:
            return None
        for each in found:
            types.setdefault(each.name, {})[each.type] = None
            bearers.setdefault(each.name, place)
    declared = table.source or {}
    return Look(
        description=source.description,
        is_json=declared.get("kind") == "http" or declared.get("format") in ("json", "jsonl"),
        is_costly=declared.get("kind") == "http",
        is_selective=getattr(source, "is_selective", False),
        types={name: tuple(each) for name, each in types.items()},
        bearers=bearers,
    )


def _probe(table: TableContract, seen: Look, strangers: Sequence[str]) -> tuple[TableContract, dict[str, str]]:
    """The table with a column for each new field too, so that its values are read, and column → field of all."""
    new = {f"{_PROBE}{place}": name for place, name in enumerate(strangers)}
    kind = "jsonb" if seen.is_json else "text"
    columns = tuple(
        replace(table.columns[0], name=name, type=kind, is_required=False, primary_key_position=None, enum_type=None)
        for name in new
    )
    mapping = {**filled_by(table), **new}
    probe = replace(table, columns=(*table.columns, *columns), source={**(table.source or {}), "columns": mapping})
    return probe, mapping


def _sampled(
    source: Source, seen: Look, strangers: Sequence[str], columns: Mapping[str, str]
) -> dict[str, list[str | None]]:
    members = _members(source)
    chosen = [*(seen.bearers[name] for name in strangers), 0, *range(len(members) - _LAST_FILES, len(members))]
    places = [place for place in dict.fromkeys(chosen) if place >= 0][:_MOST_FILES]
    most = (_BLOCK, _BLOCK) if seen.is_costly else (_RECORDS, _MOST_RECORDS)
    values: dict[str, list[str | None]] = {name: [] for name in columns.values()}
    unseen = set(strangers)
    for member in (members[place] for place in sorted(places)):
        names = [columns[column] for column in member.columns]
        for number, record in enumerate(_records(member), 1):
            row = dict(zip(names, record, strict=True))
            brought = {name for name in unseen if row.get(name) is not None}
            if number <= most[0] or brought:
                for name, texts in values.items():
                    value = row.get(name)
                    texts.append(None if value is None else storable(value))
            unseen -= brought
            if number >= most[1 if unseen else 0]:
                break
    return values


def _records(source: Source) -> Iterator[tuple[str | None, ...]]:
    """The values of the records that could be taken apart."""
    batches: Any = source.batches()
    with closing(batches):
        for batch in batches:
            for record in batch.records(1):
                if len(record.values) == len(source.columns):
                    yield record.values
