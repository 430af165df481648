"""Which columns refer to which keys: relationships proposed from names and from values that are all among a key's.

That values are among a key's proves little by itself: whole numbers from 1 to 50 are among the numbers of any table
with fifty rows. So the name must point at the target, unless the values cannot agree by chance (UUIDs, longer texts).

    confidence = name x (0.5 + 0.5 x evidence) x purity

name      1.00 the column says the target and its key (`customer_id` -> `customers.customer_id` or `customers.id`)
          0.90 the same behind a role (`billing_customer_id`), or a table's last word (`order_id` -> `sales_orders`)
          0.80 equal distinctive names (`ticker` -> `companies.ticker`), or a role within one table (`parent_id`)
          0.70 UUIDs or texts that agree without a name
evidence  d / (d + 2) over d distinct values
purity    1 where every value is found; 0.6 where at most 1 % of at least 100 distinct values are missing: such a
          reference is likely meant and broken. More missing values rule it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from groundwork.infer.profile import ColumnProfile, TableProfile
from groundwork.infer.relationships_names import key_word, stem, table_words
from groundwork.infer.relationships_score import are_comparable, name_score, says

THRESHOLD = 0.5  # confidence from which a relationship is proposed
_DIRTY_SHARE = 0.01
_DIRTY_VALUES = 100


@dataclass(frozen=True, kw_only=True)
class Inclusion:
    """How many distinct non-null values (or combinations) a column has, and how many of them the key lacks."""

    distinct: int
    missing: int


Included = Callable[[str, Sequence[str], str, Sequence[str]], Inclusion]
"""(table, columns, target table, target columns) → how far the values of the one are among those of the other."""


@dataclass(frozen=True, kw_only=True)
class RelationshipProposal:
    """A reference that is proposed, not declared; `confidence` is 0 to 1, `missing` counts values the key lacks."""

    table: str
    columns: tuple[str, ...]
    target_table: str
    target_columns: tuple[str, ...]
    confidence: float
    evidence: str
    missing: int = 0


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    table: TableProfile
    columns: tuple[ColumnProfile, ...]
    target: TableProfile
    key: tuple[ColumnProfile, ...]
    name: float


def propose_relationships(
    tables: Sequence[TableProfile],
    included: Included,
    *,
    keys: Mapping[str, Sequence[Sequence[str]]] | None = None,
) -> tuple[RelationshipProposal, ...]:
    """References between the tables, in order of table and column, at most one per set of columns.

    `keys` are the known keys per table (primary first); for a table that is missing there, its unique columns count.
    `included` is asked only about pairs whose names and types make a reference plausible.
    """
    found: list[RelationshipProposal] = []
    for table in tables:
        best: dict[tuple[str, ...], RelationshipProposal] = {}
        for candidate in _candidates(table, tables, keys or {}):
            proposal = _judged(candidate, included)
            if proposal is None:
                continue
            known = best.get(proposal.columns)
            if known is None or proposal.confidence > known.confidence:
                best[proposal.columns] = proposal
        found += best.values()
    return tuple(_without_mirrors(_without_parts(found)))


def _candidates(
    table: TableProfile, tables: Sequence[TableProfile], keys: Mapping[str, Sequence[Sequence[str]]]
) -> Iterator[_Candidate]:
    own = [tuple(key) for key in keys.get(table.name, ())]
    for target in tables:
        for key in keys.get(target.name) or [(column.name,) for column in target.columns if _is_key(column)]:
            columns = tuple(target.column(name) for name in key)
            if len(columns) == 1:
                yield from _single(table, target, columns[0], own)
            else:
                yield from _composite(table, target, columns)


def _is_key(column: ColumnProfile) -> bool:
    return column.is_unique and not column.nulls


def _single(
    table: TableProfile, target: TableProfile, key: ColumnProfile, own: Sequence[tuple[str, ...]]
) -> Iterator[_Candidate]:
    for column in table.columns:
        if table is target and column.name == key.name:
            continue
        if not column.distinct or not are_comparable(column, key):
            continue
        name = name_score(table, column, target, key)
        if _is_own_number(table, column, own) and name < 1.0:
            continue  # a table's own number refers elsewhere only where the name says so plainly
        if name:
            yield _Candidate(table=table, columns=(column,), target=target, key=(key,), name=name)


def _is_own_number(table: TableProfile, column: ColumnProfile, own: Sequence[tuple[str, ...]]) -> bool:
    """Whether the column is the table's own key: the known one, or where none is known a unique one called so."""
    if own:
        return own[0] == (column.name,)
    return _is_key(column) and stem(column.name) in ((), table_words(table.name))


