"""The vectorised half of the check: which rows are plainly good.

For each column one DuckDB predicate over a value's text is true only for values that the column's reader and rules
accept, whatever else they are; and one expression gives such a value's canonical text. A row with any value that is
not plainly good is read by the row-wise rules, which alone decide and explain. So a predicate may say no too often
(that costs time), never yes too often (that would let a bad row pass); a column that has no predicate is always read
row by row. Both are SQLAlchemy constructs, compiled with their literals for DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, literal, literal_column, not_
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

Text_ = ColumnElement[Any]
Rule = Callable[[Text_], ColumnElement[bool]]
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_ZONE = r"(Z|[+-](0[0-9]|1[0-3])(:[0-5][0-9])?)"
_MOST_DIGITS = 38  # of DuckDB's DECIMAL
_DEPTH = 100  # brackets in a JSON document that the row-wise reader certainly reads
_ODD_JSON = r"\\u|[,]\s*[}\]]|[nN][aA][nN]|[iI][nN][fF]|[eE][+-]?[0-9]{3}|[0-9][0-9.]{15,}|/\*|//"


class Kind(StrEnum):
    """What a value is before it is read: a field of text, or one of the kinds that JSON and Parquet tell apart."""

    TEXT = "text"
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    MOMENT = "moment"
    LOCAL_MOMENT = "local_moment"
    DOCUMENT = "document"


@dataclass(frozen=True, kw_only=True)
class Plain:
    """How one column is seen in DuckDB.

    `holds` says of a value's text whether it is plainly good, `text` gives its canonical form, `typed` the value of a
    canonical text for comparisons, of the type `duck_type` (a word of ours for what is kept as text); `kinds` are the
    kinds of value that the column's reader takes as they are.
    """

    kinds: frozenset[Kind]
    holds: Callable[[Text_], ColumnElement[bool]]
    text: Callable[[Text_], Text_]
    typed: Callable[[Text_], Text_]
    duck_type: str


def compiled_sql(statement: Any) -> str:
    """The construct as text for DuckDB, literals included."""
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def cast_text(value: Text_) -> Text_:
    """Any value as text."""
    return cast(value, Text)


def try_cast(value: Text_, word: str) -> Text_:
    """`value` as DuckDB's type `word`, null where that cannot be."""
    return func.try_cast(value.op("AS")(literal_column(word)))


def matches(value: Text_, pattern: str) -> ColumnElement[bool]:
    """Whether the whole text matches."""
    return func.regexp_full_match(value, literal(pattern))


def by_type(kind: TypeEngine[Any]) -> Plain | None:
    """How DuckDB sees values of a type, without any rule; null when only the row-wise reader can read them."""
    for sql_type, build in _BUILDERS:
        if isinstance(kind, sql_type):
            return build(kind)
    return None


def _integer(low: int, high: int) -> Callable[[Any], Plain]:
    def build(_: Any) -> Plain:
        return Plain(
            kinds=frozenset({Kind.TEXT, Kind.NUMBER}),
            holds=lambda value: and_(
                matches(value, "0|-?[1-9][0-9]{0,18}"),
                func.coalesce(try_cast(value, "BIGINT").between(_number(low), _number(high)), no()),
            ),
            text=_same,
            typed=lambda text: try_cast(text, "BIGINT"),
            duck_type="BIGINT",
        )

    return build


def _numeric(kind: Any) -> Plain | None:
    if kind.precision is None:
        digits, places, pattern = _MOST_DIGITS, 18, "-?[0-9]{1,20}([.][0-9]{1,18})?"
    else:
        digits, places = int(kind.precision), int(kind.scale or 0)
        pattern = "-?[0-9]{1,38}([.][0-9]{1,38})?"
    if digits > _MOST_DIGITS or not 0 <= places <= digits:
        return None
    word = f"DECIMAL({digits}, {places})"
    exact = kind.precision is not None

    def text(value: Text_) -> Text_:
        whole = cast_text(try_cast(value, word))
        return whole if exact else func.regexp_replace(whole, literal("[.]?0+$"), literal(""))

    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.NUMBER}),
        holds=lambda value: and_(matches(value, pattern), try_cast(value, word).is_not(None)),
        text=text,
        typed=lambda value: try_cast(value, word),
        duck_type=word,
    )


def _float(_: Any) -> Plain:
    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.NUMBER}),
        holds=lambda value: matches(value, "-?[0-9]{1,9}([.][0-9]{1,6})?"),
        text=_same,
        typed=lambda value: try_cast(value, "DOUBLE"),
        duck_type="DOUBLE",
    )


