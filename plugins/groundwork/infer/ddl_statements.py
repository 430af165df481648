"""Which statements of a script describe tables, and what the others are called when they are left out.

Chosen by the syntax tree of PostgreSQL's own grammar. A statement that would do anything but describe (run a function
that is not harmless, read a file, drop something) is never among the chosen ones.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from groundwork.model.errors import ConfigError

_DESCRIBES = ("CreateStmt", "CreateEnumStmt", "CreateDomainStmt", "CreateSeqStmt", "AlterSeqStmt", "IndexStmt")
_COMMENTED = ("OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_TYPE", "OBJECT_SEQUENCE")
_ALTERATIONS = frozenset(
    [
        "AT_AddColumn",
        "AT_AddConstraint",
        "AT_AddIdentity",
        "AT_AttachPartition",
        "AT_ColumnDefault",
        "AT_SetIdentity",
        "AT_SetNotNull",
        "AT_ValidateConstraint",
    ]
)
_HARMLESS = frozenset(  # volatile functions that only make a value
    [
        "clock_timestamp",
        "currval",
        "gen_random_uuid",
        "nextval",
        "random",
        "statement_timestamp",
        "timeofday",
        "txid_current",
        "uuid_generate_v1",
        "uuid_generate_v4",
        "uuidv4",
        "uuidv7",
    ]
)
_WORDS = {
    "SelectStmt": "a query",
    "InsertStmt": "rows (INSERT)",
    "VariableSetStmt": "a setting",
    "GrantStmt": "a grant",
    "ViewStmt": "a view",
    "CreateFunctionStmt": "a function",
    "CreateTrigStmt": "a trigger",
    "AlterOwnerStmt": "an owner",
    "CreateExtensionStmt": "an extension",
    "RuleStmt": "a rule",
    "CreatePolicyStmt": "a row security policy",
    "TransactionStmt": "a transaction",
    "DropStmt": "a DROP",
    "CreateTableAsStmt": "a table made of a query",
    "AlterDefaultPrivilegesStmt": "default privileges",
    "CompositeTypeStmt": "a composite type",
    "CreateRangeStmt": "a range type",
    "AlterTableStmt": "an alteration that contracts do not know",
    "CommentStmt": "a comment on something else",
    "DefineStmt": "a definition",
}
_QUIET = ("VariableSetStmt", "TransactionStmt", "AlterOwnerStmt", "CreateSchemaStmt")  # nobody misses them


@dataclass(frozen=True, kw_only=True, eq=False)
class Described:
    """One statement that describes tables: its tree (pglast) and the line it begins in."""

    tree: Any
    line: int

    def sql(self, schemas: Mapping[str | None, str]) -> str:
        """The statement with every name in the schema that its own maps to; null is that of names without one.

        Raises: ConfigError when the printed statement would not mean the same as the written one.
        """
        from pglast import parse_sql

        tree = _moved(copy.deepcopy(self.tree), schemas)
        printed = _printed(copy.deepcopy(tree))
        (again,) = parse_sql(printed)
        if again.stmt != tree:
            raise ConfigError(
                "a statement cannot be tried, because pglast does not print it as it is written",
                where=f"line {self.line}",
                found=printed,
                next_step="write it in another way, or infer from the live tables",
            )
        return printed


def chosen(sql: str, where: str) -> tuple[tuple[Described, ...], tuple[str, ...]]:
    """The statements of `sql` that describe tables, in order, and what else there is, each with its line.

    Raises: ConfigError with the line of what does not parse.
    """
    from bisect import bisect_right

    from pglast import parse_sql
    from pglast.parser import ParseError

    encoded = sql.encode()
    breaks = [place for place, byte in enumerate(encoded) if byte == 10]
    try:
        parsed = parse_sql(sql)
    except ParseError as error:
        place = next((part for part in error.args[1:] if isinstance(part, int)), 0)
        raise ConfigError(
            "the SQL does not parse as PostgreSQL's",
            where=f"{where}:{sql.count(chr(10), 0, place) + 1}",
            found=error.args[0],
            next_step="correct it, or name its dialect: --dialect mysql",
        ) from error
    found, left_out = [], []
    for raw in parsed:
        start = _begin(encoded, raw.stmt_location or 0)
        line = bisect_right(breaks, start) + 1
        kind = type(raw.stmt).__name__
        if _is_description(raw.stmt):
            found.append(Described(tree=raw.stmt, line=line))
        elif kind not in _QUIET and not _says_owner(raw.stmt):
            left_out.append(f"line {line}: {_WORDS.get(kind, f'a statement ({kind})')}")
    return tuple(found), tuple(left_out)


def _says_owner(tree: Any) -> bool:
    is_alteration = type(tree).__name__ == "AlterTableStmt"
    return is_alteration and all(command.subtype.name == "AT_ChangeOwner" for command in tree.cmds)


def _begin(text: bytes, place: int) -> int:
    """Where the statement's first word is: the grammar counts blank space and comments before it to it."""
    while place < len(text):
        if text[place : place + 2] == b"--":
            end = text.find(b"\n", place)
            place = len(text) if end < 0 else end
        elif text[place : place + 2] == b"/*":
            end = text.find(b"*/", place)
            place = len(text) if end < 0 else end + 2
        elif text[place : place + 1].isspace():
            place += 1
        else:
            break
    return place


