"""Parts of a source by the words that described them when a load was planned."""

from __future__ import annotations

from groundwork.flow.record import Source


def named_part(source: Source, wanted: int, description: str) -> Source | None:
    """The part that was described so when the source was cut into about `wanted`; null when there is none any more.

    A source that can tell a part by its description alone (`part_named`) need not be cut again, and may have grown.
    """
    return told_part(source, description) or next(
        (part for part in source.parts(wanted) if part.description == description), None
    )


def told_part(source: Source, description: str) -> Source | None:
    """The part that the source finds by its description alone; null when it finds none, or cannot tell."""
    ask = getattr(source, "part_named", None)
    found: Source | None = ask(description) if ask is not None else None
    return found
