"""The errors of one check: all are counted, the first are kept, each goes to who wants them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from groundwork.access.check_blocks import Broken
from groundwork.access.check_report import RowError
from groundwork.access.errors import FieldError

_MOST_KINDS = 200  # kinds of error that are counted apart; the rest is one kind
_OTHER = "other errors"


class Errors:
    """Errors as they are found; `listener` gets every one of them."""

    def __init__(self, limit: int, listener: Callable[[RowError], None] | None = None) -> None:
        self._limit = limit
        self._listener = listener
        self._bad = bytearray()
        self._kinds: Counter[str] = Counter()
        self.kept: list[RowError] = []
        self.count = 0
        self.bad_rows = 0

    @property
    def wants_detail(self) -> bool:
        """Whether anybody will read the next error; suggestions cost more than finding it."""
        return self._listener is not None or len(self.kept) < self._limit

    @property
    def counts(self) -> dict[str, int]:
        """Errors by kind, the most frequent first."""
        return dict(self._kinds.most_common())

    def add(self, error: RowError) -> None:
        """Take one error."""
        self.count += 1
        kind = f"{error.column}: {error.expected}" if error.column else error.expected
        known = kind in self._kinds or len(self._kinds) < _MOST_KINDS
        self._kinds[kind if known else _OTHER] += 1
        if error.row is not None:
            self._mark(error.row)
        if len(self.kept) < self._limit:
            self.kept.append(error)
        if self._listener is not None:
            self._listener(error)

    def add_fields(self, row: int, line: int | None, errors: Iterable[FieldError]) -> None:
        """Take the errors of one row's fields."""
        for error in errors:
            self.add(
                RowError(
                    row=row,
                    line=line,
                    column=error.column,
                    expected=error.expected,
                    found=error.found,
                    suggestion=error.suggestion,
                    corrected=error.corrected,
                )
            )

    def add_record(self, row: int, line: int | None, record: Broken) -> None:
        """Take a record that is no row."""
        self.add(
            RowError(
                row=row,
                line=line,
                column=None,
                expected=record.expected,
                found=record.found,
                suggestion=record.suggestion,
            )
        )

    def _mark(self, row: int) -> None:
        """Count the row once; one bit per row keeps memory bounded."""
        place, bit = row >> 3, 1 << (row & 7)
        if place >= len(self._bad):
            self._bad.extend(bytes(max(1 << 16, place + 1 - len(self._bad))))
        if not self._bad[place] & bit:
            self._bad[place] |= bit
            self.bad_rows += 1
