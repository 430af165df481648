"""Streams of changes on the overview: where each one is, as its watcher measured it last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.flow.capture.lag import StreamStatus


def streams(warehouse: Engine) -> tuple[StreamStatus, ...] | None:
    """All streams by name; null when there is none. Their sources are not asked: a page must not wait for them."""
    from groundwork.flow.capture.lag import recorded

    # groundwork: allow own_session shows what flow recorded, not rows of tables
    with warehouse.connect() as connection:
        return tuple(recorded(connection)) or None
