"""Which range of its source one run of a pipeline loads.

A range that a person gave counts first. A run of a partition loads the partition it is named after, a run of a backfill
the interval it stands for; every other run loads what came since the watermark. Times are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from groundwork.flow.window import Window, window_of
from groundwork.model.errors import ConfigError

KEY_FORMAT = "%Y-%m-%dT%H:%M:%S"  # of a partition, as Airflow's cron partitions name them


def partition_window(key: str, cron: str, watermark_type: str | None) -> Window:
    """The partition `key`: from its own moment to the next one of the cron expression.

    >>> str(partition_window("2026-11-20T00:00:00", "0 0 * * *", "date"))
    '[2026-11-20, 2026-11-21)'
    """
    from croniter import croniter  # type: ignore[import-untyped]  # it has no stubs

    try:
        start = datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigError(
            "the partition's key is no time",
            expected=KEY_FORMAT,
            found=key,
            next_step="start the run with a key such as 2026-11-20T00:00:00",
        ) from error
    return interval_window(start, croniter(cron, start).get_next(datetime), watermark_type)


def interval_window(start: datetime, end: datetime, watermark_type: str | None) -> Window:
    """The interval [start, end) as values of the watermark's column.

    Raises: ConfigError when the column holds no times, or there is none.
    """
    if watermark_type is None or not watermark_type.startswith(("date", "timestamp")):
        raise ConfigError(
            "a range of time was asked for, and the source has no watermark of time",
            expected="`source.watermark.column`, a date or a timestamp",
            found=watermark_type,
            next_step="declare the watermark in the contract, or start a plain run",
        )
    return Window(start=_text(start, watermark_type), end=_text(end, watermark_type))


def given_window(start: object, end: object) -> Window | None:
    """The range of two parameters; blank and null are open, both open is no range."""
    texts = ["" if value is None or str(value) == "None" else str(value) for value in (start, end)]
    return window_of(*texts)


def _text(moment: datetime, watermark_type: str) -> str:
    utc = moment.astimezone(UTC)
    if watermark_type == "date":
        return utc.date().isoformat()
    is_aware = watermark_type.startswith("timestamptz") or watermark_type.endswith("with time zone")
    return utc.isoformat() if is_aware else utc.replace(tzinfo=None).isoformat()
