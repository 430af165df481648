"""The `source` by which a load reads the very files that a contract was inferred from, or why there is none.

What was found of a file's form (delimiter, quote, encoding, words for null) is declared in a load's own words, and
asked of the load's own reader before it is proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from groundwork.infer.files_bytes import Utf8Stream, compression_of, open_bytes
from groundwork.infer.files_paths import FileGroup
from groundwork.infer.files_source import RawTable
from groundwork.infer.types_text import Decision
from groundwork.model.errors import GroundworkError

_CHUNK_BYTES = 1 << 20


def source_of(
    raw: RawTable, group: FileGroup, project: Path, names: Sequence[str], decisions: Sequence[Decision]
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The declaration and no obstacle, or null and what stands in a load's way."""
    found = [*raw.obstacles, *_place_obstacles(group, project)]
    nulls, unsaid = _nulls(raw, group, decisions)
    found += [each for decision in decisions for each in decision.obstacles if each != decision.null_obstacle]
    found += unsaid
    if found:
        return None, tuple(found)
    keys = {**raw.keys, **({"null": nulls[0] if len(nulls) == 1 else nulls} if nulls else {})}
    fields = [field.name for field in raw.fields]
    if raw.facts.get("header") is False:
        keys["header"] = fields = list(names)
    packings = {compression_of(path) for path in group.paths}
    compression = packings.pop() if len(packings) == 1 else None
    source = {
        "kind": "file",
        "path": _path(group, project).as_posix(),
        "format": raw.format,
        **({"compression": compression} if compression else {}),
        **keys,
        "columns": dict(zip(names, fields, strict=True)),
        "mode": "merge",
    }
    unread = _reader_obstacles(source, project)
    return (None, unread) if unread else (source, ())


def _path(group: FileGroup, project: Path) -> Path:
    """The file, or the pattern, below the project's folder."""
    if len(group.paths) == 1:
        return group.paths[0].resolve().relative_to(project)
    pattern = Path(group.written)
    return (pattern if pattern.is_absolute() else Path.cwd() / pattern).relative_to(project)


def _place_obstacles(group: FileGroup, project: Path) -> Iterator[str]:
    from groundwork.flow.sources.files import listed
    from groundwork.flow.sources.origin import Origin

    try:
        path = _path(group, project)
    except ValueError:
        yield f"the file does not lie below the project's folder {project}"
        return
    if len(group.paths) == 1:
        return
    there = listed(Origin(project=project, path=path.as_posix()))
    if {project / each.path for each in there} != {each.resolve() for each in group.paths}:
        yield "the pattern matches other files for a load, which leaves out hidden ones"


def _nulls(raw: RawTable, group: FileGroup, decisions: Sequence[Decision]) -> tuple[list[str], list[str]]:
    """The words that mean null in every column, to be declared; or the obstacles that words for null are."""
    told = [each.null_obstacle for each in decisions if each.null_obstacle is not None]
    wanted = sorted({word for each in decisions for word in each.nulls})
    if not told:
        return [], []
    kept = {word for each in decisions for word in each.kept_words}
    can_be_said = raw.format == "csv" and all(word.strip() for word in wanted) and not kept & set(wanted)
    if not can_be_said or _stand_in_quotes(raw, group, wanted):
        return [], told
    return wanted, []


def _stand_in_quotes(raw: RawTable, group: FileGroup, words: Sequence[str]) -> bool:
    """Whether one of the words stands between quotes, where a load takes it for text."""
    quote = str(raw.keys.get("quote", '"'))
    if len(quote) != 1:
        return False
    wanted = [f"{quote}{word}{quote}".encode() for word in words]
    overlap = max(map(len, wanted))
    for path in group.paths:
        with open_bytes(path) as source:
            stream = Utf8Stream(source, str(raw.facts["encoding"]), quote)
            before = b""
            while chunk := stream.read(_CHUNK_BYTES) or b"":
                before = before[-overlap:] + chunk
                if any(each in before for each in wanted):
                    return True
    return False


def _reader_obstacles(source: Mapping[str, Any], project: Path) -> tuple[str, ...]:
    """Why a load would not find the mapped fields in the file, asked of the load's own reader."""
    try:
        found = _fields(source, project)
    except GroundworkError as error:
        return (f"a load reads other names in the header: {error.found}",)
    return (
        () if found is None or found == set(source["columns"].values()) else ("a load reads other names in the header",)
    )


def _fields(source: Mapping[str, Any], project: Path) -> set[str] | None:
    """The names of the fields as a load reads them, all of them; null where a record itself tells them."""
    from groundwork.flow.sources.delimited import DelimitedSource
    from groundwork.flow.sources.dialect import declared_dialect
    from groundwork.flow.sources.files import is_glob, listed
    from groundwork.flow.sources.filling import Filling
    from groundwork.flow.sources.origin import Origin
    from groundwork.flow.sources.parquet import ParquetSource

    origin = Origin(project=project, path=source["path"], compression=source.get("compression"))
    first = listed(origin)[0] if is_glob(origin.path) else origin
    mapping: Mapping[str, str] = source["columns"]
    if source["format"] == "csv":
        dialect = declared_dialect(source, source["path"])
        return set(
            DelimitedSource(origin=first, mapping=mapping, known_columns=(), batch_rows=1, dialect=dialect).header
        )
    if source["format"] == "parquet":
        filling = Filling(mapping=mapping, known=())
        columns = ParquetSource(origin=first, filling=filling, types={}, batch_rows=1)
        columns.columns  # noqa: B018  the check
        return {each.name for each in columns.found_fields()}
    return None
