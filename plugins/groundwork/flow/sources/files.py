"""Several files as one source: those that a glob matches, in the order of their names.

All of them fill the same columns. A file whose fields stand in another order than those of the first is read record by
record; a file without one of the columns leaves it null.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from groundwork.flow.record import Batch, Mark, Record, Source
from groundwork.flow.sources.filling import FoundField, found_fields
from groundwork.flow.sources.origin import Origin, outside, package_folder
from groundwork.flow.sources.storage import forget_listing, storage_faults
from groundwork.model.errors import ConfigError, RetriableError

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_WORDS = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "**": "[^/]*", "?": "[^/]"}
_WILD = re.compile(r"[*?\[]")


def is_glob(path: str) -> bool:
    """Whether `path` may mean several files."""
    return _WILD.search(path) is not None


def partition_values(path: str) -> dict[str, str | None]:
    """The values that the folders of a path name.

    >>> partition_values("sales/year=2020/region=a%20b/x.csv")
    {'year': '2020', 'region': 'a b'}
    """
    found: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        name, sign, value = folder.partition("=")
        if sign and name:
            found[unquote(name)] = None if value == _NULL_PARTITION else unquote(value)
    return found


def listed(origin: Origin) -> list[Origin]:
    """The files that the glob in the origin's path matches, by name; `**` is any number of folders.

    Raises: ConfigError when the path leaves what may be read; RetriableError when the storage cannot be listed.
    """
    try:
        paths = _remote(origin) if origin.is_remote else _local(origin)
    except OSError as error:
        raise RetriableError(
            "the folder of the source cannot be listed",
            where=origin.description,
            found=f"{type(error).__name__}: {error.strerror or error}",
            next_step="run the load again when the storage can be reached",
        ) from error
    return [replace(origin, path=path, is_listed=True) for path in sorted(paths)]


def _local(origin: Origin) -> list[str]:
    root = package_folder(origin.package, origin.description) if origin.package else origin.project
    pattern = PurePosixPath(origin.path)
    if pattern.is_absolute() or ".." in pattern.parts:
        raise outside(origin.description, root, origin.path)
    root = root.resolve()
    found = [path for path in root.glob(str(pattern)) if path.is_file() and path.resolve().is_relative_to(root)]
    return [path.relative_to(root).as_posix() for path in found if _is_visible(path.relative_to(root))]


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(("_", "."))  # markers and files that are still being written


def _remote(origin: Origin) -> list[str]:
    head = origin.path[: _first_wild(origin.path)].rpartition("/")[0]
    folder = origin.storage(head, origin.connection)
    pattern = origin.path[len(head) + 1 :]
    wanted = _matcher(pattern)
    base = str(getattr(folder, "path", folder)).rstrip("/")
    with storage_faults():
        try:
            inside = [str(getattr(path, "path", path))[len(base) :].lstrip("/") for path in _walk(folder, pattern)]
        except (FileNotFoundError, NotADirectoryError):  # a folder is there only while something is in it
            _require_bucket(origin, head)
            return []
    return [
        f"{head}/{inner}"
        for inner in inside
        if wanted.match(inner) and not inner.rpartition("/")[2].startswith(("_", "."))
    ]


def _require_bucket(origin: Origin, path: str) -> None:
    """Raises: OSError when not even the bucket is there, which is not the same as nothing in it."""
    protocol, _, inner = path.partition("://")
    bucket = origin.storage(f"{protocol}://{inner.partition('/')[0]}", origin.connection)
    forget_listing(bucket)
    next(iter(bucket.iterdir()), None)


def _first_wild(path: str) -> int:
    match = _WILD.search(path)
    return match.start() if match else len(path)


def _walk(folder: Any, pattern: str) -> Iterator[Any]:
    """Files below `folder`, no deeper than the pattern can reach."""
    depth = None if "**" in pattern else pattern.count("/")
    waiting = [(folder, 0)]
    while waiting:
        place, level = waiting.pop()
        forget_listing(place)
        for each in place.iterdir():
            if each.is_dir():
                if depth is None or level < depth:
                    waiting.append((each, level + 1))
            else:
                yield each


def _matcher(pattern: str) -> re.Pattern[str]:
    """`*` stays inside one folder, `**/` is any number of them."""

    def piece(match: re.Match[str]) -> str:
        word = match[0]
        if word in _WORDS:
            return _WORDS[word]
        if len(word) == 1:
            return re.escape(word)
        body = word[1:-1].replace("\\", "\\\\")
        return f"[^{body[1:]}]" if body.startswith("!") else f"[{body}]"

    return re.compile(re.sub(r"\*\*/|\*\*?|\?|\[[^]]+\]|.", piece, pattern, flags=re.DOTALL) + r"\Z")


@dataclass(frozen=True, kw_only=True)
class FileBatch:
    """A batch of one of the files, in the columns of all of them."""

    inner: Batch
    header: tuple[str, ...]
    block: bytes | None
    mark: Mark | None
    order: tuple[int | None, ...] | None

    def records(self, first_position: int) -> Iterator[Record]:
        """The records, their values in the order of the whole source's columns."""
        for record in self.inner.records(first_position):
            if self.order is None or record.reasons:
                yield record
            else:
                values = tuple(None if index is None else record.values[index] for index in self.order)
                yield replace(record, values=values)


