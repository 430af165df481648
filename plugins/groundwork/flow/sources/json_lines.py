"""Files of JSON objects as sources: one object per line, or one array of them.

A field that is missing in an object is null. Without a mapping the keys are the column names, and a key that is no
column of the table is a reason for quarantine, because silently dropping a field loses data. Both forms are read in
bounded memory, whatever the size of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

from groundwork.flow.csv_text import MAX_RECORD_BYTES
from groundwork.flow.json_text import parse
from groundwork.flow.record import Batch, Mark, Source
from groundwork.flow.sources.digesting import Digesting
from groundwork.flow.sources.filling import FoundField
from groundwork.flow.sources.json_array import elements
from groundwork.flow.sources.object_columns import line_records
from groundwork.flow.sources.objects import ObjectReader
from groundwork.flow.sources.origin import Origin
from groundwork.flow.sources.record_batch import RecordBatch
from groundwork.model.errors import RetriableError

_SAMPLE = 1_000  # objects whose keys are looked at when somebody asks for the fields


@dataclass(kw_only=True)
class JsonLinesSource:
    """A file of JSON objects; `types` is the physical type of each column, `mapping` column → key.

    `is_array`: the objects are the elements of one array. Keys that are `ignored` are nobody's concern. `start` and
    `end` are bytes of the content at which lines begin; null is the first and the end.
    """

    origin: Origin
    mapping: Mapping[str, str]
    types: Mapping[str, str]
    refuses_unknown: bool
    batch_rows: int
    is_array: bool = False
    ignored: frozenset[str] = frozenset()
    constants: Mapping[str, str | None] = field(default_factory=dict)
    start: int | None = None
    end: int | None = None
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Where the file is, and which bytes of it when it is a part."""
        return self.origin.part_description(self.start, self.end)

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the mapping."""
        return tuple(self.mapping)

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

    @property
    def fingerprint(self) -> str | None:
        """Size and time of the file."""
        return self.origin.fingerprint

    @property
    def size_bytes(self) -> int | None:
        """Nothing: records are handed out, not bytes."""
        return None

    def found_fields(self) -> tuple[FoundField, ...]:
        """The keys of the first thousand objects, in the order in which they turned up, then those of the path."""
        found: dict[str, None] = {}
        with self._texts(None) as (texts, _):
            for text, _ in islice(texts, _SAMPLE):
                try:
                    value = parse(text.decode("utf-8-sig"))
                except ValueError:
                    continue  # the load tells
                found.update(dict.fromkeys(value if isinstance(value, dict) else ()))
        found.update(dict.fromkeys(self.constants))
        return tuple(FoundField(name=name) for name in found)

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All objects, `batch_rows` at a time, or those behind a mark."""
        self._digest = None
        begin = int(after["byte"]) if after is not None else self.start
        with self._texts(begin) as (texts, stream):
            while taken := tuple(islice(texts, self.batch_rows)):
                found = line_records(self._record_reader, [text for text, _ in taken])
                yield RecordBatch(found=found, mark={"byte": taken[-1][1]})
            if stream.left:
                raise RetriableError(
                    "the source broke off while it was read",
                    where=self.description,
                    expected=f"{stream.left} bytes more",
                    next_step="run the load again when the file is whole; nothing of it was loaded",
                )
        if after is None:
            self._digest = stream.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Ranges of a plain file of lines; else the file itself."""
        size = self.origin.size_bytes
        if wanted < 2 or not size or self.is_array or self.start is not None:
            return (self,)
        cuts: list[int] = []
        with self.origin.open() as stream:
            for number in range(1, wanted):
                stream.seek(max(size * number // wanted, cuts[-1] if cuts else 0))
                while (line := stream.readline(1 << 16)) and not line.endswith(b"\n"):
                    pass
                if (cuts[-1] if cuts else 0) < stream.tell() < size:
                    cuts.append(stream.tell())
        if not cuts:
            return (self,)
        return tuple(
            replace(self, start=start, end=end) for start, end in zip([None, *cuts], [*cuts, None], strict=True)
        )

    def checksum(self) -> str | None:
        """SHA-256 of the file's content, unpacked; of a part, of its bytes."""
        return self._digest

    @contextmanager
    def _texts(self, begin: int | None) -> Iterator[tuple[Iterator[tuple[bytes, int]], Digesting]]:
        """The text of each object with the byte behind it."""
        at = begin or 0
        with self.origin.open(at) as raw:
            stream = Digesting(raw, None if self.end is None else self.end - at)
            if self.is_array:
                yield elements(stream, at, self.description), stream
            else:
                yield _lines(stream, at), stream

    @cached_property
    def _record_reader(self) -> ObjectReader:
        return ObjectReader(
            mapping=self.mapping,
            types=self.types,
            refuses_unknown=self.refuses_unknown,
            ignored=self.ignored,
            constants=self.constants,
        )


def _lines(stream: Digesting, offset: int) -> Iterator[tuple[bytes, int]]:
    """Lines that are not blank, of bounded length: what lies beyond the bound comes as a line of its own."""
    while line := stream.readline(MAX_RECORD_BYTES):
        offset += len(line)
        if line.strip():
            yield line, offset
