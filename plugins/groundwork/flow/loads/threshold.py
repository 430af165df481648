"""How many broken records a load takes before it warns or stops, as its contract declares.

`quarantine: {warn_above: 10, stop_above: "5 %"}` in a table's `source`: a number counts records, a text with a percent
sign is a share of the records read. Left out, a load goes on whatever it finds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from groundwork.contracts.contract import TableContract
from groundwork.model.errors import ConfigError

_SHARE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*%\s*$")


class Verdict(StrEnum):
    """What a load does about its broken records."""

    CONTINUE = "continue"
    WARN = "warn"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A number of records, or a share of them in percent."""

    value: Decimal
    is_share: bool

    def is_passed(self, broken: int, read: int) -> bool:
        """Whether `broken` of `read` records are more than that."""
        if not self.is_share:
            return broken > self.value
        return read > 0 and Decimal(100 * broken) > self.value * read

    def __str__(self) -> str:
        return f"{self.value} %" if self.is_share else f"{self.value} records"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The bounds of one table; null bounds are never passed."""

    warn_above: Bound | None = None
    stop_above: Bound | None = None

    def verdict(self, broken: int, read: int) -> Verdict:
        """What to do about `broken` of `read` records."""
        if self.stop_above is not None and self.stop_above.is_passed(broken, read):
            return Verdict.STOP
        if self.warn_above is not None and self.warn_above.is_passed(broken, read):
            return Verdict.WARN
        return Verdict.CONTINUE


def declared_threshold(table: TableContract) -> Threshold:
    """The thresholds of a table's source.

    Raises: ConfigError for words that are none.
    """
    declared: Mapping[str, Any] = (table.source or {}).get("quarantine") or {}
    return Threshold(
        warn_above=_bound(table, "warn_above", declared.get("warn_above")),
        stop_above=_bound(table, "stop_above", declared.get("stop_above")),
    )


def _bound(table: TableContract, name: str, found: Any) -> Bound | None:
    if found is None:
        return None
    if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
        return Bound(value=Decimal(found), is_share=False)
    share = _SHARE.match(found) if isinstance(found, str) else None
    if share is not None and Decimal(share[1]) <= 100:
        return Bound(value=Decimal(share[1]), is_share=True)
    raise ConfigError(
        "the threshold of broken records is not one",
        where=f"{table.qualified_name}, source.quarantine.{name}",
        expected="a number of records, or a share such as `5 %`",
        found=found,
        next_step="correct it in the contract",
    )