@dataclass(kw_only=True)
class FilesSource:
    """The files `members`, read one behind the other; `given_fields` are those of the whole when this is a part."""

    pattern: str
    members: tuple[Source, ...]
    known_columns: tuple[str, ...]
    given_fields: tuple[str | None, ...] | None = None
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """The pattern; of a part, its only file or its first and last one."""
        if self.given_fields is None:
            return self.pattern
        first, last = self.members[0].description, self.members[-1].description
        return first if len(self.members) == 1 else f"{first} to {last}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that one of the files fills."""
        return tuple(column for column in self.fields if column is not None)

    @cached_property
    def fields(self) -> tuple[str | None, ...]:
        """Those of the first file when it fills all columns; else the columns themselves."""
        if self.given_fields is not None:
            return self.given_fields
        if not self.members:
            return self.known_columns
        columns = dict.fromkeys(column for member in self.members for column in member.columns)
        first = self.members[0].fields
        return first if set(columns) <= set(first) else tuple(columns)

    @property
    def is_selective(self) -> bool:
        """Whether one of the files does not even read fields that fill no column."""
        return any(getattr(member, "is_selective", False) for member in self.members)

    @property
    def fingerprint(self) -> str | None:
        """A digest of the files' names and what changes with them; null when one cannot tell."""
        found = [(member.description, member.fingerprint) for member in self.members]
        if any(each is None for _, each in found):
            return None
        return hashlib.sha256(repr(found).encode()).hexdigest()

    @property
    def size_bytes(self) -> int | None:
        """Of all files together; null when one cannot tell."""
        sizes = [member.size_bytes for member in self.members]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def found_fields(self) -> tuple[FoundField, ...]:
        """The fields of all files, each once, as the first file that has it tells."""
        found: dict[str, FoundField] = {}
        for member in self.members:
            for each in found_fields(member) or ():
                found.setdefault(each.name, each)
        return tuple(found.values())

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """The batches of every file in turn, or those behind a mark.

        Raises: RetriableError when the files are not those of the mark any more.
        """
        self._digest = None
        checksums: list[str | None] = []
        first = self._resumed(after) if after is not None else 0
        for number, member in enumerate(self.members[first:], first):
            inner = after["inside"] if after is not None and number == first else None
            order = self._order(member)
            for batch in member.batches(inner):
                yield FileBatch(
                    inner=batch,
                    header=getattr(batch, "header", ()),
                    block=batch.block if order is None else None,
                    mark={"file": member.description, "inside": batch.mark},
                    order=order,
                )
            checksums.append(member.checksum())
        if after is None and None not in checksums:
            self._digest = hashlib.sha256("".join(filter(None, checksums)).encode()).hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Runs of files; where there are fewer files than parts are wanted, the parts of each."""
        if wanted < 2 or self.given_fields is not None or not self.members:
            return (self,)
        groups: list[tuple[Source, ...]]
        if len(self.members) < wanted:
            each = -(-wanted // len(self.members))
            groups = [(part,) for member in self.members for part in member.parts(each)]
        else:
            edges = [len(self.members) * number // wanted for number in range(wanted + 1)]
            groups = [self.members[start:end] for start, end in pairwise(edges)]
        if len(groups) < 2:
            return (self,)
        return tuple(replace(self, members=tuple(group), given_fields=self.fields) for group in groups)

    def checksum(self) -> str | None:
        """SHA-256 over the checksums of the files; null when one has none."""
        return self._digest

    def _resumed(self, after: Mark) -> int:
        names = [member.description for member in self.members]
        if after.get("file") not in names:
            raise RetriableError(
                "the files of the source are not those of the last try",
                where=self.description,
                expected=after.get("file"),
                next_step="run the load again from the beginning",
            )
        return names.index(after["file"])

    def _order(self, member: Source) -> tuple[int | None, ...] | None:
        """Where each column stands in the member's values; null when they are as they should be."""
        if member.fields == self.fields:
            return None
        places: Mapping[str, int] = {name: index for index, name in enumerate(member.columns)}
        return tuple(places.get(name) for name in self.columns)


def empty_glob(pattern: str) -> ConfigError:
    """The error for a glob that matches nothing."""
    return ConfigError(
        "no file matches the source's path",
        where=pattern,
        expected="at least one file",
        found="none",
        next_step="put the files there, correct `source.path`, or declare `empty: allow`",
    )
