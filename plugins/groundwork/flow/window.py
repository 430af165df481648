"""A range on a source's watermark column: what one run of a backfill or of a partition loads."""

from __future__ import annotations

from dataclasses import dataclass

from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Window:
    """The half-open range [start, end) as the column's type spells its values; null is open on that side."""

    start: str | None = None
    end: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing is left out."""
        return self.start is None and self.end is None

    def __str__(self) -> str:
        return f"[{self.start or ''}, {self.end or ''})"


def window_of(start: str | None, end: str | None) -> Window | None:
    """The window of two texts, null when both are missing or blank."""
    found = Window(start=(start or "").strip() or None, end=(end or "").strip() or None)
    return None if found.is_open else found


def require_column(column: str | None, window: Window | None, where: str) -> None:
    """Raise ConfigError when there is a window and no column that it could be about."""
    if window is not None and column is None:
        raise ConfigError(
            "a range of the source was asked for, and the source has no column to tell what lies in it",
            where=where,
            expected="`source.watermark.column`",
            found=f"the range {window}",
            next_step="declare the watermark in the contract, or load without a range",
        )
