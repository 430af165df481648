"""Parses a text as SQL: PostgreSQL's own grammar first, then the other dialects, turned into PostgreSQL's.

Whether a text is meant as SQL at all is told too: "select a fruit from the list" is a sentence that happens to parse.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any

from groundwork.rules.sql.template import GAP, Rendered, readings
from groundwork.rules.sql.tree import kind, names, walk

_WORK = frozenset(  # statements whose words do not make a sentence by chance
    [
        "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CreateStmt", "CreateTableAsStmt", "ViewStmt",
        "IndexStmt", "AlterTableStmt", "DropStmt", "TruncateStmt", "CopyStmt", "GrantStmt", "GrantRoleStmt",
        "RenameStmt", "CallStmt", "CreateFunctionStmt", "CreateSchemaStmt", "CreateSeqStmt", "CreateTrigStmt",
        "CreateRoleStmt", "CreatedbStmt", "CreateExtensionStmt", "CreateEnumStmt", "CommentStmt", "ExplainStmt",
        "RefreshMatViewStmt", "DoStmt", "AlterSeqStmt", "AlterRoleStmt", "DropRoleStmt", "DropdbStmt",
        "CreatePolicyStmt", "AlterObjectSchemaStmt", "ReindexStmt", "PrepareStmt", "DeclareCursorStmt", "RuleStmt",
        "CreateDomainStmt", "AlterOwnerStmt",
    ]
)  # fmt: skip
_FIRST = (
    "select|with|insert|update|delete|merge|create|alter|drop|truncate|copy|grant|revoke|call|explain|refresh|values|replace"
    "|table|set|show|reset|lock|vacuum|analyze|comment|do|begin|commit|rollback|listen|notify|pragma|attach|use|declare"
    "|prepare|execute|reindex|cluster|discard|start|savepoint|release|fetch|close|move|describe|exec|install|load|export"
)
_BEGINS = re.compile(rf"\s*(?:(?:--[^\n]*\n|/\*.*?\*/)\s*)*\(?\s*({_FIRST})\b", re.IGNORECASE | re.DOTALL)
_ARTICLES = frozenset(
    ["a", "an", "the", "your", "my", "our", "his", "her", "their", "this", "that", "these", "those", "one", "of"]
)
_MARKERS = re.compile(r"[*=;,'\"%:$?_<>\[\]`{(0-9]|\w\.\w|\n")
_CLAUSE = re.compile(r"\b(?:FROM|WHERE|VALUES|INTO)\b")
_FOREIGN = re.compile(  # statements that other dialects have in forms of their own
    r"\s*(?:(?:--[^\n]*\n|/\*.*?\*/)\s*)*\(?\s*(?:select|with|insert|update|delete|merge|replace)\b",
    re.IGNORECASE | re.DOTALL,
)
_DIALECTS = ("mysql", "tsql", "sqlite", "oracle", "bigquery", "snowflake", "duckdb", "clickhouse", "spark")
_LONGEST = 200_000  # characters of a text that is parsed


class Certainty(IntEnum):
    """How sure it is that somebody means a text as SQL."""

    NO = 0
    PERHAPS = 1
    YES = 2


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A parsed text; `tree` is pglast's, empty when only its beginning was understood.

    `offset` is where the parser stumbled (characters of `sql`) when nothing could be parsed, with `error` as its words.
    """

    sql: str
    tree: tuple[Any, ...] = ()
    codes: dict[str, str] = field(default_factory=dict)
    is_partial: bool = False
    error: str | None = None
    offset: int = 0
    is_other_dialect: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each statement in it."""
        return tuple(kind(each.stmt) for each in self.tree)

    @property
    def is_parsed(self) -> bool:
        """Whether there is a tree."""
        return bool(self.tree)


@lru_cache(maxsize=4096)
def parse(parts: tuple[str | tuple[str], ...]) -> Statement:
    """The text as statements; one that does not parse has an error."""
    attempts = readings(parts)
    first = next(attempts)
    if len(first.sql) > _LONGEST:
        return Statement(sql=first.sql, error="it is too long to be parsed", codes=first.codes)
    failed = _postgres(first)
    if failed.is_parsed:
        return failed
    for rendered in attempts:
        found = _postgres(rendered)
        if found.is_parsed:
            return found
    return _other(failed) or failed


def begins_like_sql(text: str) -> bool:
    """Whether the first word of a text is one that SQL begins with; others are not worth a parser."""
    return _BEGINS.match(text) is not None or not text.strip()


def certainty(statement: Statement, is_declared: Callable[[str | None, str], bool]) -> Certainty:
    """How sure it is that a parsed text is meant as SQL; `is_declared` tells of a table's schema and name."""
    first = _BEGINS.match(statement.sql)
    is_shouted = first is not None and first[1].isupper()
    words = len(statement.sql.split())
    if not statement.is_parsed:
        return Certainty.PERHAPS if is_shouted and words > 2 else Certainty.NO
    tables = [node for node in walk(statement.tree) if kind(node) == "RangeVar"]
    is_ours = any(is_declared(node.schemaname, str(node.relname)) for node in tables)
    if statement.sql.startswith(f"select {GAP}x"):  # the verb is a gap
        return Certainty.YES if is_ours or _CLAUSE.search(statement.sql) else Certainty.NO
    if all(_is_setting(each.stmt) for each in statement.tree):
        return Certainty.YES if is_shouted and words > 1 else Certainty.PERHAPS
    if not is_shouted and not is_ours and (_is_sentence(statement, tables) or not _selects_any(statement)):
        return Certainty.NO
    is_sure = is_shouted or is_ours or _MARKERS.search(statement.sql.strip()) is not None
    return Certainty.YES if is_sure and _selects_any(statement) else Certainty.PERHAPS


