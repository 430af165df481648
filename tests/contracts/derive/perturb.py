"""One declared value of a contract changed, to see whether what is derived follows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from groundwork.contracts.contract import Contract, Domain
from groundwork.contracts.read import assembled, read_contract


def changed_domains(domain: Domain, contract: Contract, pointer: str) -> Iterator[Domain | None]:
    """The domain with the value at `pointer` changed, and with it taken away; null where it cannot be read then."""
    for data in (_altered(contract.document.data, pointer), _removed(contract.document.data, pointer)):
        document = replace(contract.document, data=data)
        try:
            other = read_contract(document)
        except Exception:
            yield None
            continue
        yield assembled(domain.name, [other if each is contract else each for each in domain.contracts])


def _altered(data: dict[str, Any], pointer: str) -> dict[str, Any]:
    found = copy.deepcopy(data)
    owner, key = _place(found, pointer)
    owner[key] = _other(owner[key])
    return found


def _removed(data: dict[str, Any], pointer: str) -> dict[str, Any]:
    found = copy.deepcopy(data)
    owner, key = _place(found, pointer)
    del owner[key]
    return found


def _place(data: Any, pointer: str) -> tuple[Any, Any]:
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for step in steps[:-1]:
        data = data[int(step)] if isinstance(data, list) else data[step]
    return data, int(steps[-1]) if isinstance(data, list) else steps[-1]


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return _WORDS.get(value) or f"{value}x"
    return "x"


_WORDS = {
    "public": "restricted",
    "internal": "restricted",
    "confidential": "public",
    "restricted": "public",
    "stored": "virtual",
    "always": "by default",
    "by default": "always",
    "range": "list",
    "month": "year",
    "year": "month",
    "read": "write",
    "write": "read",
    "desc": "asc",
    "error": "warning",
    "2000-01-01": "2001-01-01",
    "2024-01-01": "2024-02-01",
    "2024-04-01": "2024-05-01",
    "2015-01-01": "2016-01-01",
    "1990-01-01": "1991-01-01",
    "2030-01-01": "2031-01-01",
    "2001-01-01T00:00:00Z": "2002-01-01T00:00:00Z",
    "email": "uri",
    "uuid": "uri",
    "i64": "i32",
    "cascade": "restrict",
    "initially deferred": "initially immediate",
    "rows": "percent",
    "gin": "gist",
    "completeness": "validity",
    "bigint": "integer",
    "integer": "bigint",
    "text": "integer",
    "uuid ": "text",
    "jsonb": "json",
    "boolean": "text",
    "date": "timestamp",
    "timestamptz": "date",
    "numeric": "text",
    "string": "date",
    "number": "string",
    "object": "array",
    "array": "object",
    "timestamp": "date",
    "time": "text",
}
