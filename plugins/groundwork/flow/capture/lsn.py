"""Positions in the write-ahead log as numbers and as PostgreSQL writes them."""

from __future__ import annotations


def lsn_number(text: str) -> int:
    """The number behind `high/low`.

    >>> lsn_number("1/A0")
    4294967456
    """
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(number: int) -> str:
    """`high/low` of a number.

    >>> lsn_text(4294967456)
    '1/A0'
    """
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"