def _composite(table: TableProfile, target: TableProfile, key: tuple[ColumnProfile, ...]) -> Iterator[_Candidate]:
    """Columns of the same names as a composite key's, at least one of which belongs to the target by its name."""
    if table is target:
        return
    by_name = {column.name: column for column in table.columns}
    columns = tuple(by_name[part.name] for part in key if part.name in by_name)
    if len(columns) < len(key) or not all(map(are_comparable, columns, key)):
        return
    is_named = any(says(stem(column.name), table_words(target.name)) for column in columns)
    has_key_word = any(key_word(column.name) for column in columns)
    if is_named or (has_key_word and len(table.columns) > len(key)):
        yield _Candidate(table=table, columns=columns, target=target, key=key, name=0.9 if is_named else 0.7)


def _judged(candidate: _Candidate, included: Included) -> RelationshipProposal | None:
    columns = tuple(column.name for column in candidate.columns)
    key = tuple(column.name for column in candidate.key)
    if len(columns) == 1 and candidate.columns[0].is_exact and _cannot_fit(candidate.columns[0], candidate.key[0]):
        return None
    found = included(candidate.table.name, columns, candidate.target.name, key)
    if not found.distinct:
        return None
    is_dirty = found.distinct >= _DIRTY_VALUES and found.missing <= _DIRTY_SHARE * found.distinct
    if found.missing and not is_dirty:
        return None
    evidence = found.distinct / (found.distinct + 2)
    confidence = candidate.name * (0.5 + 0.5 * evidence) * (0.6 if found.missing else 1.0)
    if confidence < THRESHOLD:
        return None
    return RelationshipProposal(
        table=candidate.table.name,
        columns=columns,
        target_table=candidate.target.name,
        target_columns=key,
        confidence=round(confidence, 2),
        evidence=_in_words(candidate, found),
        missing=found.missing,
    )


def _cannot_fit(column: ColumnProfile, key: ColumnProfile) -> bool:
    """Whether counts alone rule out that (nearly) all values are among the key's."""
    return key.is_exact and column.distinct * (1 - _DIRTY_SHARE) > key.distinct


def _in_words(candidate: _Candidate, found: Inclusion) -> str:
    target = f"{candidate.target.name}.{', '.join(column.name for column in candidate.key)}"
    share = (
        f"all {found.distinct:,} distinct values are"
        if not found.missing
        else (f"{found.distinct - found.missing:,} of {found.distinct:,} distinct values are")
    )
    how = "the names agree" if candidate.name >= 0.8 else "the values agree, the names say little"
    return f"{share} in {target}; {how}"


def _without_parts(found: Sequence[RelationshipProposal]) -> list[RelationshipProposal]:
    """Without single columns that refer to part of what a composite reference of theirs refers to."""
    wide = [proposal for proposal in found if len(proposal.columns) > 1]
    return [
        proposal
        for proposal in found
        if not any(
            proposal.table == other.table
            and proposal.target_table == other.target_table
            and len(proposal.columns) < len(other.columns)
            and set(proposal.columns) < set(other.columns)
            for other in wide
        )
    ]


def _without_mirrors(found: Sequence[RelationshipProposal]) -> Iterator[RelationshipProposal]:
    """Of two tables that refer to each other by the same columns only the surer direction, the first of two equal."""
    place = {(p.table, p.columns, p.target_table, p.target_columns): n for n, p in enumerate(found)}
    for number, proposal in enumerate(found):
        mirrored = place.get((proposal.target_table, proposal.target_columns, proposal.table, proposal.columns))
        if mirrored is None or mirrored == number:
            yield proposal
            continue
        other = found[mirrored]
        if (proposal.confidence, -number) > (other.confidence, -mirrored):
            yield proposal