def _is_description(tree: Any) -> bool:
    kind = type(tree).__name__
    if kind == "AlterTableStmt":
        return all(command.subtype.name in _ALTERATIONS for command in tree.cmds)
    if kind == "CommentStmt":
        return tree.objtype.name in _COMMENTED
    return kind in _DESCRIBES


def _moved(tree: Any, schemas: Mapping[str | None, str]) -> Any:
    """The tree with every name in the schema that its own maps to; null is that of names without one."""
    from pglast.visitors import Visitor

    class Mover(Visitor):
        def visit_RangeVar(self, _: Any, node: Any) -> None:  # noqa: N802  # the name that pglast looks for
            node.schemaname = schemas.get(node.schemaname, node.schemaname)

        def visit_TypeName(self, _: Any, node: Any) -> None:  # noqa: N802
            node.names = _moved_names(node.names, schemas)

        def visit_CreateEnumStmt(self, _: Any, node: Any) -> None:  # noqa: N802
            node.typeName = _moved_names(node.typeName, schemas, is_ours=True)

        def visit_CreateDomainStmt(self, _: Any, node: Any) -> None:  # noqa: N802
            node.domainname = _moved_names(node.domainname, schemas, is_ours=True)

        def visit_CommentStmt(self, _: Any, node: Any) -> None:  # noqa: N802
            if type(node.object).__name__ != "TypeName":
                own = 2 if node.objtype.name == "OBJECT_COLUMN" else 1
                node.object = _moved_names(node.object, schemas, is_ours=True, own=own)

        def visit_DefElem(self, _: Any, node: Any) -> None:  # noqa: N802
            if node.defname == "owned_by":
                node.arg = _moved_names(node.arg, schemas, is_ours=True, own=2)

        def visit_A_Const(self, _: Any, node: Any) -> None:  # noqa: N802
            value = getattr(node.val, "sval", None)
            if value and any(schema and value.startswith((f"{schema}.", f'"{schema}".')) for schema in schemas):
                schema, _dot, name = value.partition(".")
                node.val.sval = f"{schemas[schema.strip(chr(34))]}.{name}"

    Mover()(tree)
    return tree


def _printed(tree: Any) -> str:
    """The tree as SQL. pglast prints NULLS NOT DISTINCT of an index behind WHERE, where the grammar refuses it."""
    from pglast.stream import RawStream

    if type(tree).__name__ != "IndexStmt" or not tree.nulls_not_distinct:
        return str(RawStream()(tree))
    condition, tree.whereClause, tree.nulls_not_distinct = tree.whereClause, None, False
    where = f" WHERE {RawStream()(condition)}" if condition is not None else ""
    return f"{RawStream()(tree)} NULLS NOT DISTINCT{where}"


def _moved_names(names: Any, schemas: Mapping[str | None, str], *, is_ours: bool = False, own: int = 1) -> Any:
    """Parts of a name with the schema mapped; one without a schema is moved only when it is surely ours."""
    from pglast.ast import String

    parts = [part.sval for part in names]
    if len(parts) > own:
        parts[-own - 1] = schemas.get(parts[-own - 1], parts[-own - 1])
    elif is_ours and None in schemas:
        parts = [schemas[None], *parts]
    return tuple(String(sval=part) for part in parts)


def schemas_in(statements: tuple[Described, ...]) -> list[str | None]:
    """The schemas whose tables are made, in order of appearance; null for names without one."""
    found: dict[str | None, None] = {}
    for each in statements:
        if type(each.tree).__name__ == "CreateStmt":
            found.setdefault(each.tree.relation.schemaname)
    return list(found)


def functions_in(statements: tuple[Described, ...]) -> Iterator[tuple[str | None, str, int]]:
    """Functions that the statements call: schema or null, name, line."""
    from pglast.visitors import Visitor

    calls: list[Any] = []

    class Calls(Visitor):
        def visit_FuncCall(self, _: Any, node: Any) -> None:  # noqa: N802
            calls.append(node)

    for each in statements:
        calls.clear()
        Calls()(each.tree)
        for call in calls:
            names = [part.sval for part in call.funcname]
            yield (names[-2] if len(names) > 1 else None), names[-1], each.line


def is_harmless(name: str) -> bool:
    """Whether a volatile function only makes a value."""
    return name in _HARMLESS
