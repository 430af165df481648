"""Contract → SQL types, with every spelling that PostgreSQL's own grammar understands.

The text of a type is parsed by that grammar, so synonyms (`int4`, `character varying`, `timestamp(3) with time zone`,
`float(10)`) mean what the server takes them for, and nothing but a type gets into DDL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Column
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine, UserDefinedType

from groundwork.contracts.contract import ColumnContract
from groundwork.contracts.logical_types import SERIALS
from groundwork.model.errors import ConfigError

_TYPES: dict[str, type[TypeEngine[Any]]] = {  # types that take no length or precision
    "bool": postgresql.BOOLEAN,
    "bytea": postgresql.BYTEA,
    "cidr": postgresql.CIDR,
    "date": postgresql.DATE,
    "datemultirange": postgresql.DATEMULTIRANGE,
    "daterange": postgresql.DATERANGE,
    "float4": postgresql.REAL,
    "float8": postgresql.DOUBLE_PRECISION,
    "inet": postgresql.INET,
    "int2": postgresql.SMALLINT,
    "int4": postgresql.INTEGER,
    "int4multirange": postgresql.INT4MULTIRANGE,
    "int4range": postgresql.INT4RANGE,
    "int8": postgresql.BIGINT,
    "int8multirange": postgresql.INT8MULTIRANGE,
    "int8range": postgresql.INT8RANGE,
    "json": postgresql.JSON,
    "jsonb": postgresql.JSONB,
    "jsonpath": postgresql.JSONPATH,
    "macaddr": postgresql.MACADDR,
    "macaddr8": postgresql.MACADDR8,
    "money": postgresql.MONEY,
    "nummultirange": postgresql.NUMMULTIRANGE,
    "numrange": postgresql.NUMRANGE,
    "oid": postgresql.OID,
    "regclass": postgresql.REGCLASS,
    "regconfig": postgresql.REGCONFIG,
    "text": postgresql.TEXT,
    "tsmultirange": postgresql.TSMULTIRANGE,
    "tsquery": postgresql.TSQUERY,
    "tsrange": postgresql.TSRANGE,
    "tstzmultirange": postgresql.TSTZMULTIRANGE,
    "tstzrange": postgresql.TSTZRANGE,
    "tsvector": postgresql.TSVECTOR,
    "uuid": postgresql.UUID,
}
_PLAIN = frozenset(  # types that SQLAlchemy has no class for: their values are text to the driver
    [
        "box",
        "bpchar",
        "char",
        "circle",
        "line",
        "lseg",
        "name",
        "path",
        "pg_lsn",
        "pg_snapshot",
        "point",
        "polygon",
        "regproc",
        "regprocedure",
        "regrole",
        "regtype",
        "tid",
        "xid",
        "xid8",
        "xml",
    ]
)
_SYNONYMS = {"string": "text", "number": "numeric", "double": "float8"}  # words of other systems with one meaning
_FIELDS = {  # PostgreSQL's bit masks of an interval's fields, `INTERVAL_MASK` in its `datetime.h`
    2: "MONTH",
    4: "YEAR",
    8: "DAY",
    1024: "HOUR",
    2048: "MINUTE",
    4096: "SECOND",
    6: "YEAR TO MONTH",
    1032: "DAY TO HOUR",
    3080: "DAY TO MINUTE",
    7176: "DAY TO SECOND",
    3072: "HOUR TO MINUTE",
    7168: "HOUR TO SECOND",
    6144: "MINUTE TO SECOND",
}
_KNOWN = (
    "bigint, boolean, bytea, char(n), date, double precision, inet, integer, interval, jsonb, numeric(p,s), real, "
    "smallint, text, time, timestamp, timestamptz, uuid, varchar(n)"
)


class PlainType(UserDefinedType[Any]):
    """A type of the server that is text to the driver; `word` is one of our own list."""

    cache_ok = True

    def __init__(self, word: str) -> None:
        self.word = word

    def get_col_spec(self, **_: Any) -> str:
        """The type's name as SQL."""
        return '"char"' if self.word == "char" else self.word


class _Small(postgresql.SMALLINT):
    """A small integer numbered from a sequence of its own."""


class _Plain(postgresql.INTEGER):
    """An integer numbered from a sequence of its own."""


class _Big(postgresql.BIGINT):
    """A big integer numbered from a sequence of its own."""


@compiles(_Small)
@compiles(_Plain)
@compiles(_Big)
def _serial(kind: Any, compiler: Any, **options: Any) -> str:
    """The word that makes the sequence where a column is made, the plain type everywhere else (casts, comparisons)."""
    words = {_Small: ("SMALLSERIAL", "SMALLINT"), _Plain: ("SERIAL", "INTEGER"), _Big: ("BIGSERIAL", "BIGINT")}
    made, plain = words[type(kind)]
    return made if isinstance(options.get("type_expression"), Column) else plain


def sql_type(column: ColumnContract) -> TypeEngine[Any]:
    """The SQLAlchemy type of a column: its enum type, its collation and its serial number included.

    Raises: ConfigError when the type is not one that contracts can declare, or cannot have a collation.
    """
    if column.enum_type is not None:
        kind: TypeEngine[Any] = postgresql.ENUM(
            *column.enum_type.values, name=column.enum_type.name, schema=column.enum_type.schema, create_type=False
        )
        return postgresql.ARRAY(kind) if column.type.rstrip().endswith("[]") else kind
    kind = column_type(column.type)
    if column.identity == "serial":
        return _serial_type(column, kind)
    return _collated(column, kind) if column.collation else kind


