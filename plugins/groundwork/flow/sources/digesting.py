"""Streams that count and hash what passes through them, so that a source can tell what it has read."""

from __future__ import annotations

import hashlib
from typing import Any

from groundwork.flow.sources.packing import read_whole


class Digesting:
    """A stream that hashes what is read of it and stops `limit` bytes behind where it began."""

    def __init__(self, stream: Any, limit: int | None = None, *, is_hashed: bool = True) -> None:
        self._stream = stream
        self._left = limit
        self._digest = hashlib.sha256()
        self._is_hashed = is_hashed

    def read(self, size: int) -> bytes:
        """`size` bytes; fewer only at the end."""
        data = read_whole(self._stream, size if self._left is None else min(size, self._left))
        return self._seen(data)

    def readline(self, size: int) -> bytes:
        """The next line, or its first `size` bytes."""
        data: bytes = self._stream.readline(size if self._left is None else min(size, self._left))
        return self._seen(data)

    def hexdigest(self) -> str:
        """SHA-256 of what was read."""
        return self._digest.hexdigest()

    @property
    def left(self) -> int | None:
        """Bytes before the limit; null when there is none."""
        return self._left

    def _seen(self, data: bytes) -> bytes:
        if self._is_hashed:
            self._digest.update(data)
        if self._left is not None:
            self._left -= len(data)
        return data
