"""What of a contract has to follow what its source has, or why it may not follow.

Compatible are new fields, which become columns that may be null, and types that hold all that was held before. What a
reader or a row could miss is not: a field that a required column needs, a column that seems to have another name now, a
value of another kind.
"""

# groundwork: allow-file own_session the server tells whether values fit their types

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine, exists, func, select
from sqlalchemy import column as named_column
from sqlalchemy import table as named_table

from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.types import column_type
from groundwork.flow.loads.history import declared_history
from groundwork.flow.loads.job import snapshot_column
from groundwork.flow.source import write_mode
from groundwork.flow.source_change import strange_fields
from groundwork.foundation.evolution.change import Evolution, NewColumn, WiderColumn
from groundwork.foundation.evolution.look import Look, filled_by
from groundwork.foundation.evolution.widening import (
    is_another_kind,
    misfits,
    type_of_all,
    wider_by_format,
    wider_by_values,
)
from groundwork.infer.contract_head import custom
from groundwork.infer.files_names import column_names
from groundwork.infer.profile import ColumnProfile
from groundwork.infer.propose import propose_column
from groundwork.infer.records import FieldSample, profile_fields
from groundwork.infer.types import Family, family_of, length_of
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

_MOST_NEW = 100  # fields at one time; with more of them, their names are data
_FEWEST = 5  # different values from which all being of another kind is no chance
_JUDGED = frozenset(
    [
        *(Family.INTEGER, Family.NUMBER, Family.TEXT, Family.BOOLEAN, Family.UUID),
        *(Family.DATE, Family.TIMESTAMP, Family.TIME),
    ]
)


@dataclass(kw_only=True)
class _Findings:
    added: list[NewColumn] = field(default_factory=list)
    widened: list[WiderColumn] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def decide(engine: Engine, contract: TableContract, seen: Look) -> Evolution:
    """The changes that `seen` asks for, none where source and contract agree.

    Raises: ConfigError that names every change that is not compatible, when there is one.
    """
    found = _Findings()
    types = dict(_types(contract, seen, found.problems))
    with engine.begin() as connection:
        connection.execute(select(func.set_config("datestyle", "ISO, YMD", True)))  # as loads read dates
        _columns(connection, contract, seen, types, found)
        _brought(connection, contract, seen, types, found)
        found.problems += _gone(connection, contract, seen, found.added)
    if found.problems:
        raise _incompatible(contract, seen, found.problems)
    return Evolution(added=tuple(found.added), widened=tuple(found.widened))


def _types(contract: TableContract, seen: Look, problems: list[str]) -> Iterator[tuple[str, str | None]]:
    """The type of each field that is of concern, over all files."""
    concerned = {*filled_by(contract).values(), *(each.name for each in strange_fields(contract, seen.fields))}
    for name in concerned & seen.types.keys():
        try:
            yield name, type_of_all([_declarable(kind) for kind in seen.types[name]])
        except ValueError as error:
            problems.append(f"the files do not agree of which type `{name}` is: {error}")


def _declarable(kind: str | None) -> str | None:
    """The type if contracts can declare it; null for one that only the source's database knows."""
    try:
        return kind if kind is not None and column_type(kind) else None
    except ConfigError:
        return None


def _columns(
    connection: Connection, contract: TableContract, seen: Look, types: Mapping[str, str | None], found: _Findings
) -> None:
    """The columns there are: which of them need a wider type, and which are given something else."""
    for name, source_field in filled_by(contract).items():
        column = contract.column(name)
        kind = types.get(source_field)
        if kind is not None and is_another_kind(column.type, kind):
            found.problems.append(f"`{source_field}` is {kind}, the column `{column.name}` is {column.type}")
            continue
        wider = None if kind is None else wider_by_format(column.type, kind)
        wider = wider or _by_values(connection, contract, column, seen.values.get(source_field, ()), found.problems)
        if wider is not None:
            found.widened.append(WiderColumn(field=source_field, column=column.name, old=column.type, new=wider))


def _by_values(
    connection: Connection,
    contract: TableContract,
    column: ColumnContract,
    texts: Sequence[str | None],
    problems: list[str],
) -> str | None:
    family = family_of(column.type)
    if family not in _JUDGED or (family is Family.TEXT and length_of(column.type) is None) or column.allowed_values:
        return None
    values = sorted({value for value in texts if value is not None})
    bad = misfits(connection, values, column.type)
    wider = wider_by_values(connection, contract, column, bad) if bad else None
    if wider is None and family is not Family.TEXT and len(bad) == len(values) >= _FEWEST:
        problems.append(f"none of {len(values):,} values for the column `{column.name}` is {column.type}")
    return wider


