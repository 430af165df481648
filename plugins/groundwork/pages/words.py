"""Values in words: times, durations, counts, names. Template filters; each is a pure function.

Nothing is trusted: text goes through `markupsafe`, which escapes what is not markup of ours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

NOTHING = "\N{EN DASH}"  # stands where there is no value
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_ACRONYMS = {"api": "API", "apis": "APIs", "sql": "SQL", "url": "URL", "id": "ID"}
_CODE = re.compile(r"`([^`\n]+)`")


def moment(at: datetime | None, now: datetime) -> Markup:
    """`at` relative to `now` as a `time` element that holds the exact UTC time; a dash when there is none."""
    if at is None:
        return Markup("<span>{}</span>").format(NOTHING)
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{iso}" title="{exact}">{words}</time>').format(
        iso=utc.isoformat(timespec="seconds"), exact=utc.strftime("%Y-%m-%d %H:%M:%S UTC"), words=distance(utc, now)
    )


def distance(at: datetime, now: datetime) -> str:
    """How long ago, or how far ahead, in its largest unit.

    >>> noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    >>> [distance(datetime(2026, 1, 2, 11, 58, tzinfo=UTC), noon), distance(datetime(2026, 1, 3, 13, tzinfo=UTC), noon)]
    ['2 min ago', 'in 1 d']
    """
    seconds = int((now - at).total_seconds())
    if abs(seconds) < 5:
        return "just now"
    words = next(
        (f"{abs(seconds) // size} {unit}" for size, unit in _UNITS if abs(seconds) >= size), f"{abs(seconds)} s"
    )
    return f"{words} ago" if seconds > 0 else f"in {words}"


def duration(started_at: datetime | None, finished_at: datetime | None, now: datetime) -> str:
    """The time between, up to `now` while it is not finished; a dash before the start.

    >>> duration(datetime(2026, 1, 2, 11, tzinfo=UTC), datetime(2026, 1, 2, 12, 1, tzinfo=UTC), datetime.now(UTC))
    '1 h 1 min'
    """
    if started_at is None:
        return NOTHING
    seconds = max(((finished_at or now) - started_at).total_seconds(), 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def span(seconds: float | None) -> str:
    """A time in its largest unit; a dash for none.

    >>> [span(90), span(604_800)]
    ['1.5 min', '7 d']
    """
    if seconds is None:
        return NOTHING
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def count(number: float | None) -> str:
    """A whole number with its thousands set apart; a dash for none.

    >>> count(12153)
    '12,153'
    """
    return NOTHING if number is None else f"{int(number):,}"


def share(value: float) -> str:
    """A share as percent; 100 % only when nothing is missing.

    >>> [share(1.0), share(0.99996), share(0.5)]
    ['100 %', '99.9 %', '50 %']
    """
    tenths = int(value * 1000) / 10
    return f"{tenths:.0f} %" if tenths == int(tenths) else f"{tenths:.1f} %"


def size(number: float | None) -> str:
    """Bytes in the largest binary unit that leaves at least one.

    >>> size(1_572_864)
    '1.5 MiB'
    """
    if number is None:
        return NOTHING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def title(name: str) -> str:
    """A name of the vocabulary as people write it.

    >>> [title("data_access_layer"), title("APIs_functional")]
    ['Data access layer', 'APIs functional']
    """
    words = [_ACRONYMS.get(word.lower(), word) for word in name.replace("-", "_").split("_") if word]
    joined = " ".join(words)
    return joined[:1].upper() + joined[1:]


def lower_first(text: str) -> str:
    """A phrase for the middle of a sentence; acronyms keep their capitals.

    >>> [lower_first("Secure data APIs"), lower_first("APIs functional")]
    ['secure data APIs', 'APIs functional']
    """
    return text if len(text) > 1 and text[:2].isupper() else text[:1].lower() + text[1:]


def prose(text: str | None) -> Markup:
    """Text with `code` between backticks set as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text or ""))))  # noqa: S704  escaped before
