"""The repository call that does what a statement does, in code that can be pasted, or what to do when there is none."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groundwork.contracts.contract import TableContract
from groundwork.rules.declared import Declared
from groundwork.rules.sql.statement import Statement
from groundwork.rules.sql.template import GAP
from groundwork.rules.sql.tree import kind, names, text, walk

GENERAL = (
    "read and write through the repositories (groundwork.access.repository): "
    "Repositories(engine, domain)[table] with get, list, pages, insert, bulk_insert, upsert, update, delete"
)
_OPERATORS = {"=": "eq", "<>": "ne", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_FLIPPED = {"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}
_NO_FILTERS = "these conditions are no filters of a repository: filter by columns, or declare a dbt model"
_NOT_ONE_ROW = (
    "several tables, groups or computed columns are no call of a repository: "
    "declare a dbt model in dbt_project/ and list its rows"
)


@dataclass(frozen=True)
class _Condition:
    column: str
    operator: str
    value: str

    def __str__(self) -> str:
        operator = "" if self.operator == "eq" else f', operator="{self.operator}"'
        return f'Filter(column="{self.column}"{operator}, value={self.value})'


class _NoCallError(Exception):
    """The statement does more than one call of a repository says; its text is what to do instead."""


def advice(statement: Statement, declared: Declared, values: Mapping[str, str]) -> str:
    """What to write instead of a statement; `values` says the source of parameters by name or position."""
    if len(statement.tree) != 1:
        return GENERAL
    node = statement.tree[0].stmt
    tables = [each for each in walk(node) if kind(each) == "RangeVar"]
    if not tables or any(str(each.relname).startswith(GAP) for each in tables):
        return GENERAL
    found = declared.tables(tables[0].schemaname, str(tables[0].relname))
    if not found:
        return f"{GENERAL}; `{tables[0].relname}` needs a contract first"
    writer = _Writer(found[0], {**statement.codes, **values})
    try:
        return writer.call(node, is_alone=len(tables) == 1)
    except _NoCallError as reason:
        return f"{reason}; single rows: {writer.repository}.list(…)"
    except (AttributeError, IndexError, TypeError):
        return GENERAL


class _Writer:
    """Writes calls of one table's repository."""

    def __init__(self, table: TableContract, codes: Mapping[str, str]) -> None:
        self._table = table
        self._codes = codes
        self._parameters = 0
        self.repository = f'Repositories(engine, domain)["{table.name}"]'

    def call(self, node: Any, *, is_alone: bool) -> str:
        """The call for a statement, which names no other table when the table `is_alone`.

        Raises: _NoCallError when there is none.
        """
        if not is_alone:
            raise _NoCallError(_NOT_ONE_ROW)
        method = {
            "SelectStmt": self._select,
            "InsertStmt": self._insert,
            "UpdateStmt": self._update,
            "DeleteStmt": self._delete,
        }.get(kind(node))
        if kind(node) == "CopyStmt":
            return f"{self.repository}.{'bulk_insert(rows)' if node.is_from else 'pages()'}"
        if method is None:
            return (
                "change a table through its contract: edit it, then `groundwork generate-migration "
                f"{self._table.name}`; rows go through {self.repository}"
            )
        return method(node)

    def _select(self, node: Any) -> str:
        if any(
            (node.groupClause, node.havingClause, node.windowClause, node.distinctClause, int(node.op), node.withClause)
        ):
            raise _NoCallError(_NOT_ONE_ROW)
        if any(kind(each.val) not in ("ColumnRef", "A_Const") for each in node.targetList or ()):
            raise _NoCallError(_NOT_ONE_ROW)
        conditions = self._conditions(node.whereClause)
        key = self._key(conditions)
        if key is not None and not node.sortClause:
            return f"{self.repository}.get({key})"
        arguments = [f"[{', '.join(map(str, conditions))}]"] if conditions else []
        order = [self._order(each) for each in node.sortClause or ()]
        if order:
            arguments.append(f"order=({', '.join(order)},)")
        if node.limitCount is not None:
            arguments.append(f"limit={self._value(node.limitCount)}")
        if not order and node.limitCount is None:
            return f"{self.repository}.pages({', '.join(arguments)})"
        return f"{self.repository}.list({', '.join(arguments)})"

    def _insert(self, node: Any) -> str:
        name = "upsert" if node.onConflictClause is not None else "insert"
        columns = [str(each.name) for each in node.cols or ()]
        rows = getattr(node.selectStmt, "valuesLists", None)
        if not columns or not rows:
            return f"{self.repository}.{name}(rows)  # rows are mappings of column to value"
        given = [self._row(columns, row) for row in rows[:2]]
        return f"{self.repository}.{name}([{', '.join(given)}{', …' if len(rows) > 2 else ''}])"

    def _row(self, columns: list[str], row: Any) -> str:
        values = [self._value(each) for each in row]
        return "{" + ", ".join(f'"{name}": {value}' for name, value in zip(columns, values, strict=False)) + "}"

    def _update(self, node: Any) -> str:
        changes = ", ".join(f'"{each.name}": {self._value(each.val)}' for each in node.targetList)
        conditions = self._conditions(node.whereClause)
        key = self._key(conditions)
        if key is not None:
            return f"{self.repository}.update({key}, {{{changes}}}, expected_version=row.version)"
        filters = f"[{', '.join(map(str, conditions))}]" if conditions else ""
        return (
            f"for row in {self.repository}.pages({filters}):\n"
            f"    {self.repository}.update({self._key_of_row()}, {{{changes}}}, expected_version=row.version)"
        )

    def _delete(self, node: Any) -> str:
        conditions = self._conditions(node.whereClause)
        key = self._key(conditions)
        if key is not None:
            return f"{self.repository}.delete({key}, expected_version=row.version)"
        filters = f"[{', '.join(map(str, conditions))}]" if conditions else ""
        return (
            f"for row in {self.repository}.pages({filters}):\n"
            f"    {self.repository}.delete({self._key_of_row()}, expected_version=row.version)"
        )

    def _key_of_row(self) -> str:
        parts = [f'row["{name}"]' for name in self._table.primary_key]
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"

    def _key(self, conditions: list[_Condition]) -> str | None:
        """The key that the conditions give, null when they give another choice of rows."""
        given = {each.column: each.value for each in conditions if each.operator == "eq"}
        key = self._table.primary_key
        if not key or len(conditions) != len(key) or set(given) != set(key):
            return None
        return given[key[0]] if len(key) == 1 else f"({', '.join(given[name] for name in key)})"

    def _conditions(self, node: Any) -> list[_Condition]:
        if node is None:
            return []
        if kind(node) == "BoolExpr" and int(node.boolop) == 0:
            return [found for each in node.args for found in self._conditions(each)]
        if kind(node) == "NullTest":
            return [_Condition(_column(node.arg), "is_null", str(int(node.nulltesttype) == 0))]
        if kind(node) == "ColumnRef" and not names(node)[-1].startswith(GAP):
            return [_Condition(_column(node), "eq", "True")]
        if kind(node) != "A_Expr":
            raise _NoCallError(
                "these conditions are no filters of a repository: filter by columns, or declare a dbt model"
            )
        return [self._comparison(node)]

    def _comparison(self, node: Any) -> _Condition:
        operator = text(node.name[-1])
        if kind(node.rexpr) == "tuple" or int(node.kind) == 7:
            given = [self._value(each) for each in node.rexpr]
            value = given[0] if len(given) == 1 else f"[{', '.join(given)}]"
            return _Condition(_column(node.lexpr), "in", value)
        found = _OPERATORS.get(operator)
        if found is None or int(node.kind) != 0:
            raise _NoCallError(
                "these conditions are no filters of a repository: filter by columns, or declare a dbt model"
            )
        if kind(node.lexpr) == "ColumnRef" and not names(node.lexpr)[-1].startswith(GAP):
            return _Condition(_column(node.lexpr), found, self._value(node.rexpr))
        return _Condition(_column(node.rexpr), _FLIPPED.get(found, found), self._value(node.lexpr))

    def _order(self, node: Any) -> str:
        return f'"{"-" if int(node.sortby_dir) == 2 else ""}{_column(node.node)}"'

    def _value(self, node: Any) -> str:
        """The code of a value: a constant, or what the source gives for a parameter or a gap."""
        if kind(node) == "TypeCast":
            return self._value(node.arg)
        if kind(node) == "A_Const":
            return _constant(node)
        if kind(node) == "ParamRef":
            return self._codes.get(f"parameter {node.number}", "…")
        if kind(node) == "ColumnRef" and names(node)[-1].startswith(GAP):
            code = self._codes.get(names(node)[-1], "…")
            return self._codes.get(code, "…" if code.startswith("parameter ") else code)
        return "…"


