"""Which index a plan is missing: tables read for few of their rows, as filters, joins, sorts and limits show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from groundwork.orbt.remedies.queries.plans import Node, Plan

_RANGE = {"<", ">", "<=", ">="}
_SELECTIVE = 0.1  # share of a table's rows up to which an index beats reading it whole
_MOST_COLUMNS = 3
_MOST_TRIED = 30  # candidates of one statement that a planner is asked about
_SCANS = {"Seq Scan"}
_ALL_SCANS = {*_SCANS, "Index Scan", "Bitmap Heap Scan"}  # the others pick rows by an index, and may pick too many
_HELD = ("Index Cond", "Recheck Cond", "Filter")
_JOINS = {"Hash Join": "Hash Cond", "Merge Join": "Merge Cond", "Nested Loop": "Join Filter"}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A B-tree index that might help: `rows` of the table are wanted, and reading it whole costs `cost`."""

    schema: str
    table: str
    columns: tuple[str, ...]
    rows: float
    cost: float

    def __str__(self) -> str:
        return f"{self.schema}.{self.table} ({', '.join(self.columns)})"


def candidates(plan: Plan) -> tuple[Candidate, ...]:
    """The indexes that the plan's whole-table reads call for, costliest first, each once.

    Whether the wanted rows are few is for the caller, who knows the tables: `is_selective`.
    """
    scans = {str(node.get("Alias")): node for node in plan.nodes if node["Node Type"] in _SCANS}
    found = [*_of_filters(scans), *_of_joins(plan, scans), *_of_limits(plan, scans)]
    by_columns = {(each.schema, each.table, each.columns): each for each in reversed(found)}
    return tuple(sorted(by_columns.values(), key=lambda each: (-each.cost, each.columns)))


def wide_candidates(plan: Plan) -> tuple[Candidate, ...]:
    """Those of `candidates` and all that only a planner can judge, at most 30, each once.

    For every table: each column of a filter, a join or a sort alone, and those of the filter before those of the join
    or the sort; also where an index picks its rows already.
    """
    scans = {str(node.get("Alias")): node for node in plan.nodes if node["Node Type"] in _ALL_SCANS}
    found = [*candidates(plan)]
    for alias, node in sorted(scans.items(), key=lambda each: -float(each[1]["Total Cost"])):
        equal, between = restricted(node, alias)
        joined = tuple(dict.fromkeys(column for each, column in _all_joined(plan) if each == alias))
        ordered = next((keys for keys in _all_sorted(plan, alias) if keys), ())
        alone = [(column,) for column in (*equal, *between, *joined, *ordered)]
        together = [(*equal, *between[:1]), (*equal, *ordered), (*equal, *joined), (*joined, *equal), ordered]
        wanted = dict.fromkeys(tuple(dict.fromkeys(columns))[:_MOST_COLUMNS] for columns in (*together, *alone))
        found += [_candidate(node, columns, _rows(node)) for columns in wanted if columns]
    once = {(each.schema, each.table, each.columns): each for each in reversed(found)}
    return tuple(reversed(once.values()))[:_MOST_TRIED]


def is_selective(candidate: Candidate, table_rows: float) -> bool:
    """Whether so few rows are wanted that an index can pay."""
    return candidate.rows <= _SELECTIVE * max(table_rows, 1.0)


def _of_filters(scans: Mapping[str, Node]) -> Iterator[Candidate]:
    for alias, node in scans.items():
        equal, between = restricted(node, alias)
        columns = (*equal, *between[:1])[:_MOST_COLUMNS]
        if columns:
            yield _candidate(node, columns, _rows(node))


def _of_joins(plan: Plan, scans: Mapping[str, Node]) -> Iterator[Candidate]:
    """For a table that is read whole to be joined to few rows: an index on what it is joined by."""
    for node in plan.nodes:
        condition = node.get(_JOINS.get(str(node["Node Type"]), ""))
        children = node.get("Plans", ())
        if condition is None or len(children) != 2:
            continue
        for inner, outer in (children, tuple(reversed(children))):
            within = {str(each.get("Alias")) for each in _below(inner)}
            for alias, column in _joined(str(condition)):
                if alias in within and alias in scans:
                    equal, _ = restricted(scans[alias], alias)
                    columns = tuple(dict.fromkeys((column, *equal)))[:_MOST_COLUMNS]
                    yield _candidate(scans[alias], columns, float(outer["Plan Rows"]))