def _brought(
    connection: Connection, contract: TableContract, seen: Look, types: Mapping[str, str | None], found: _Findings
) -> None:
    """A column for each new field that says of which type it is, or has a value that does."""
    strangers = [each.name for each in strange_fields(contract, seen.fields) if each.name in types]
    if not seen.is_selective:  # else a value that is still to come would not be seen
        strangers = [name for name in strangers if types[name] or any(each is not None for each in seen.values[name])]
    if len(strangers) > _MOST_NEW:
        found.problems.append(f"{len(strangers):,} fields are new at once: keys that are data belong into one object")
    if not 0 < len(strangers) <= _MOST_NEW:
        return
    there = [each.name for each in contract.columns]
    names = column_names([*there, *strangers])[len(there) :]
    samples = [
        FieldSample(
            name=source_field,
            column=name,
            values=seen.values[source_field],
            is_json=seen.is_json,
            type=types[source_field],
        )
        for source_field, name in zip(strangers, names, strict=True)
    ]
    for sample, profile in zip(samples, _fitting(connection, samples), strict=True):
        if sample.column in there:
            found.problems.append(f"the new field `{sample.name}` has no name of its own: there is `{sample.column}`")
            continue
        declared = _declared(contract, seen, sample, profile)
        found.added.append(NewColumn(field=sample.name, column=sample.column, declared=declared))


def _fitting(connection: Connection, samples: Sequence[FieldSample]) -> Iterator[ColumnProfile]:
    """The profiles; a type that the server would not let every value be is text."""
    profiles = profile_fields(samples)
    for sample, profile in zip(samples, profiles, strict=True):
        is_told = sample.type is not None or sample.is_json or family_of(profile.type) is Family.OTHER
        values = [] if is_told else sorted({value for value in sample.values if value is not None})
        misfit = bool(values) and bool(misfits(connection, values, profile.type))
        yield replace(profile, type="text") if misfit else profile


def _declared(contract: TableContract, seen: Look, sample: FieldSample, profile: ColumnProfile) -> dict[str, Any]:
    """The column's entry in the contract; it has no rules, because what is still to come is not known."""
    proposed = propose_column(profile, neighbours=(profile,), table=contract.name)
    guards = {"personalData": proposed.personal_data and str(proposed.personal_data), "masking": proposed.masking}
    brought = f"Brought by the field `{sample.name}` of {seen.description}."
    return {
        "name": sample.column,
        "logicalType": proposed.logical_type,
        "physicalType": profile.type,
        "classification": str(proposed.classification),
        "description": f"{proposed.description} {brought}",
        **({"customProperties": custom(guards)} if proposed.personal_data else {}),
    }


def _gone(connection: Connection, contract: TableContract, seen: Look, added: Sequence[NewColumn]) -> Iterator[str]:
    """Fields that are missing and missed."""
    own = _filled_by_load(contract)
    for name, source_field in filled_by(contract).items():
        column = contract.column(name)
        is_inside = source_field.startswith("/")  # a place in a value, which may be there or not
        if source_field in seen.types or is_inside or column.default or column.identity or column.name in own:
            continue
        if column.is_required:
            yield f"the field `{source_field}` is gone, and the required column `{column.name}` needs it"
            continue
        alike = [each for each in added if family_of(each.type) is family_of(column.type)]
        if alike and _has_values(connection, contract, column.name):
            named = " or ".join(f"`{each.field}`" for each in alike)
            yield f"the field `{source_field}` of the column `{column.name}` is gone and {named} is new: a rename?"


def _filled_by_load(contract: TableContract) -> set[str]:
    """Columns that no source has to fill, because the load does."""
    mode = write_mode(contract)
    if mode is WriteMode.SCD2:
        history = declared_history(contract)
        return {history.valid_from, history.valid_to, *([history.is_current] if history.is_current else [])}
    return {snapshot_column(contract)} if mode is WriteMode.SNAPSHOT else set()


def _has_values(connection: Connection, contract: TableContract, name: str) -> bool:
    """Whether the source has ever filled the column."""
    rows = named_table(contract.name, named_column(name), schema=contract.schema)
    return bool(connection.scalar(select(exists().where(rows.c[name].is_not(None)))))


def _incompatible(contract: TableContract, seen: Look, problems: Sequence[str]) -> ConfigError:
    return ConfigError(
        "the source has changed in a way that its contract cannot follow; nothing was changed and nothing loaded",
        where=f"{contract.qualified_name} from {seen.description}",
        expected="new fields, and types that hold what was held before",
        found="\n    ".join(problems),
        next_step="correct the source; or change the contract by hand (`source.columns` maps a column to a field of "
        "another name, `source.ignore` leaves a mapped source's field out), then groundwork generate-migration",
    )
