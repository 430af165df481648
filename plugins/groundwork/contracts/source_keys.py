"""The words of a table's `source` declaration: which kinds there are, and which keys each of them knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

COMMON_KEYS = frozenset(
    {
        "kind",
        "mode",
        "columns",
        "watermark",
        "origin",
        "quarantine",
        "history",
        "snapshot",
        "inputs",
        "on_schema_change",
        "ignore",
        "schedule",
        "pool",
        "parallel",
        "partition",
    }
)
CSV_KEYS = frozenset({"delimiter", "quote", "header", "null", "encoding"})
KIND_KEYS: Mapping[str, frozenset[str]] = {
    "file": frozenset({"path", "package", "connection", "format", "compression", "empty"}) | CSV_KEYS,
    "http": frozenset(
        {
            "connection",
            "path",
            "params",
            "records",
            "pagination",
            "auth",
            "since_param",
            "until_param",
            "requests_per_second",
            "retries",
            "timeout_seconds",
        }
    ),
    "table": frozenset({"connection", "table", "query", "key"}),
    "computed": frozenset({"callable", "decisions"}),
}
OTHER_KINDS = frozenset({"stream"})  # not read in one go; whoever reads them checks them
FORMATS = ("csv", "jsonl", "json", "parquet")
COMPRESSIONS = ("none", "gzip", "zstd", "zip")
SCHEMA_POLICIES = ("freeze", "evolve", "quarantine")
EMPTY_POLICIES = ("fail", "allow")


def unknown_keys(declared: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Each key that the declared kind does not know, with the known key that is nearest to it."""
    kind = str(declared.get("kind"))
    if kind not in KIND_KEYS:
        return
    known = COMMON_KEYS | KIND_KEYS[kind]
    for key in map(str, declared):
        if key not in known:
            nearest = get_close_matches(key, sorted(known), 1)
            yield key, nearest[0] if nearest else None


def wrong_words(declared: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each key whose value is not one of the words it may have, with these words."""
    choices: dict[str, tuple[str, ...]] = {"on_schema_change": SCHEMA_POLICIES}
    if declared.get("kind") == "file":
        choices |= {"compression": COMPRESSIONS, "empty": EMPTY_POLICIES, "format": FORMATS}
    for key, words in choices.items():
        is_missing = key not in declared or (key == "compression" and declared[key] is None)
        if (key == "format" or not is_missing) and declared.get(key) not in words:
            yield key, words


def misplaced_keys(declared: Mapping[str, Any]) -> Iterator[str]:
    """Keys that mean nothing in this declaration.

    Of CSV in another format, a connection that only a storage could need, fields to ignore where none would be taken.
    """
    if "ignore" in declared and not (declared.get("columns") and declared.get("on_schema_change") == "evolve"):
        yield "ignore"
    if declared.get("kind") != "file":
        return
    if declared.get("format") != "csv":
        yield from sorted(CSV_KEYS & set(declared))
    if "connection" in declared and ("package" in declared or "://" not in str(declared.get("path"))):
        yield "connection"


def ignored_fields(declared: Mapping[str, Any]) -> frozenset[str]:
    """Fields of a mapped source that fill no column and are no news: those it ignores, and those it looks into.

    >>> sorted(ignored_fields({"columns": {"city": "/address/city"}, "ignore": ["note"]}))
    ['address', 'note']
    """
    ignored = declared.get("ignore") or ()
    named = [ignored] if isinstance(ignored, str) else list(ignored)
    pointers = [str(each) for each in (declared.get("columns") or {}).values() if str(each).startswith("/")]
    roots = [pointer.split("/")[1].replace("~1", "/").replace("~0", "~") for pointer in pointers]
    return frozenset([*map(str, named), *roots])


def missing_keys(declared: Mapping[str, Any]) -> Iterator[str]:
    """Keys without which the declared kind says too little; alternatives are joined by a bar."""
    needed = {"file": ("path",), "http": ("connection", "path"), "table": ("connection",), "computed": ("callable",)}
    for key in needed.get(str(declared.get("kind")), ()):
        if not declared.get(key):
            yield key
    if declared.get("kind") == "table" and bool(declared.get("table")) == bool(declared.get("query")):
        yield "table|query"
