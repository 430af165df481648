"""HTTP APIs that answer in JSON as sources: page after page, within what the API allows.

Each page is a request; pages are gathered into batches. What the API asks for is honoured (`Retry-After`, the declared
rate), what fails by chance is asked again a bounded number of times, and what remains failed is a `RetriableError`.
Credentials go into headers only and never into a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundwork.flow.record import Batch, Mark, Source
from groundwork.flow.sources.filling import FoundField
from groundwork.flow.sources.http_client import HttpClient, parsed
from groundwork.flow.sources.kept_answers import AnswerWriter, KeptAnswer
from groundwork.flow.sources.object_columns import value_records
from groundwork.flow.sources.objects import ObjectReader, pointed
from groundwork.flow.sources.pagination import Pagination, Request
from groundwork.flow.sources.record_batch import RecordBatch
from groundwork.model.errors import DataQualityError

_BATCH_RECORDS = 5_000  # pages are small; a batch of each would cost a transaction a page
_KEPT_PAGE = "kept_page"


@dataclass(kw_only=True)
class HttpSource:
    """The records that `records` (a JSON pointer, empty for the whole answer) leads to in every page."""

    client: HttpClient
    path: str
    params: Mapping[str, str]
    records: str
    pagination: Pagination
    reader: ObjectReader
    batch_rows: int
    writer: Callable[[], AnswerWriter] | None = None
    served: KeptAnswer | None = None
    size_bytes: int | None = field(default=None, init=False)
    fingerprint: str | None = field(default=None, init=False)
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Connection and path, never the parameters; of a kept answer the time it is of."""
        of = f" as kept at {self.served.at:%Y-%m-%d %H:%M}Z" if self.served is not None else ""
        return f"{self.client.name}:{self.path}{of}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the mapping."""
        return self.reader.columns

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

    def found_fields(self) -> tuple[FoundField, ...]:
        """The keys of the records of the first page."""
        if self.served is not None:
            first = next(self._served_pages(self.served, 0), ([], None))[0]
            return tuple(FoundField(name=name) for name in _names(first))
        with self.client.session():
            for found, _ in self._pages(self.pagination.first(self.path, self.params)):
                return tuple(FoundField(name=name) for name in _names(found))
        return ()

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """The records of all pages, or of those behind a mark.

        Raises: RetriableError when the API does not answer; ConfigError when it refuses; DataQualityError when its
        answer is not what was declared.
        """
        self._digest = None
        digest = hashlib.sha256()
        waiting: list[Any] = []
        with self.client.session():
            for found, mark in self._marked_pages(after):
                waiting += found
                if mark is None or len(waiting) >= min(self.batch_rows, _BATCH_RECORDS):
                    records = value_records(self.reader, waiting)
                    digest.update(repr([values for values, _, _ in records]).encode("utf-8", "backslashreplace"))
                    if records:
                        yield RecordBatch(found=records, mark=mark or {"end": True})
                    waiting = []
        if after is None:
            self._digest = digest.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Itself: a page leads to the next."""
        return (self,)

    def checksum(self) -> str | None:
        """SHA-256 over the values in the order in which they came."""
        return self._digest

    def _marked_pages(self, after: Mark | None) -> Iterator[tuple[list[Any], dict[str, Any] | None]]:
        """Records of each page with the mark behind it, null at the end; a whole answer is kept when it has come."""
        if self.served is not None:
            yield from self._served_pages(self.served, 0 if after is None else int(after[_KEPT_PAGE]))
            return
        request = Request.from_mark(after) if after is not None else self.pagination.first(self.path, self.params)
        writer = self.writer() if self.writer is not None and after is None else None
        try:
            for found, following in self._pages(request, writer):
                yield found, None if following is None else following.to_mark()
            if writer is not None:
                writer.keep()
        finally:
            if writer is not None:
                writer.drop()

    def _served_pages(self, kept: KeptAnswer, skip: int) -> Iterator[tuple[list[Any], dict[str, Any] | None]]:
        held: list[Any] | None = None
        number = 0
        for number, body in enumerate(kept.pages()):
            if number >= skip:
                if held is not None:
                    yield held, {_KEPT_PAGE: number}
                held = self._records(parsed(body))
        if held is not None:
            yield held, None

    def _records(self, value: Any) -> list[Any]:
        found = pointed(value, self.records) if self.records else value
        if not isinstance(found, list):
            raise self._wrong(f"an array at `{self.records or '/'}`", type(found).__name__)
        return found

    def _pages(
        self, request: Request | None, writer: AnswerWriter | None = None
    ) -> Iterator[tuple[list[Any], Request | None]]:
        """Records of each page with the request for the page behind it."""
        last: bytes | None = None
        while request is not None:
            is_first = request == self.pagination.first(self.path, self.params)  # which has to be there
            answer = self.client.get(request, ends_at=None if is_first else self.pagination.ends_at_status)
            if answer is None:
                yield [], None
                return
            if answer.body == last:
                raise self._wrong("another page", "the same page again")
            last = answer.body
            found = self._records(answer.value)
            if writer is not None:
                writer.add(answer.body)
            following = self.pagination.following(request, answer, len(found))
            if following == request:
                raise self._wrong("another page", "a page that leads to itself")
            yield found, following
            request = following

    def _wrong(self, expected: str, found: str) -> DataQualityError:
        return DataQualityError(
            "the API's answer is not what was declared",
            where=self.description,
            expected=expected,
            found=found,
            next_step="correct `source.records` or `source.pagination` in the contract",
        )


def _names(records: Sequence[Any]) -> Sequence[str]:
    """The keys of records, in the order in which they are met."""
    return tuple(dict.fromkeys(key for each in records if isinstance(each, Mapping) for key in each))
