"""Numbers as people and spreadsheets write them, read again: separators, currency signs, brackets for negative ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

_LARGEST_EXPONENT = 40  # powers of ten; nobody mistypes a larger number
_AROUND = re.compile(r"^[\s$€£¥]+|[\s$€£¥%]+$|^(?:USD|EUR|GBP|CHF)\s*|\s*(?:USD|EUR|GBP|CHF)$", re.IGNORECASE)
_GROUPS = re.compile(r"\d{1,3}(?:(?P<mark>[,.' \u00a0\u202f_])\d{3})(?:(?P=mark)\d{3})*")
_PLAIN = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?", re.ASCII)


def numbers(value: object, *, whole: bool) -> Iterator[int | Decimal]:
    """The numbers that `value` can mean, the likely one first.

    >>> [str(each) for each in numbers("1,234.50", whole=False)]
    ['1234.50']
    >>> [str(each) for each in numbers("1,234", whole=False)]
    ['1234', '1.234']
    """
    seen: list[Decimal] = []
    for text in _spellings(value):
        try:
            found = Decimal(text)
        except InvalidOperation:
            continue
        if found in seen or not found.is_finite() or abs(found.adjusted()) > _LARGEST_EXPONENT:
            continue
        seen.append(found)
        if found == found.to_integral_value():
            yield int(found)
        elif not whole:
            yield found


def _spellings(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(int(value))
        return
    if isinstance(value, int | float | Decimal):
        if abs(value) < 10**_LARGEST_EXPONENT:  # false for NaN as well
            yield str(value)
        return
    if not isinstance(value, str):
        return
    text = value.strip().replace("\u2212", "-")
    if text.startswith("(") and text.endswith(")"):  # how accountants write negative amounts
        text = f"-{text[1:-1]}"
    sign = "-" if text.startswith("-") or text.endswith("-") else ""
    text = _AROUND.sub("", _AROUND.sub("", text.strip("+- ")))
    for found in _without_separators(text):
        if _PLAIN.fullmatch(found):
            yield sign + found


def _without_separators(text: str) -> Iterator[str]:
    last = max(text.rfind(","), text.rfind("."))
    if "," in text and "." in text:  # the last mark is the decimal one
        head, tail = text[:last], text[last + 1 :]
        if _GROUPS.fullmatch(head):
            yield f"{re.sub(r'[^0-9]', '', head)}.{tail}"
        return
    grouped = _GROUPS.fullmatch(text)
    if grouped:
        yield re.sub(r"[^0-9]", "", text)
    if text.count(",") == 1 and "." not in text:
        yield text.replace(",", ".")
    if text.count(".") <= 1 and "," not in text:
        yield text
    head, mark, tail = text.rpartition(",") if "," in text else text.rpartition(".")
    if mark and re.fullmatch(r"\d{1,3}([' \u00a0\u202f]\d{3})+", head) and tail.isdigit():
        yield f"{re.sub(r'[^0-9]', '', head)}.{tail}"
