"""How far a load is, told about once a second to whoever asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State of one load: records and bytes read so far, `bytes_total` null when the source cannot tell its size."""

    table: str
    read: int
    bytes_read: int
    bytes_total: int | None
    seconds: float

    def __str__(self) -> str:
        rate = self.read / self.seconds if self.seconds else 0.0
        share = f", {self.bytes_read / self.bytes_total:.0%} of the bytes" if self.bytes_total else ""
        return f"{self.table}: {self.read:,} records read{share}, {rate:,.0f} records/s"


Listener = Callable[[Progress], None]


@dataclass(kw_only=True)
class Teller:
    """Tells `listener` of progress, at most once per `every_seconds`."""

    table: str
    listener: Listener | None
    bytes_total: int | None = None
    every_seconds: float = 1.0
    read: int = 0
    bytes_read: int = 0
    _started: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def add(self, records: int, size: int) -> None:
        """Count what was read, and tell when it is time."""
        self.read += records
        self.bytes_read += size
        if self.listener is not None and time.monotonic() - self._told >= self.every_seconds:
            self.tell()

    def tell(self) -> None:
        """Tell now."""
        if self.listener is not None:
            self._told = time.monotonic()
            self.listener(
                Progress(
                    table=self.table,
                    read=self.read,
                    bytes_read=self.bytes_read,
                    bytes_total=self.bytes_total,
                    seconds=self._told - self._started,
                )
            )