def _of_limits(plan: Plan, scans: Mapping[str, Node]) -> Iterator[Candidate]:
    """For the first few of a sorted table: an index in that order."""
    for node in plan.nodes:
        if node["Node Type"] != "Limit":
            continue
        sort = next((each for each in _below(node) if each["Node Type"] == "Sort"), None)
        below = [each for each in _below(sort) if each is not sort] if sort is not None else []
        tables = [each for each in below if each["Node Type"] in _SCANS]
        if sort is None or len(tables) != 1 or any("Join" in each["Node Type"] for each in below):
            continue
        alias = str(tables[0].get("Alias"))
        columns = _sorted_by(sort["Sort Key"], alias)
        equal, _ = restricted(tables[0], alias) if alias in scans else ((), ())
        if columns:
            whole = tuple(dict.fromkeys((*equal, *columns)))[:_MOST_COLUMNS]
            yield _candidate(tables[0], whole, float(node["Plan Rows"]))


def _all_joined(plan: Plan) -> Iterator[tuple[str, str]]:
    for node in plan.nodes:
        yield from _joined(str(node.get(_JOINS.get(str(node["Node Type"]), ""), "")))


def _all_sorted(plan: Plan, alias: str) -> Iterator[tuple[str, ...]]:
    return (_sorted_by(node["Sort Key"], alias) for node in plan.nodes if "Sort Key" in node)


def _candidate(node: Node, columns: tuple[str, ...], rows: float) -> Candidate:
    return Candidate(
        schema=str(node["Schema"]),
        table=str(node["Relation Name"]),
        columns=columns,
        rows=rows,
        cost=float(node["Total Cost"]),
    )


def _rows(node: Node) -> float:
    """The rows of a scan; a parallel one tells those of one worker, of which there are a handful."""
    return float(node["Plan Rows"]) * (3 if node.get("Parallel Aware") else 1)


def _below(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _below(child)


def restricted(node: Node, alias: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that a scan holds to values and to ranges, each in order of appearance."""
    from pglast import ast, enums

    equal: dict[str, None] = {}
    between: dict[str, None] = {}
    for part in _conjuncts(" AND ".join(f"({node[key]})" for key in _HELD if key in node)):
        if isinstance(part, ast.NullTest) and part.nulltesttype == enums.NullTestType.IS_NULL:
            column, operator = _column(part.arg, alias), "="
        elif isinstance(part, ast.A_Expr):
            sides = [_column(side, alias) for side in (part.lexpr, part.rexpr)]
            if (sides[0] is None) == (sides[1] is None):
                continue
            column, operator = sides[0] or sides[1], _operator(part)
        else:
            continue
        if column is not None and operator in _RANGE | {"="}:
            (between if operator in _RANGE else equal)[column] = None
    return tuple(equal), tuple(name for name in between if name not in equal)


def _joined(condition: str) -> Iterator[tuple[str, str]]:
    """Every (alias, column) that a join's condition sets equal to another one."""
    from pglast import ast

    for part in _conjuncts(condition):
        if not isinstance(part, ast.A_Expr) or _operator(part) != "=":
            continue
        sides = [_qualified(side) for side in (part.lexpr, part.rexpr)]
        if sides[0] is not None and sides[1] is not None:
            yield from (sides[0], sides[1])


def _sorted_by(keys: list[str], alias: str) -> tuple[str, ...]:
    """The columns of a sort in one direction; nothing when it goes both ways or sorts by an expression."""
    select = _parsed(f"SELECT 1 ORDER BY {', '.join(keys)}")
    if select is None:
        return ()
    columns = [_column(item.node, alias) for item in select.sortClause]
    directions = {int(item.sortby_dir or 0) == 2 for item in select.sortClause}
    return tuple(each for each in columns if each) if all(columns) and len(directions) == 1 else ()


def _conjuncts(condition: str) -> list[Any]:
    select = _parsed(f"SELECT 1 WHERE {condition}") if condition else None
    return list(_parts(select.whereClause)) if select is not None else []


def _parsed(text: str) -> Any:
    """The tree of a part of a plan, made a query so that it parses and never sent; null when it does not."""
    from pglast import parse_sql, parser

    try:
        return parse_sql(text)[0].stmt
    except (parser.ParseError, ValueError, RecursionError):
        return None


def _parts(node: Any) -> Iterator[Any]:
    from pglast import ast, enums

    if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.AND_EXPR:
        for argument in node.args or ():
            yield from _parts(argument)
    elif node is not None:
        yield node


def _operator(expression: Any) -> str:
    return str(expression.name[-1].sval)


def _column(node: Any, alias: str) -> str | None:
    found = _qualified(node)
    return found[1] if found is not None and found[0] == alias else None


def _qualified(node: Any) -> tuple[str, str] | None:
    """(alias, column) of a bare column; the planner shows a varchar compared as `(column)::text`."""
    from pglast import ast

    found: Any = node
    if isinstance(found, ast.TypeCast) and found.typeName.names[-1].sval == "text":  # type: ignore[union-attr,index]
        found = found.arg
    parts = [getattr(each, "sval", None) for each in found.fields] if isinstance(found, ast.ColumnRef) else []  # type: ignore[union-attr]
    return (str(parts[0]), str(parts[1])) if len(parts) == 2 and all(parts) else None
