"""A table with a declared source, and everything that can be read of it, in one go and in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import create_engine

from groundwork.flow.record import Record, Source
from groundwork.flow.resources import ConnectionFacts, Resources
from groundwork.flow.source import open_source
from tests.flow.depot import column, declared

__all__ = ["NOWHERE", "Row", "column", "declared", "opened", "read", "resumed", "rows"]

Row = tuple[tuple[str | None, ...], tuple[str, ...]]
NOWHERE = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")  # no source here asks the warehouse


def opened(
    folder: Path,
    columns: Sequence[Mapping[str, Any]],
    source: Mapping[str, Any],
    connections: Sequence[ConnectionFacts] = (),
    **options: Any,
) -> Source:
    """The source as a load opens it."""
    known = {each.name: each for each in connections}
    domain = declared(folder, columns, source)
    return open_source(
        NOWHERE,
        domain,
        domain.table("items"),
        project=folder,
        resources=Resources(project=folder, connection=known.__getitem__),
        **options,
    )


def records(source: Source, after: Mapping[str, Any] | None = None) -> list[Record]:
    """Every record, or those behind a mark."""
    return [record for batch in source.batches(after) for record in batch.records(1)]


def seen(found: Sequence[Record]) -> list[Row]:
    """What matters of records: values and rules that are broken; a broken record has its raw form for a value."""
    return [
        (tuple(each.raw.get("line", ()) for _ in (1,)) if each.reasons else each.values, rules(each)) for each in found
    ]


def rules(record: Record) -> tuple[str, ...]:
    """The rules that a record breaks."""
    return tuple(reason.label for reason in record.reasons)


def read(source: Source) -> list[Row]:
    """Everything, in one go."""
    return seen(records(source))


def rows(source: Source) -> list[tuple[str | None, ...]]:
    """The values of a source without broken records."""
    found = records(source)
    assert not [each.reasons for each in found if each.reasons]
    return [each.values for each in found]


def resumed(source: Source, again: Callable[[], Source] | None = None) -> list[Row]:
    """Everything, stopping after each batch and going on behind its mark with another reader."""
    found: list[Row] = []
    mark: Mapping[str, Any] | None = None
    for _ in range(10_000):
        reader = again() if again else source
        batches = reader.batches(mark)
        batch = next(iter(batches), None)
        batches.close()  # type: ignore[attr-defined]  # all of ours are generators
        if batch is None:
            return found
        found += seen(list(batch.records(1)))
        assert batch.mark is not None
        mark = yaml.safe_load(yaml.safe_dump(dict(batch.mark)))
    raise AssertionError("the source does not end")


def in_parts(source: Source, wanted: int) -> list[Row]:
    """Everything, part by part."""
    return [row for part in source.parts(wanted) for row in read(part)]
