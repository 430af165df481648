"""The server's texts of index keys, partition keys and bounds, taken apart by PostgreSQL's own grammar.

What a contract has no words for raises `UnsayableError` with the reason.
"""

from __future__ import annotations

from typing import Any

from groundwork.model.shape import IndexShape, TableShape

_ORDERS = {1: "asc", 2: "desc"}  # SortByDir
_NULLS = {1: "first", 2: "last"}  # SortByNulls
_OPEN = ("MINVALUE", "MAXVALUE")


class UnsayableError(Exception):
    """Something that contracts have no words for; the text says what, after the name of the thing."""


def index_entry(index: IndexShape) -> dict[str, Any]:
    """An index as an entry of `indexes`.

    Raises: UnsayableError for options of an operator class.
    """
    unsayable = [option for option in index.options if option != "NULLS NOT DISTINCT"]
    if unsayable:
        raise UnsayableError(f"has the option {unsayable[0]}")
    entry: dict[str, Any] = {"name": index.name, "columns": [_key(text) for text in index.keys]}
    if index.is_unique:
        entry["unique"] = True
    if index.method != "btree":
        entry["method"] = index.method
    if index.predicate:
        entry["where"] = index.predicate
    if index.include:
        entry["include"] = [_element(text).name for text in index.include]
    if "NULLS NOT DISTINCT" in index.options:
        entry["nullsNotDistinct"] = True
    return entry


def _key(text: str) -> str | dict[str, Any]:
    """One key as a contract writes it: a plain name where that says all."""
    element = _element(text)
    if element.opclassopts:
        raise UnsayableError("has options of an operator class")
    order, nulls = _ORDERS.get(int(element.ordering)), _NULLS.get(int(element.nulls_ordering))
    if nulls == ("first" if order == "desc" else "last"):
        nulls = None  # the usual place
    words = {
        "order": "desc" if order == "desc" else None,
        "nulls": nulls,
        "operatorClass": ".".join(part.sval for part in element.opclass) if element.opclass else None,
        "collation": element.collation[-1].sval if element.collation else None,
    }
    said = {name: value for name, value in words.items() if value}
    if element.expr is not None:
        return {"expression": _printed(element.expr) if said else _bare(text), **said}
    if " " in element.name or {"operatorClass", "collation"} & set(said):
        return {"column": element.name, **said}
    return " ".join([element.name, *(["desc"] if order == "desc" else []), *(["nulls", nulls] if nulls else [])])


def _bare(text: str) -> str:
    """`text` without brackets around all of it."""
    while text.startswith("(") and _closing(text) == len(text) - 1:
        text = text[1:-1]
    return text


def _closing(text: str) -> int:
    """The place of the bracket that closes the first one; brackets in texts are no brackets."""
    depth, quote = 0, ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                return place
    return -1


def _element(text: str) -> Any:
    """The key as a node of pglast; expressions that the server prints without brackets get them."""
    from pglast import parse_sql
    from pglast.parser import ParseError

    for written in (text, f"({text})"):
        try:
            (statement,) = parse_sql(f"CREATE INDEX ON t ({written}\n)")
        except ParseError:
            continue
        tree: Any = statement.stmt
        if len(tree.indexParams) == 1:
            return tree.indexParams[0]
    raise UnsayableError(f"has the key `{text}`, which is no column and no expression")


def _printed(node: Any) -> str:
    from pglast.stream import RawStream

    return str(RawStream()(node))


def partitioning_entry(shape: TableShape) -> dict[str, Any] | None:
    """How the table is partitioned, with each partition's bounds; null where it is not.

    Raises: UnsayableError for a key over expressions, with an operator class or a collation of its own.
    """
    if shape.partition_key is None:
        return None
    from pglast import parse_sql

    (statement,) = parse_sql(f"CREATE TABLE t (x int) PARTITION BY {shape.partition_key}")
    tree: Any = statement.stmt
    spec = tree.partspec
    if any(key.name is None or key.opclass or key.collation for key in spec.partParams):
        raise UnsayableError(f"is partitioned by {shape.partition_key}")
    return {
        "strategy": shape.partition_key.partition(" ")[0].lower(),
        "columns": [key.name for key in spec.partParams],
        "partitions": [{"name": part.name, **_bounds(part.bounds)} for part in shape.partitions],
    }


def _bounds(text: str) -> dict[str, Any]:
    from pglast import parse_sql

    (statement,) = parse_sql(f"CREATE TABLE p PARTITION OF t {text}")
    tree: Any = statement.stmt
    bound = tree.partbound
    if bound.is_default:
        return {"default": True}
    if bound.listdatums:
        return {"values": [_value(node) for node in bound.listdatums]}
    if bound.lowerdatums:
        return {
            "from": [_value(node) for node in bound.lowerdatums],
            "to": [_value(node) for node in bound.upperdatums],
        }
    return {"modulus": bound.modulus, "remainder": bound.remainder}


def _value(node: Any) -> Any:
    """A bound as a value: text, whole number, truth value, null, MINVALUE or MAXVALUE."""
    kind = type(node).__name__
    if kind == "ColumnRef":
        word = str(node.fields[0].sval).upper()
        if word in _OPEN:
            return word
    if kind == "A_Const":
        if node.isnull:
            return None
        value = node.val
        for attribute in ("sval", "ival", "boolval"):
            if hasattr(value, attribute):
                return getattr(value, attribute)
        return str(value.fval)
    return _printed(node)