def _boolean(_: Any) -> Plain:
    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.BOOLEAN}),
        holds=lambda value: func.lower(value).in_(["true", "false", "t", "f"]),
        text=lambda value: case((func.lower(value).in_(["true", "t"]), literal("true")), else_=literal("false")),
        typed=lambda value: try_cast(value, "BOOLEAN"),
        duck_type="BOOLEAN",
    )


def _date(_: Any) -> Plain:
    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.STRING, Kind.DATE}),
        holds=lambda value: and_(matches(value, _DAY), try_cast(value, "DATE").is_not(None)),
        text=_same,
        typed=lambda value: try_cast(value, "DATE"),
        duck_type="DATE",
    )


def _timestamp(kind: Any) -> Plain:
    word, zone, end = ("TIMESTAMPTZ", _ZONE, "Z") if kind.timezone else ("TIMESTAMP", "", "")
    pattern = f"{_DAY}[T ]{_CLOCK}(:[0-5][0-9]([.][0-9]{{1,6}})?)?{zone}"
    moment = Kind.MOMENT if kind.timezone else Kind.LOCAL_MOMENT

    def holds(value: Text_) -> ColumnElement[bool]:
        found = try_cast(value, word)
        low: Text_ = literal_column(f"{word} '1000-01-03 00:00:00'")
        high: Text_ = literal_column(f"{word} '9999-12-29 00:00:00'")
        return and_(matches(value, pattern), func.coalesce(found.between(low, high), no()))

    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.STRING, moment}),
        holds=holds,
        text=lambda value: func.strftime(try_cast(value, word), literal(f"%Y-%m-%dT%H:%M:%S.%f{end}")),
        typed=lambda value: try_cast(value, word),
        duck_type=word,
    )


def _time(kind: Any) -> Plain | None:
    if kind.timezone:
        return None
    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.STRING}),
        holds=lambda value: matches(value, f"{_CLOCK}:[0-5][0-9]"),
        text=_same,
        typed=lambda value: try_cast(value, "TIME"),
        duck_type="TIME",
    )


def _uuid(_: Any) -> Plain:
    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.STRING}),
        holds=lambda value: matches(value, "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
        text=func.lower,
        typed=_same,
        duck_type="UUID",
    )


def _document(_: Any) -> Plain:
    def holds(value: Text_) -> ColumnElement[bool]:
        brackets = func.length(value) - func.length(func.translate(value, literal("[{"), literal("")))
        is_tame = and_(not_(func.regexp_matches(value, literal(_ODD_JSON))), brackets < literal_column(str(_DEPTH)))
        return and_(is_tame, func.json_valid(value))

    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.STRING, Kind.NUMBER, Kind.BOOLEAN, Kind.DOCUMENT}),
        holds=holds,
        text=_same,
        typed=_same,
        duck_type="JSON",
    )


def _string(_: Any) -> Plain:
    return Plain(
        kinds=frozenset({Kind.TEXT, Kind.STRING}),
        holds=lambda value: not_(func.contains(value, func.chr(literal_column("0")))),
        text=_same,
        typed=_same,
        duck_type="VARCHAR",
    )


def _nothing(_: Any) -> None:
    return None


def _same(value: Text_) -> Text_:
    return value


def _number(value: int) -> Text_:
    return literal_column(str(value))


def yes() -> ColumnElement[bool]:
    """True, in SQL."""
    return literal_column("true")


def no() -> ColumnElement[bool]:
    """False, in SQL."""
    return literal_column("false")


_BUILDERS: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Plain | None]], ...] = (
    (postgresql.ARRAY, _nothing),
    (sqltypes.SmallInteger, _integer(-(2**15), 2**15 - 1)),
    (sqltypes.BigInteger, _integer(-(2**63), 2**63 - 1)),
    (sqltypes.Integer, _integer(-(2**31), 2**31 - 1)),
    (sqltypes.Float, _float),
    (sqltypes.Numeric, _numeric),
    (sqltypes.Boolean, _boolean),
    (sqltypes.DateTime, _timestamp),
    (sqltypes.Date, _date),
    (sqltypes.Time, _time),
    (sqltypes.Uuid, _uuid),
    (sqltypes.JSON, _document),
    (postgresql.TSVECTOR, _nothing),
    (sqltypes.CHAR, _nothing),  # trailing spaces do not count in it
    (sqltypes.String, _string),
)


def number_is_tame(line: Text_) -> ColumnElement[bool]:
    """Whether a JSON text has nothing in it that DuckDB's reader takes and ours does not, or rounds."""
    return not_(func.regexp_matches(line, literal(_ODD_JSON)))


def json_pointer(name: str) -> str:
    """The JSON pointer of a key.

    >>> json_pointer("a/b~")
    '/a~1b~0'
    """
    return "/" + name.replace("~", "~0").replace("/", "~1")
