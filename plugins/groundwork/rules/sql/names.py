"""Tables and columns of a statement that no contract declares, found by PostgreSQL's own rules of scope.

A name is only judged when everything that it could come from is known: as soon as a function, an unknown table or a
gap stands among the sources, an unqualified column may come from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundwork.contracts.contract import TableContract
from groundwork.rules.declared import Declared, has_column
from groundwork.rules.sql.statement import Statement
from groundwork.rules.sql.template import GAP
from groundwork.rules.sql.tree import children, kind, names, text, walk

_CATALOG = ("pg_catalog", "information_schema")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A table that is not declared (`column` null), or a column that `tables` do not have; `offset` is in bytes."""

    tables: tuple[TableContract, ...]
    table: str
    column: str | None
    offset: int


@dataclass
class _Source:
    """What columns come from: declared tables, the names of a sub-query, or something unknown (both empty)."""

    tables: tuple[TableContract, ...] = ()
    columns: frozenset[str] | None = None

    @property
    def is_open(self) -> bool:
        return not self.tables and self.columns is None

    def has(self, name: str) -> bool:
        if self.is_open:
            return True
        return has_column(self.tables, name) if self.tables else name in (self.columns or ())


@dataclass
class _Sources:
    """The sources of one query level, with the level around it."""

    outer: _Sources | None = None
    by_name: dict[str, _Source] = field(default_factory=dict)
    queries: dict[str, _Source] = field(default_factory=dict)
    results: frozenset[str] = frozenset()
    is_open: bool = False

    def query(self, name: str) -> _Source | None:
        level: _Sources | None = self
        while level is not None:
            if name in level.queries:
                return level.queries[name]
            level = level.outer
        return None


def mistakes(statement: Statement, declared: Declared) -> Iterator[Mistake]:
    """Every undeclared name of a statement, each place once."""
    if not declared.domains or not statement.tree:
        return
    reader = _Reader(declared, is_partial=statement.is_partial)
    reader.made = _made(statement.tree)
    seen: set[tuple[str, str | None, int]] = set()
    for each in statement.tree:
        for found in reader.statement(each.stmt, _Sources()):
            key = (found.table, found.column, found.offset)
            if key not in seen:
                seen.add(key)
                yield found


def _made(tree: Any) -> frozenset[str]:
    """Names of tables and views that the statements make themselves."""
    made: set[str] = set()
    for node in walk(tree):
        if kind(node) == "CreateStmt":
            made.add(str(node.relation.relname))
        elif kind(node) in ("CreateTableAsStmt", "IntoClause"):
            target = node.into.rel if kind(node) == "CreateTableAsStmt" else node.rel
            made.add(str(target.relname))
        elif kind(node) == "ViewStmt":
            made.add(str(node.view.relname))
    return frozenset(made)


