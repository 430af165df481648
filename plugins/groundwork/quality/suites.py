"""Suites written by hand: JSON files in the folder `expectations/`, in the form of Great Expectations' own suites.

`meta.domain` and `meta.table` say which table a suite is for: one that the domain declares, or, with `meta.stage`
`after_transform`, any that a transformation makes, as `schema.table`. With `meta.stage` `before_load` it is for the
rows of each load, before they are published. An entry's `meta.dimension`, `meta.severity` and `meta.description` say
how it counts and what it means. Each entry becomes a check of kind `expectation`, or `row_count` before a load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.conditions import require_select
from groundwork.model.checks import Check
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind, Dimension, Severity
from groundwork.quality.volume import as_row_count

_LOADED = "after_load"  # `meta.stage` of suites for the table as it stands, and of those that name none
_TRANSFORMED = "after_transform"  # of suites for what a transformation makes
_WAITING = "before_load"  # of suites for rows that wait to be published
_STAGES = (_WAITING, _LOADED, _TRANSFORMED)


def read_suites(folder: Path, domain: Domain, *, of_transformed: bool = False) -> tuple[Check, ...]:
    """The checks of every suite for a table of `domain`, in order of file and entry; none when there is no folder.

    With `of_transformed` those for what a transformation makes, and no others; those for waiting rows never.
    Raises: ConfigError when a file is not a suite or names a table that the domain does not declare.
    """
    wanted = _TRANSFORMED if of_transformed else _LOADED
    suites = [(path, _read(path)) for path in sorted(folder.glob("*.json"))]
    ours = [
        (path, suite)
        for path, suite in suites
        if suite["meta"].get("domain") == domain.name and _stage(path, suite) == wanted
    ]
    return tuple(check for path, suite in ours for check in _checks(path, suite, domain))


def suites_before_load(folder: Path, domain: Domain, table: TableContract) -> tuple[Check, ...]:
    """The checks of suites for the waiting rows of `table`, in order of file and entry.

    A file in which the stage does not stand is not even parsed, so that what is wrong with it stops no load.
    Raises: ConfigError when one that may be about the table is not a suite.
    """
    found: list[Check] = []
    for path in sorted(folder.glob("*.json")):
        if not _mentions(path, _WAITING):
            continue
        suite = _read(path)
        is_ours = suite["meta"].get("domain") == domain.name and _stage(path, suite) == _WAITING
        if is_ours and suite["meta"]["table"] in (table.name, table.qualified_name, table.logical_name):
            found += _checks(path, suite, domain)
    return tuple(found)


def concerns_table(path: Path, domain: str, table: TableContract) -> bool:
    """Whether a suite is for the table as it stands; one that cannot be read may be."""
    try:
        suite = _read(path)
        stage = _stage(path, suite)
    except ConfigError:
        return True
    is_ours = suite["meta"].get("domain") == domain and stage == _LOADED
    return is_ours and suite["meta"]["table"] in (table.name, table.qualified_name, table.logical_name)


def _mentions(path: Path, word: str) -> bool:
    try:
        return word.encode() in path.read_bytes()
    except OSError:
        return True  # `_read` tells why


def _read(path: Path) -> dict[str, Any]:
    try:
        suite: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError("cannot read the suite of expectations", where=str(path), found=error) from error
    is_suite = isinstance(suite, dict) and isinstance(suite.get("expectations"), list)
    if not is_suite or not isinstance(suite.get("meta"), dict) or not suite["meta"].get("table"):
        raise ConfigError(
            "the file is not a suite of expectations",
            where=str(path),
            expected="`name`, `meta` with `domain` and `table`, and a list `expectations`",
            found=", ".join(suite) if isinstance(suite, dict) else type(suite).__name__,
        )
    return dict(suite)


def _stage(path: Path, suite: Mapping[str, Any]) -> str:
    found = suite["meta"].get("stage", _LOADED)
    if found not in _STAGES:
        raise ConfigError(
            "the suite names a stage that is none",
            where=f"{path}, meta.stage",
            expected=", ".join(_STAGES) + "; or none at all",
            found=found,
            next_step="correct the word; a suite without it is for the table after each load and by schedule",
        )
    return str(found)


def _subject(path: Path, suite: Mapping[str, Any], domain: Domain) -> tuple[str, str, TableContract | None]:
    """Schema and name of the suite's table, and its contract when a contract declares it."""
    told = str(suite["meta"]["table"])
    if _stage(path, suite) != _TRANSFORMED:
        table = domain.table(told)
        return table.schema, table.name, table
    schema, _, name = told.partition(".")
    if not schema or not name:
        raise ConfigError(
            "the suite does not say which table it is for", where=str(path), expected="schema.table", found=told
        )
    return schema, name, None


def _checks(path: Path, suite: Mapping[str, Any], domain: Domain) -> list[Check]:
    return [_check(path, suite, number, entry, domain) for number, entry in enumerate(suite["expectations"])]


def _check(path: Path, suite: Mapping[str, Any], number: int, entry: Mapping[str, Any], domain: Domain) -> Check:
    schema, name, declared = _subject(path, suite, domain)
    try:
        meta = entry.get("meta") or {}
        kwargs = dict(entry.get("kwargs") or {})
        if "unexpected_rows_query" in kwargs:
            require_select(str(kwargs["unexpected_rows_query"]).replace("{batch}", "batch"))
        named = kwargs.get("column_list") or [
            kwargs[each] for each in ("column", "column_A", "column_B") if each in kwargs
        ]
        found = Check(
            id=f"{schema}.{name}.{path.stem}.{meta.get('name') or number + 1}.expectation",
            schema=schema,
            table=name,
            columns=tuple(declared.column(str(each)).name if declared else str(each) for each in named),
            kind=CheckKind.EXPECTATION,
            arguments={"type": str(entry["type"]), "kwargs": kwargs},
            dimension=Dimension(meta.get("dimension", Dimension.ACCURACY)),
            severity=Severity(meta.get("severity", Severity.ERROR)),
            description=str(meta.get("description") or entry["type"]),
        )
        return as_row_count(found) if _stage(path, suite) == _WAITING else found
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            "an expectation of the suite is not right",
            where=f"{path}, entry {number + 1}",
            expected="`type`, `kwargs`, known words for `meta.dimension`, `meta.severity`, and one SELECT as a query",
            found=error,
        ) from error