def type_name(column: ColumnContract) -> str:
    """The column's type as SQL for casts: what values are turned into, without collation.

    Raises: ConfigError as `sql_type` does.
    """
    kind = sql_type(replace(column, collation=None))
    return str(kind.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=4096)
def column_type(physical_type: str) -> TypeEngine[Any]:
    """The SQLAlchemy type for a contract's `physicalType`, with PostgreSQL's synonyms understood.

    Raises: ConfigError when the type is not one that contracts can declare.

    >>> str(column_type("DECIMAL(14, 4)"))
    'NUMERIC(14, 4)'
    """
    found = parsed_type(physical_type)
    kind = None if found is None or found.schema not in (None, "pg_catalog") else _build(found)
    if kind is None:
        raise ConfigError(
            "this physical type is not known",
            expected=f"a type of PostgreSQL ({_KNOWN}, …), also as an array, or an enum type of the contract",
            found=physical_type,
        )
    return postgresql.ARRAY(kind) if found is not None and found.is_array else kind


@dataclass(frozen=True, kw_only=True)
class ParsedType:
    """A type as the grammar sees it: `name` is the server's own (`int4`), `modifiers` are the numbers after it."""

    schema: str | None
    name: str
    modifiers: tuple[int, ...]
    is_array: bool


@lru_cache(maxsize=4096)
def parsed_type(text: str) -> ParsedType | None:
    """What PostgreSQL's grammar makes of `text`, null when it is anything but one type."""
    from pglast import parse_sql
    from pglast.parser import ParseError

    try:
        (statement,) = parse_sql(f"SELECT CAST(NULL AS {text}\n)")
        select: Any = statement.stmt
        (target,) = select.targetList
        named = target.val.typeName
        names = [part.sval for part in named.names]
        modifiers = tuple(int(modifier.val.ival) for modifier in named.typmods or ())
    except (ParseError, ValueError, AttributeError, TypeError):
        return None
    if _has_more(select, target) or named.setof or named.pct_type or len(names) > 2:  # schema, name
        return None
    schema = names[0] if len(names) > 1 else None
    return ParsedType(schema=schema, name=names[-1], modifiers=modifiers, is_array=bool(named.arrayBounds))


def _has_more(statement: Any, target: Any) -> bool:
    """Whether there is anything around the cast or inside it: a clause, an alias, another expression."""
    clauses = (statement.fromClause, statement.whereClause, statement.sortClause, statement.limitCount, statement.larg)
    is_bare = type(target.val).__name__ == "TypeCast" and type(target.val.arg).__name__ == "A_Const"
    return not is_bare or target.name is not None or any(clause is not None for clause in clauses)


def _build(found: ParsedType) -> TypeEngine[Any] | None:
    name = _SYNONYMS.get(found.name.lower(), found.name)
    name = SERIALS.get(name, name)
    first, second = (*found.modifiers, None, None)[:2]
    kind: TypeEngine[Any] | None = None
    match name:
        case "numeric":
            kind = postgresql.NUMERIC(first, second)
        case "varchar":
            kind = postgresql.VARCHAR(first)
        case "bpchar" if first is not None:
            kind = postgresql.CHAR(first)
        case "timestamp" | "timestamptz":
            kind = postgresql.TIMESTAMP(timezone=name == "timestamptz", precision=first)
        case "time" | "timetz":
            kind = postgresql.TIME(timezone=name == "timetz", precision=first)
        case "bit" | "varbit":
            kind = postgresql.BIT(first, varying=name == "varbit")
        case "interval":
            kind = postgresql.INTERVAL(fields=_FIELDS.get(first or 0), precision=second)
        case _ if name in _TYPES and not found.modifiers:
            kind = _TYPES[name]()
        case _ if name in _PLAIN and not found.modifiers:
            kind = PlainType(name)
    return kind


def _serial_type(column: ColumnContract, kind: TypeEngine[Any]) -> TypeEngine[Any]:
    serials: dict[type[TypeEngine[Any]], type[TypeEngine[Any]]] = {
        postgresql.SMALLINT: _Small,
        postgresql.INTEGER: _Plain,
        postgresql.BIGINT: _Big,
    }
    found = serials.get(type(kind))
    if found is None:
        raise ConfigError(
            "only whole numbers can be serial",
            where=column.name,
            expected="smallint, integer or bigint",
            found=column.type,
            next_step="correct `physicalType`, or remove `identity`",
        )
    return found()


def _collated(column: ColumnContract, kind: TypeEngine[Any]) -> TypeEngine[Any]:
    schema, _, name = str(column.collation).rpartition(".")
    inner = kind.item_type if isinstance(kind, postgresql.ARRAY) else kind
    texts = (postgresql.TEXT, postgresql.VARCHAR, postgresql.CHAR)
    if not isinstance(inner, texts):
        raise ConfigError(
            "only texts have a collation", where=column.name, expected="text, varchar(n) or char(n)", found=column.type
        )
    collated = type(inner)(inner.length, collation=name, collation_schema=schema or None)
    return postgresql.ARRAY(collated) if isinstance(kind, postgresql.ARRAY) else collated
