"""Which columns a model's columns are made from, read from its compiled SQL by sqlglot.

Best effort and honest about it: what cannot be traced is named with the reason, never guessed. Tables are known by
their columns: those of sources and of models with an enforced contract as declared, those of other models from what
was traced before them, those that dbt adds to a snapshot as described.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundwork.transform.report import Origin

if TYPE_CHECKING:
    from sqlglot.expressions import Expr
    from sqlglot.lineage import Node

Column = tuple[str, str]  # dbt id and name of a column
Tables = dict[str, object]  # schema → table → column → type, as sqlglot wants it
Lineage = dict[Column, tuple[Origin, ...]]


def trace(
    models: Sequence[Mapping[str, Any]], nodes: Mapping[str, Mapping[str, Any]]
) -> tuple[Lineage, dict[str, str]]:
    """Lineage of every column of `models` (in an order in which parents come first), and what could not be traced.

    The second value maps `model` or `model.column` to the reason.
    """
    ids = {_address(node): name for name, node in nodes.items() if node.get("relation_name")}
    schema: Tables = {}
    for node in nodes.values():
        if node["resource_type"] == "source" or (node.get("contract") or {}).get("enforced"):
            _declare(schema, node, list(node["columns"]))
    lineage: Lineage = {}
    unparsed: dict[str, str] = {}
    for model in models:
        found = _trace_model(model, schema, ids, unparsed)
        added = model["columns"] if model["resource_type"] == "snapshot" else ()
        _declare(schema, model, list(dict.fromkeys((*found, *added))))
        lineage.update({(model["unique_id"], column): sources for column, sources in found.items()})
    return lineage, unparsed


def _trace_model(
    model: Mapping[str, Any],
    schema: Tables,
    ids: Mapping[tuple[str, str], str],
    unparsed: dict[str, str],
) -> dict[str, tuple[Origin, ...]]:
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage
    from sqlglot.optimizer import build_scope, qualify

    code = model.get("compiled_code")
    if not code:
        unparsed[model["name"]] = "it was not compiled"
        return {}
    try:
        query = qualify.qualify(parse_one(code, dialect="postgres"), dialect="postgres", schema=schema)
        scope = build_scope(query)
    except SqlglotError as error:
        unparsed[model["name"]] = _first_line(error)
        return {}
    if any(lateral.find(exp.Query) for lateral in query.find_all(exp.Lateral)):
        # sqlglot 30 takes the outer columns that such a query is correlated with for its sources
        unparsed[model["name"]] = "it holds a LATERAL query, which cannot be traced"
        return {}
    found: dict[str, tuple[Origin, ...]] = {}
    for name in query.named_selects if isinstance(query, exp.Query) else []:
        try:
            node = lineage(name, query, schema={}, scope=scope, dialect="postgres", copy=False)
        except (SqlglotError, ValueError, KeyError) as error:
            unparsed[f"{model['name']}.{name}"] = _first_line(error)
        else:
            found[name] = _sources(node, ids)
    return found


def _sources(root: Node, ids: Mapping[tuple[str, str], str]) -> tuple[Origin, ...]:
    """The columns of real tables at the ends of a lineage tree, each once; literals have none."""
    from sqlglot import exp

    steps = list(root.walk())
    ends = [node for node in steps if not node.downstream and isinstance(node.expression, exp.Table)]
    is_copy = len(ends) == 1 and all(isinstance(_value(node), exp.Column) for node in steps if node.downstream)
    found = []
    for node in ends:
        table = ids.get((str(node.expression.text("db")), node.expression.name))
        if table:
            column = node.name.rpartition(".")[2].strip('"')
            found.append(Origin(unique_id=table, column=column, how="identity" if is_copy else "expression"))
    return tuple(dict.fromkeys(found))


def _value(node: Node) -> Expr:
    """What a step of the lineage selects, without its alias."""
    return node.expression.unalias()


def _declare(schema: Tables, node: Mapping[str, Any], columns: list[str]) -> None:
    database, name = _address(node)
    if columns:
        tables = schema.setdefault(database, {})
        if isinstance(tables, dict):
            tables[name] = dict.fromkeys(columns, "text")


def _address(node: Mapping[str, Any]) -> tuple[str, str]:
    return node["schema"], node.get("identifier") or node.get("alias") or node["name"]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
