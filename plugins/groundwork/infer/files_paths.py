"""Which files make which table: a pattern makes one table, every other path its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundwork.infer.files_bytes import plain_suffix
from groundwork.infer.files_names import table_name
from groundwork.model.errors import ConfigError

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".json": "json",
           ".jsonl": "json", ".ndjson": "json"}  # fmt: skip
_WILD = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class FileGroup:
    """Files that make one table; `written` is the path or pattern as it was named."""

    table: str
    written: str
    paths: tuple[Path, ...]

    @property
    def format(self) -> str:
        """`csv`, `json` or `parquet`."""
        return FORMATS[plain_suffix(self.paths[0])]

    @property
    def description(self) -> str:
        """The file's name, or the pattern and how many files it matches."""
        return Path(self.written).name if len(self.paths) == 1 else f"{self.written} ({len(self.paths)} files)"


def file_groups(written: Sequence[str | Path], table: str | None) -> list[FileGroup]:
    """What each path or pattern names, in order.

    Raises: ConfigError for files that are not there or of no known format, and for two that would be one table.
    """
    if not written:
        raise ConfigError("no file is named", expected="paths or patterns of files", found="none")
    groups = [_group(each, table) for each in written]
    if table is not None and len(groups) > 1:
        raise ConfigError(
            "several files cannot all be one table",
            expected="one path or one pattern when the table is named",
            found=f"{len(groups)} paths",
            next_step="name a pattern that matches the files, or leave the table's name out",
        )
    seen: dict[str, FileGroup] = {}
    for group in groups:
        other = seen.setdefault(group.table, group)
        if other is not group:
            raise ConfigError(
                f"two files would both be the table `{group.table}`",
                where=group.written,
                expected="one table per file",
                found=other.written,
                next_step="name a pattern that matches both, or infer them one after the other",
            )
    return groups


def _group(written: str | Path, table: str | None) -> FileGroup:
    text = str(written)
    is_pattern = bool(_WILD & set(text)) and not Path(text).exists()
    paths = _matching(Path(text)) if is_pattern else (Path(text),)
    files = tuple(path for path in paths if path.is_file())
    if not files:
        raise ConfigError(
            "there is no such file",
            where=text,
            expected="a file, or a pattern that matches files",
            found="a folder" if Path(text).is_dir() else "nothing",
            next_step=f"name the files in it, e.g. '{text.rstrip('/')}/*.csv'" if Path(text).is_dir() else None,
        )
    formats = {FORMATS.get(plain_suffix(path)) for path in files}
    if None in formats or len(formats) > 1:
        raise ConfigError(
            "the format of the file is not known" if None in formats else "the files are of several formats",
            where=text,
            expected=f"one of {', '.join(FORMATS)}, each also with .gz, .zst or .zip (Parquet packs itself)",
            found=", ".join(sorted({path.suffix or path.name for path in files})),
            next_step="rename the file, or convert it",
        )
    name = table or table_name(Path(text), is_pattern=is_pattern)
    return FileGroup(table=name, written=text, paths=files)


def _matching(pattern: Path) -> tuple[Path, ...]:
    """Files that match, in order of name."""
    start = Path(pattern.anchor)
    return tuple(sorted(start.glob(str(pattern.relative_to(start)))))
