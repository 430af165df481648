"""One part of a page, which is shown whatever became of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Content = TypeVar("Content")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why something cannot be shown, in words for the reader, without a connection's details."""

    what: str
    next_step: str | None = None


@dataclass(frozen=True, kw_only=True)
class Block(Generic[Content]):
    """One part of a page: its content, or the problem that stands in the way; exactly one of them."""

    content: Content | None = None
    problem: Problem | None = None