def _column(node: Any) -> str:
    if kind(node) != "ColumnRef" or names(node)[-1] == "*" or names(node)[-1].startswith(GAP):
        raise _NoCallError(_NO_FILTERS)
    return names(node)[-1]


def _constant(node: Any) -> str:
    value = node.val
    if node.isnull:
        return "None"
    shown = {"Integer": "ival", "Float": "fval", "Boolean": "boolval", "String": "sval"}.get(kind(value))
    if shown is None:
        return "…"
    found = getattr(value, shown)
    return f'Decimal("{found}")' if kind(value) == "Float" else _quoted(found)


def _quoted(value: object) -> str:
    shown = repr(value)
    return f'"{shown[1:-1]}"' if shown.startswith("'") and '"' not in shown else shown


def parameter_codes(given: ast.expr | None) -> dict[str, str]:
    """The source of each parameter that a call gives, by name or as `parameter 1`."""
    if isinstance(given, ast.Dict):
        return {
            str(key.value): _code(value)
            for key, value in zip(given.keys, given.values, strict=True)
            if isinstance(key, ast.Constant)
        }
    if isinstance(given, ast.Tuple | ast.List):
        return {f"parameter {position}": _code(each) for position, each in enumerate(given.elts, 1)}
    return {}


def _code(node: ast.expr) -> str:
    code = ast.unparse(node)
    return _quoted(node.value) if isinstance(node, ast.Constant) else code if len(code) <= 60 else "…"
