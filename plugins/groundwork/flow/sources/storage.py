"""Object storage as its drivers have it: with errors of their own making, and a memory of what they once saw.

Drivers raise what neither they nor Python has as an `OSError` when a server cannot be reached, and list folders from a
cache that other writers do not renew. Here is what makes a file of a storage behave like one of the disk.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from groundwork.model.errors import GroundworkError

_BLOCK_BYTES = 8 << 20  # asked for at a time; drivers' own 50 MiB would be most of a load's memory
_BUFFER_BYTES = 1 << 20


@contextmanager
def storage_faults() -> Iterator[None]:
    """Whatever a driver raises inside is an OSError; only its kind is told, because its text may hold a signed address.

    Raises: OSError.
    """
    try:
        yield
    except (OSError, GroundworkError):
        raise
    except Exception as error:
        raise OSError(type(error).__name__) from None


def forget_listing(place: Any) -> None:
    """Let the storage be asked again for `place` and the folders above it, not the driver's memory."""
    forget = getattr(getattr(place, "fs", None), "invalidate_cache", None)
    if forget is not None:
        forget(str(getattr(place, "path", place)))


def open_place(place: Any) -> IO[bytes]:
    """The bytes of a file; reading raises OSError and nothing else."""
    with storage_faults():
        raw = place.open("rb", block_size=_BLOCK_BYTES)
    return cast("IO[bytes]", io.BufferedReader(_StorageFile(raw), _BUFFER_BYTES))


class _StorageFile(io.RawIOBase):
    """A file of a driver whose errors are those of files."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as one answer reaches; 0 at the end."""
        with storage_faults():
            data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The place that is read next."""
        with storage_faults():
            return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        """The place that is read next."""
        return int(self._raw.tell())

    def close(self) -> None:
        """Let it go."""
        if not self.closed:
            self._raw.close()
        super().close()