def _is_setting(node: Any) -> bool:
    """Whether a statement is one of few words (`SHOW x`, `LOCK x`, `FETCH x`)."""
    return kind(node) != "SelectStmt" and kind(node) not in _WORK


def _selects_any(statement: Statement) -> bool:
    """Whether it is more than a SELECT of nothing, which PostgreSQL takes and nobody writes."""
    return any(kind(each.stmt) != "SelectStmt" or _selects(each.stmt) for each in statement.tree)


def _selects(node: Any) -> bool:
    if int(node.op):
        return _selects(node.larg)
    return bool(node.targetList) or bool(node.valuesLists)


def _is_sentence(statement: Statement, tables: list[Any]) -> bool:
    """Whether it reads as a sentence in small letters: articles stand where names should."""
    found = {str(node.relname) for node in tables}
    for node in walk(statement.tree):
        if kind(node) == "ResTarget" and node.name and kind(node.val) == "ColumnRef":
            found.add(names(node.val)[-1])
    return bool(found & _ARTICLES)


def _postgres(rendered: Rendered) -> Statement:
    from pglast import parse_sql
    from pglast.parser import ParseError

    try:
        tree = tuple(parse_sql(rendered.sql))
    except ParseError as error:
        said, offset = str(error.args[0]), int(error.args[1] or 0) if len(error.args) > 1 else 0
        return Statement(sql=rendered.sql, codes=rendered.codes, error=said, offset=offset)
    except (ValueError, RecursionError) as error:  # a NUL character, or too deep
        return Statement(sql=rendered.sql, codes=rendered.codes, error=str(error))
    if not tree:
        return Statement(sql=rendered.sql, codes=rendered.codes, error="there is no statement in it")
    return Statement(sql=rendered.sql, tree=tree, codes=rendered.codes, is_partial=rendered.is_partial)


def _plain(tree: Any) -> Any:
    """The tree without what only says how to treat rows that are there already (`INSERT OR REPLACE`)."""
    for node in tree.walk():
        if node.args.get("alternative"):
            node.set("alternative", None)
    return tree


def _other(failed: Statement) -> Statement | None:
    """The text as another dialect has it, turned into PostgreSQL's."""
    if _FOREIGN.match(failed.sql) is None:
        return None
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    for dialect in _DIALECTS:
        try:
            trees = parse(failed.sql, dialect=dialect)
            if not trees or not all(isinstance(tree, exp.Query | exp.DML | exp.DDL | exp.Merge) for tree in trees):
                continue
            sql = ";\n".join(_plain(tree).sql(dialect="postgres") for tree in trees)
        except (SqlglotError, RecursionError, ValueError, AttributeError, TypeError, KeyError, IndexError):
            continue
        found = _postgres(Rendered(sql=sql, codes=failed.codes))
        if found.is_parsed:
            return Statement(sql=failed.sql, tree=found.tree, codes=failed.codes, is_other_dialect=True)
    return None
