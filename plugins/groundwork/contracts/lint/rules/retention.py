"""Retention and freshness that can be carried out.

A service level's `element` names declared tables, its `unit` is a length of time (a retention counts in days or longer;
`m` could be a month or a minute and is refused) and its `value` a positive number. A table
with a retention names the column whose age counts in `retentionColumn`: an existing date or timestamp.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.physical import type_text
from groundwork.contracts.lint.subject import ContractPart, DomainPart, Part, Problem, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_LONG = ("d", "day", "days", "w", "week", "weeks", "mo", "month", "months", "y", "yr", "year", "years")
_SHORT = ("s", "second", "seconds", "min", "minute", "minutes", "h", "hr", "hour", "hours")
_UNITS = {"retention": _LONG, "freshness": (*_SHORT, *_LONG)}  # not `m`, which is read as month or as minute
_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE", None)


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every service level and retention column that could not be used."""
    for contract in domain.contracts:
        kept = set()
        for part in contract.parts("slaProperties"):
            if part.text("property") in _UNITS:
                yield from _service_level(contract, part)
            if part.text("property") == "retention":
                kept |= set(_elements(part))
        for table in contract.tables:
            yield from _column(table, is_kept=table.name in kept)


def _elements(part: Part) -> list[str]:
    return [element.strip() for element in part.text("element").split(",") if element.strip()]


def _service_level(contract: ContractPart, part: Part) -> Iterator[Problem]:
    value, unit = part.data.get("value"), part.text("unit") or "d"
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        yield part.problem("/value", f"`{value}` is not a length of time", "write a positive number")
    known = _UNITS[part.text("property")]
    if unit not in known:
        place = "/unit" if "unit" in part.data else ""
        yield part.problem(place, f"the unit `{unit}` is not known here", f"write one of {', '.join(known)}")
    declared = [table.name for table in contract.tables]
    for name in _elements(part):
        if name not in declared:
            yield part.problem(
                "/element", f"no table `{name}` is declared in this contract", f"name one of {', '.join(declared)}"
            )


def _column(table: TablePart, *, is_kept: bool) -> Iterator[Problem]:
    name = table.custom_text("retentionColumn")
    if name is None:
        if is_kept:
            yield table.problem(
                "/name",
                f"`{table.name}` has a retention and no column whose age counts",
                "add to `customProperties`: `{property: retentionColumn, value: <a date column>}`",
            )
        return
    column = table.column(name)
    place = table.custom_pointer("retentionColumn")
    if column is None:
        declared = ", ".join(table.column_names)
        yield table.problem(place, f"`{table.name}` has no column `{name}`", f"name one of {declared}")
    elif type_text(column.type) not in _TYPES:
        yield table.problem(place, f"`{name}` is {column.type}, not a time", "name a date or timestamp column")
