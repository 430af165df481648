"""Files to a proposed contract: CSV, Parquet, JSON lines and JSON arrays, plain or packed.

Every row is read, once; types, keys, rules and relationships are decided on all of them in bounded memory. What a load
could not take as it stands in the file (a decimal comma, a repeated name) is told, and the contract then names no
source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundwork.infer.files_document import ProposedTable, contract, roomy
from groundwork.infer.files_names import column_names
from groundwork.infer.files_paths import FileGroup, file_groups
from groundwork.infer.profile import Proposal, TableProfile
from groundwork.infer.propose import propose_column, propose_keys, propose_relationships
from groundwork.infer.relationships import Inclusion
from groundwork.infer.relationships_circles import without_circles
from groundwork.model.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

    from groundwork.infer.files_measure import Measured
    from groundwork.infer.files_source import RawTable
    from groundwork.infer.types_text import Decision

_MOST_COLUMNS = 1_600  # PostgreSQL's limit


@dataclass(kw_only=True)
class _Read:
    """A table whose files were read and measured."""

    proposed: ProposedTable
    measured: Measured
    obstacles: tuple[str, ...]
    notes: tuple[str, ...]


def infer_files(
    paths: Sequence[str | Path] | str | Path,
    *,
    domain: str,
    table: str | None = None,
    limit_rows: int | None = None,
    project: Path | None = None,
) -> Proposal:
    """A proposed contract for the files at `paths`; a pattern (`orders_*.csv`) makes one table, each file its own.

    `table` names the table when there is one. With `limit_rows` only so many rows per table are read, and the proposal
    says so. `project` is the folder below which a load finds files, by default that of the settings.

    Raises: ConfigError for files that are not there, are not of one form, or hold broken records (with the line).
    """
    from groundwork.infer.files_source import workbench
    from groundwork.settings import Settings

    groups = file_groups([paths] if isinstance(paths, str | Path) else list(paths), table)
    root = (project or Settings.from_environment().project).resolve()
    with workbench() as connection:
        found = [_read(connection, place, group, root, limit_rows) for place, group in enumerate(groups)]
        related, broken = _related(found)
    left_out = [text for read in found for text in _told(read)] + broken
    name = found[0].proposed.profile.name if len(found) == 1 else "files"
    return contract(related, domain=domain, name=name, left_out=left_out)


def _read(
    connection: duckdb.DuckDBPyConnection, place: int, group: FileGroup, project: Path, limit_rows: int | None
) -> _Read:
    from groundwork.infer.files_declaration import source_of
    from groundwork.infer.files_measure import Measured
    from groundwork.infer.types_fields import decide_field

    raw = _loader(group)(connection, f"t{place}", group.paths, limit_rows)
    _require_columns(raw, group)
    names = column_names(field.name for field in raw.fields)
    decisions = [decide_field(connection, raw, field) for field in raw.fields]
    decisions = _doubtful_points(raw, decisions)
    measured = Measured(connection, raw, decisions, names)
    facts = {"format": raw.format, **raw.facts}
    profile = measured.profile(group.table, group.description, facts, is_complete=raw.is_complete)
    nested = {name: each.nested for name, each in zip(names, decisions, strict=True) if each.nested is not None}
    proposed = _proposed(profile, measured, nested)
    source, obstacles = source_of(raw, group, project, names, decisions)
    if proposed.key is None:
        obstacles = (*obstacles, "nothing identifies a row, so a load could not tell new rows from old ones")
    elif source is not None:
        proposed = replace(proposed, source=source)
    notes = () if raw.is_complete else (f"{group.table}: only the first {raw.rows:,} rows were read",)
    return _Read(proposed=proposed, measured=measured, obstacles=obstacles, notes=notes)


def _proposed(profile: TableProfile, measured: Measured, nested: Mapping[str, Any]) -> ProposedTable:
    """Keys first, because a column of the key is judged as one."""
    proposed = ProposedTable(profile=profile, columns=(), nested=nested, keys=propose_keys(profile, measured.count))
    key = proposed.key.columns if proposed.key else ()
    columns = tuple(
        propose_column(
            replace(column, type=roomy(column)),
            neighbours=profile.columns,
            table=profile.name,
            is_key=column.name in key,
        )
        for column in profile.columns
    )
    return replace(proposed, columns=columns)


def _loader(group: FileGroup) -> Callable[..., RawTable]:
    from groundwork.infer.files_csv import load_csv
    from groundwork.infer.files_json import load_json
    from groundwork.infer.files_parquet import load_parquet

    loaders: dict[str, Callable[..., RawTable]] = {"csv": load_csv, "json": load_json, "parquet": load_parquet}
    return loaders[group.format]


def _require_columns(raw: RawTable, group: FileGroup) -> None:
    if not 1 <= len(raw.fields) <= _MOST_COLUMNS:
        raise ConfigError(
            "the records have no fields" if not raw.fields else "the file has more fields than a table has columns",
            where=group.written,
            expected=f"1 to {_MOST_COLUMNS:,} fields",
            found=f"{len(raw.fields):,}",
            next_step="infer from a file that has records" if not raw.fields else "keep what varies in one JSON field",
        )


def _doubtful_points(raw: RawTable, decisions: Sequence[Decision]) -> list[Decision]:
    """Beside decimal commas a point before three digits may stand between thousands: say so."""
    if not any("decimal comma" in note for each in decisions for note in each.notes):
        return list(decisions)
    note = "ambiguous: other columns have decimal commas, so this point may stand between thousands"
    return [
        replace(each, notes=(*each.notes, note), obstacles=(*each.obstacles, f"`{field.name}`: {note}"))
        if each.type.startswith("numeric(") and each.type.endswith(",3)") and not each.obstacles
        else each
        for field, each in zip(raw.fields, decisions, strict=True)
    ]


def _related(found: Sequence[_Read]) -> tuple[list[ProposedTable], list[str]]:
    """The tables with their relationships, and in words the references that some values break."""
    tables = {read.proposed.profile.name: read for read in found}

    def included(table: str, columns: Sequence[str], target: str, key: Sequence[str]) -> Inclusion:
        return tables[table].measured.includes(columns, tables[target].measured, key)

    keys = {
        name: [*([read.proposed.key.columns] if read.proposed.key else []), *((c,) for c in read.proposed.uniques)]
        for name, read in tables.items()
    }
    profiles = [read.proposed.profile for read in found]
    proposals = propose_relationships(profiles, included, keys={name: key for name, key in keys.items() if key})
    sound = without_circles([p for p in proposals if not p.missing and p.target_columns in keys[p.target_table]])
    broken = [
        f"{p.table}.{', '.join(p.columns)} looks like a reference to {p.target_table}, but {p.missing:,} of its values "
        "are not there"
        for p in proposals
        if p.missing
    ]
    return [
        replace(read.proposed, relationships=tuple(p for p in sound if p.table == read.proposed.profile.name))
        for read in found
    ], broken


def _told(read: _Read) -> Iterator[str]:
    """What the contract could not say of this table's files."""
    name = read.proposed.profile.name
    yield from read.notes
    if read.obstacles:
        yield f"{name}: no source, because {'; '.join(read.obstacles)}"