class _Reader:
    """Reads statements against what is declared."""

    def __init__(self, declared: Declared, *, is_partial: bool) -> None:
        self._declared = declared
        self._is_partial = is_partial
        self.made: frozenset[str] = frozenset()

    def statement(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        """The mistakes of one statement or of a query inside of one."""
        method = {
            "SelectStmt": self._select,
            "InsertStmt": self._insert,
            "UpdateStmt": self._update,
            "DeleteStmt": self._delete,
            "MergeStmt": self._merge,
            "IndexStmt": self._index,
            "CopyStmt": self._copy,
        }.get(kind(node))
        if method is not None:
            yield from method(node, _Sources(outer=sources, is_open=self._is_partial))
            return
        for each in children(node):
            if kind(each) in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
                yield from self.statement(each, sources)

    def _select(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        yield from self._with(node, sources)
        if int(node.op):
            yield from self.statement(node.larg, sources)
            yield from self.statement(node.rarg, sources)
            return
        yield from self._from(node.fromClause or (), sources)
        for part in (
            node.targetList,
            node.whereClause,
            node.havingClause,
            node.windowClause,
            node.valuesLists,
            node.distinctClause,
        ):
            yield from self._expressions(part, sources)
        sources.results = frozenset(str(each.name) for each in node.targetList or () if each.name)
        for part in (node.groupClause, node.sortClause, node.limitCount, node.limitOffset):
            yield from self._expressions(part, sources)

    def _insert(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        yield from self._with(node, sources)
        if node.selectStmt is not None:
            yield from self.statement(node.selectStmt, sources)
        yield from self._range(node.relation, sources)
        target = next(iter(sources.by_name.values()), _Source())
        yield from self._columns(node.cols, target, node.relation)
        conflict = node.onConflictClause
        if conflict is not None:
            sources.by_name["excluded"] = target
            yield from self._columns(conflict.targetList, target, node.relation)
            yield from self._columns(getattr(conflict.infer, "indexElems", None), target, node.relation)
            yield from self._expressions((conflict.targetList, conflict.whereClause), sources)
        yield from self._expressions(_returning(node), sources)

    def _update(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        yield from self._with(node, sources)
        yield from self._range(node.relation, sources)
        target = next(iter(sources.by_name.values()), _Source())
        yield from self._columns(node.targetList, target, node.relation)
        yield from self._from(node.fromClause or (), sources)
        yield from self._expressions((node.targetList, node.whereClause), sources)
        yield from self._expressions(_returning(node), sources)

    def _delete(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        yield from self._with(node, sources)
        yield from self._range(node.relation, sources)
        yield from self._from(node.usingClause or (), sources)
        yield from self._expressions(node.whereClause, sources)
        yield from self._expressions(_returning(node), sources)

    def _merge(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        yield from self._with(node, sources)
        yield from self._range(node.relation, sources)
        target = next(iter(sources.by_name.values()), _Source())
        yield from self._from((node.sourceRelation,), sources)
        yield from self._expressions(node.joinCondition, sources)
        for clause in node.mergeWhenClauses or ():
            yield from self._columns(clause.targetList, target, node.relation)
            yield from self._expressions((clause.condition, clause.targetList, clause.values), sources)

    def _index(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        yield from self._range(node.relation, sources)
        target = next(iter(sources.by_name.values()), _Source())
        yield from self._columns((*(node.indexParams or ()), *(node.indexIncludingParams or ())), target, node.relation)
        yield from self._expressions((node.indexParams, node.whereClause), sources)

    def _copy(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        if node.query is not None:
            yield from self.statement(node.query, sources)
        if node.relation is not None:
            yield from self._range(node.relation, sources)
            target = next(iter(sources.by_name.values()), _Source())
            for each in node.attlist or ():
                if not target.has(text(each)):
                    yield self._no_column(target.tables, text(each), int(node.relation.location or 0))

    def _with(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        clause: Any = getattr(node, "withClause", None)
        for each in clause.ctes if clause is not None else ():
            if clause.recursive:
                sources.queries[str(each.ctename)] = _Source()
            yield from self.statement(each.ctequery, sources)
            aliases = frozenset(text(name) for name in each.aliascolnames or ())
            sources.queries[str(each.ctename)] = _Source(columns=aliases or _results(each.ctequery))

    def _from(self, items: Sequence[Any], sources: _Sources) -> Iterator[Mistake]:
        for item in items:
            if kind(item) == "RangeVar":
                yield from self._range(item, sources)
            elif kind(item) == "JoinExpr":
                yield from self._from((item.larg, item.rarg), sources)
                yield from self._expressions(item.quals, sources)
                if item.alias is not None:
                    sources.by_name[str(item.alias.aliasname)] = _Source()
                    sources.is_open = True
            elif kind(item) == "RangeSubselect":
                yield from self.statement(item.subquery, sources)
                alias = item.alias
                columns = frozenset(text(name) for name in (alias.colnames if alias else None) or ())
                name = str(alias.aliasname) if alias else ""
                sources.by_name[name] = _Source(columns=columns or _results(item.subquery))
            else:
                sources.is_open = True
                yield from self._expressions(item, sources)
                alias = getattr(item, "alias", None)
                if alias is not None:
                    sources.by_name[str(alias.aliasname)] = _Source()

    def _range(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        name, schema = str(node.relname), node.schemaname
        alias = str(node.alias.aliasname) if node.alias else name
        made = sources.query(name) if not schema else None
        is_known = made is not None or name in self.made or name.startswith(GAP) or schema in _CATALOG
        source = made or _Source()
        if not is_known:
            source = _Source(tables=self._declared.tables(schema, name))
            if self._declared.is_undeclared(schema, name):
                shown = f"{schema}.{name}" if schema else name
                yield Mistake(tables=(), table=shown, column=None, offset=int(node.location or 0))
        if node.alias is not None and node.alias.colnames:
            source = _Source()
        sources.by_name[alias] = source
        if alias.startswith(GAP):
            sources.is_open = True

    def _columns(self, nodes: Any, target: _Source, relation: Any) -> Iterator[Mistake]:
        """Columns that are named by themselves: of an INSERT, an assignment, an index."""
        for node in nodes or ():
            name = getattr(node, "name", None)
            if name and not str(name).startswith(GAP) and not target.has(str(name)):
                place = getattr(node, "location", None)
                yield self._no_column(
                    target.tables, str(name), int(place if place is not None else relation.location or 0)
                )

    def _expressions(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        waiting = list(node) if isinstance(node, tuple | list) else [node]
        while waiting:
            current = waiting.pop(0)
            if current is None:
                continue
            if isinstance(current, tuple | list):
                waiting = [*current, *waiting]
            elif kind(current) == "ColumnRef":
                yield from self._reference(current, sources)
            elif kind(current) == "SelectStmt":
                yield from self.statement(current, sources)
            else:
                waiting = [*children(current), *waiting]

    def _reference(self, node: Any, sources: _Sources) -> Iterator[Mistake]:
        parts = names(node)
        if parts[-1] == "*" or any(part.startswith(GAP) for part in parts):
            return
        if len(parts) == 1:
            yield from self._unqualified(parts[0], node, sources)
            return
        qualifier, name = parts[-2], parts[-1]
        level: _Sources | None = sources
        while level is not None:
            source = level.by_name.get(qualifier)
            if source is not None:
                if not source.has(name) and source.tables:
                    yield self._no_column(source.tables, name, int(node.location or 0))
                return
            level = level.outer

    def _unqualified(self, name: str, node: Any, sources: _Sources) -> Iterator[Mistake]:
        level: _Sources | None = sources
        tables: tuple[TableContract, ...] = ()
        while level is not None:
            if level.is_open or name in level.results or name in level.by_name:
                return
            if any(source.has(name) for source in level.by_name.values()):
                return
            tables += tuple(table for source in level.by_name.values() for table in source.tables)
            level = level.outer
        if tables:
            yield self._no_column(tables, name, int(node.location or 0))

    def _no_column(self, tables: tuple[TableContract, ...], name: str, offset: int) -> Mistake:
        shown = ", ".join(dict.fromkeys(table.qualified_name for table in tables))
        return Mistake(tables=tables, table=shown, column=name, offset=offset)


def _results(query: Any) -> frozenset[str] | None:
    """Names of the columns of a query's result; null when a star or a gap leaves them open."""
    while kind(query) == "SelectStmt" and int(query.op):
        query = query.larg
    targets = query.targetList if kind(query) == "SelectStmt" else _returning(query)
    if not targets:
        return None
    found: set[str] = set()
    for target in targets:
        if target.name:
            found.add(str(target.name))
        elif kind(target.val) == "ColumnRef":
            found.add(names(target.val)[-1])
        elif kind(target.val) == "FuncCall":
            found.add(text(target.val.funcname[-1]))
        else:
            return None  # PostgreSQL finds a name for it by rules of its own
    return None if any(name == "*" or name.startswith(GAP) for name in found) else frozenset(found)


def _returning(node: Any) -> Any:
    """What a statement returns; the clause is called differently from one version of the grammar to the next."""
    clause = getattr(node, "returningClause", None)
    return getattr(clause, "exprs", None) if clause is not None else getattr(node, "returningList", None)
