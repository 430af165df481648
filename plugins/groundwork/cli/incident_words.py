"""Incidents in lines of a terminal and in JSON, for `groundwork incidents`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_LONGEST = 200  # characters of what closed an earlier incident


def line(row: Mapping[str, Any]) -> str:
    """One incident (a row of `incident`) in one line."""
    from groundwork.model.incident import needs_review, stage_of

    owed = "  review open" if needs_review(row) else ""
    silenced = f"  until {row['silenced_until']:%m-%d %H:%M}Z" if row["silenced_until"] else ""
    return (
        f"{str(row['id'])[:8]}  {row['opened_at']:%Y-%m-%d %H:%M}Z  {row['severity']:<8} {stage_of(row):<12} "
        f"{row['fault_class']}  {row['subject']}  {len(row['affected'])} task instance(s){silenced}{owed}"
    )


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """One incident for JSON: its columns, its stage, and whether its review is owed."""
    from groundwork.model.incident import needs_review, stage_of

    return {**row, "stage": stage_of(row), "needs_review": needs_review(row)}


def earlier(row: Mapping[str, Any]) -> dict[str, Any]:
    """An incident of the same cause that opened before, for JSON; `ending` is null while it is not over."""
    from groundwork.model.incident import ending_of, stage_of

    names = ("id", "opened_at", "resolved_at", "answer", "answered_by")
    return {**{name: row[name] for name in names}, "stage": stage_of(row), "ending": ending_of(row)}


def happened_before(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Earlier incidents of the same cause in lines; nothing without any."""
    if rows:
        yield "\nHappened before"
    for each in map(earlier, rows):
        answered = f"{each['answer']} by {each['answered_by']}" if each["answer"] else "no answer"
        ended = (
            f"resolved {each['resolved_at']:%Y-%m-%d %H:%M}Z" if each["resolved_at"] else f"not over: {each['stage']}"
        )
        why = " ".join((each["ending"] or "").split())
        shown = f": {why[:_LONGEST]}{'…' if len(why) > _LONGEST else ''}" if why else ""
        yield f"{str(each['id'])[:8]}  {ended}, {answered}{shown}"


def timeline(row: Mapping[str, Any]) -> Iterator[str]:
    """The timeline in lines; what stands on further lines of a comment is set in, so that it looks like no entry."""
    yield "\nTimeline"
    for each in row["timeline"]:
        first, *more = each["what"].split("\n")
        yield f"{each['at'][:16].replace('T', ' ')}Z  {each['by']}: {first}"
        yield from (f"                   {words}" for words in more)


def span(seconds: Any) -> str:
    """A time in its largest unit; a dash for none.

    >>> [span(90), span(None)]
    ['1.5 min', '-']
    """
    if seconds is None:
        return "-"
    number = float(seconds)
    size, unit = next(((size, unit) for size, unit in ((3600, "h"), (60, "min")) if number >= size), (1, "s"))
    return f"{number / size:.1f} {unit}"
