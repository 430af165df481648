"""Parts of a source by the words that described them when a load was planned."""

from __future__ import annotations

from groundwork.flow.record import Source


def named_part(source: Source, wanted: int, description: str) -> Source | None:
    """The part that was described so when the source was cut into about `wanted`; null when there is none any more.

    A source that can tell a part by its description alone (`part_named`) need not be cut again, and may have grown.
    """
    ask = getattr(source, "part_named", None)
    found: Source | None = ask(description) if ask is not None else None
    if found is not None:
        return found
    return next((part for part in source.parts(wanted) if part.description == description), None)
