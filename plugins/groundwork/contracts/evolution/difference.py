"""Two trees of one contract, walked together: every difference, before anybody judges what it means.

Things are matched by name, then by what `renames` recognises. What belongs to a thing that is gone or new is not told
again. Columns that were renamed are followed into keys and indexes, so that a rename is one difference and not five.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from groundwork.contracts.evolution.renames import recognised
from groundwork.contracts.evolution.subject import COLUMN, TABLE, Subject

_NAMES_COLUMNS = frozenset(
    ["columns", "include", "primaryKey", "columnOrder", "partitioning.columns", "retentionColumn"]
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference: `old` and `new` are the two sides of the thing, one of them null when it was added or removed.

    For `changed` the attribute and its two values are set. `table` is the table it belongs to on each side, `path` the
    names of the columns it lies in, outermost first, by their old names.
    """

    what: str
    kind: str
    old: Subject | None
    new: Subject | None
    attribute: str | None = None
    old_value: Any = None
    new_value: Any = None
    confidence: float | None = None
    old_table: Subject | None = None
    new_table: Subject | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Place:
    old_table: Subject | None = None
    new_table: Subject | None = None
    path: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)  # columns of the table, old name to new


def differences(old: Subject, new: Subject, *, skipped: frozenset[str] = frozenset()) -> Iterator[Difference]:
    """Every difference between two trees of one kind; parts of the kinds in `skipped` are somebody else's business."""
    yield from _compared(old, new, _Place(), skipped)


def table_differences(old: Subject, new: Subject) -> Iterator[Difference]:
    """Every difference within one table, whatever its name is on either side."""
    yield from _compared(old, new, _Place(old_table=old, new_table=new), frozenset())


def _compared(old: Subject, new: Subject, place: _Place, skipped: frozenset[str]) -> Iterator[Difference]:
    matched = list(_matched_parts(old, new, place, skipped))
    if old.kind == TABLE:
        renames = {a.name: b.name for a, b, _ in matched if a and b and a.kind == COLUMN and a.name != b.name}
        place = _Place(old_table=old, new_table=new, renamed=renames)
        matched = list(_matched_parts(old, new, place, skipped))
    yield from _values(old, new, place)
    for before, after, confidence in matched:
        yield from _part(before, after, confidence, place)


def _part(
    before: Subject | None, after: Subject | None, confidence: float | None, place: _Place
) -> Iterator[Difference]:
    some = before or after
    if some is None:
        return
    if some.kind == COLUMN:
        place = _Place(
            old_table=place.old_table, new_table=place.new_table, path=(*place.path, some.name), renamed=place.renamed
        )
    common: dict[str, Any] = {"old_table": place.old_table, "new_table": place.new_table, "path": place.path}
    if before is None or after is None:
        what = "added" if before is None else "removed"
        yield Difference(what=what, kind=some.kind, old=before, new=after, **common)
        return
    if confidence is not None:
        yield Difference(what="renamed", kind=some.kind, old=before, new=after, confidence=confidence, **common)
    yield from _compared(before, after, place, frozenset())


def _values(old: Subject, new: Subject, place: _Place) -> Iterator[Difference]:
    for attribute in dict.fromkeys([*old.values, *new.values]):
        before, after = old.get(attribute), new.get(attribute)
        followed = _followed(before, place.renamed) if attribute in _NAMES_COLUMNS else before
        if followed == after and isinstance(followed, bool) == isinstance(after, bool):
            continue
        yield Difference(
            what="changed",
            kind=old.kind,
            old=old,
            new=new,
            attribute=attribute,
            old_value=before,
            new_value=after,
            old_table=place.old_table,
            new_table=place.new_table,
            path=place.path,
        )


def _matched_parts(
    old: Subject, new: Subject, place: _Place, skipped: frozenset[str]
) -> Iterator[tuple[Subject | None, Subject | None, float | None]]:
    for kind in dict.fromkeys(part.kind for part in (*old.parts, *new.parts)):
        if kind in skipped:
            continue
        before = {_followed_name(part, place): part for part in old.of_kind(kind)}
        after = {part.name: part for part in new.of_kind(kind)}
        gone = [part for name, part in before.items() if name not in after]
        fresh = [part for name, part in after.items() if name not in before]
        pairs = recognised(kind, gone, fresh)
        told = {id(part) for pair in pairs for part in pair[:2]}
        yield from ((before[name], after[name], None) for name in before if name in after)
        yield from pairs
        yield from ((part, None, None) for part in gone if id(part) not in told)
        yield from ((None, part, None) for part in fresh if id(part) not in told)


def _followed_name(part: Subject, place: _Place) -> str:
    """The name a part would have now: that of a relationship is made of its columns."""
    if part.kind != "relationship" or not place.renamed:
        return part.name
    sources, arrow, target = part.name.partition(" → ")
    return ", ".join(place.renamed.get(name, name) for name in sources.split(", ")) + arrow + target


def _followed(value: Any, renamed: Mapping[str, str]) -> Any:
    """`value` with the new names of renamed columns; index keys may carry an order (`price_date desc`)."""
    if not renamed:
        return value
    if isinstance(value, list):
        return [_followed(item, renamed) for item in value]
    if isinstance(value, dict):
        return {key: _followed(item, renamed) if key == "column" else item for key, item in value.items()}
    if isinstance(value, str):
        name, space, order = value.partition(" ")
        return renamed.get(name, name) + space + order
    return value
