"""HTTP APIs that answer in JSON as sources: page after page, within what the API allows.

Each page is a request; pages are gathered into batches. What the API asks for is honoured (`Retry-After`, the declared
rate), what fails by chance is asked again a bounded number of times, and what remains failed is a `RetriableError`.
Credentials go into headers only and never into a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundwork.flow.record import Batch, Mark, Source
from groundwork.flow.sources.filling import FoundField
from groundwork.flow.sources.http_client import HttpClient
from groundwork.flow.sources.object_columns import value_records
from groundwork.flow.sources.objects import ObjectReader, pointed
from groundwork.flow.sources.pagination import Pagination, Request
from groundwork.flow.sources.record_batch import RecordBatch
from groundwork.model.errors import DataQualityError

_BATCH_RECORDS = 5_000  # pages are small; a batch of each would cost a transaction a page


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
    size_bytes: int | None = field(default=None, init=False)
    fingerprint: str | None = field(default=None, init=False)
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Connection and path, never the parameters."""
        return f"{self.client.name}:{self.path}"

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
        with self.client.session():
            for found, _ in self._pages(self.pagination.first(self.path, self.params)):
                names = dict.fromkeys(key for each in found if isinstance(each, Mapping) for key in each)
                return tuple(FoundField(name=name) for name in names)
        return ()

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """The records of all pages, or of those behind a mark.

        Raises: RetriableError when the API does not answer; ConfigError when it refuses; DataQualityError when its
        answer is not what was declared.
        """
        self._digest = None
        digest = hashlib.sha256()
        request = Request.from_mark(after) if after is not None else self.pagination.first(self.path, self.params)
        waiting: list[Any] = []
        with self.client.session():
            for found, following in self._pages(request):
                waiting += found
                if following is None or len(waiting) >= min(self.batch_rows, _BATCH_RECORDS):
                    records = value_records(self.reader, waiting)
                    digest.update(repr([values for values, _, _ in records]).encode("utf-8", "backslashreplace"))
                    mark = None if following is None else following.to_mark()
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

    def _pages(self, request: Request | None) -> Iterator[tuple[list[Any], Request | None]]:
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
            found = pointed(answer.value, self.records) if self.records else answer.value
            if not isinstance(found, list):
                raise self._wrong(f"an array at `{self.records or '/'}`", type(found).__name__)
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
