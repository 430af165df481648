"""Suites written by hand: JSON files in the folder `expectations/`, in the form of Great Expectations' own suites.

`meta.domain` and `meta.table` say which table a suite is for; an entry's `meta.dimension`, `meta.severity` and
`meta.description` say how it counts and what it means. Each entry becomes a check of kind `expectation`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.conditions import require_select
from groundwork.model.checks import Check
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind, Dimension, Severity


def read_suites(folder: Path, domain: Domain) -> tuple[Check, ...]:
    """The checks of every suite for a table of `domain`, in order of file and entry; none when there is no folder.

    Raises: ConfigError when a file is not a suite or names a table that the domain does not declare.
    """
    suites = [(path, _read(path)) for path in sorted(folder.glob("*.json"))]
    ours = [(path, suite) for path, suite in suites if suite["meta"].get("domain") == domain.name]
    return tuple(
        _check(path, suite, number, entry, domain)
        for path, suite in ours
        for number, entry in enumerate(suite["expectations"])
    )


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


def _check(path: Path, suite: Mapping[str, Any], number: int, entry: Mapping[str, Any], domain: Domain) -> Check:
    table = domain.table(suite["meta"]["table"])
    meta = entry.get("meta") or {}
    kwargs = dict(entry.get("kwargs") or {})
    try:
        if "unexpected_rows_query" in kwargs:
            require_select(str(kwargs["unexpected_rows_query"]).replace("{batch}", "batch"))
        named = kwargs.get("column_list") or [
            kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs
        ]
        return Check(
            id=f"{table.qualified_name}.{path.stem}.{meta.get('name') or number + 1}.expectation",
            schema=table.schema,
            table=table.name,
            columns=tuple(table.column(str(name)).name for name in named),
            kind=CheckKind.EXPECTATION,
            arguments={"type": str(entry["type"]), "kwargs": kwargs},
            dimension=Dimension(meta.get("dimension", Dimension.ACCURACY)),
            severity=Severity(meta.get("severity", Severity.ERROR)),
            description=str(meta.get("description") or entry["type"]),
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(
            "an expectation of the suite is not right",
            where=f"{path}, entry {number + 1}",
            expected="`type`, `kwargs`, known words for `meta.dimension`, `meta.severity`, and one SELECT as a query",
            found=error,
        ) from error
