"""One column of a contract → checks: presence, allowed values, ranges, lengths, patterns and formats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation

from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.metadata import quote
from groundwork.contracts.derive.patterns import UntranslatablePatternError, to_postgresql
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind, Dimension

_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_SYMBOLS = {"minimum": "≥", "maximum": "≤", "exclusive_minimum": ">", "exclusive_maximum": "<"}
_TEXT_TYPES = ("text", "varchar", "char", "character", "citext", "string")
# A format that PostgreSQL's type already holds to: format → prefixes of physical types.
_HELD_BY_TYPE = {
    "uuid": ("uuid",),
    "ipv4": ("inet",),
    "ipv6": ("inet",),
    "i8": ("smallint", "int2"),
    "i16": ("smallint", "int2"),
    "i32": ("integer", "int", "int4", "smallint", "int2"),
    "i64": ("bigint", "int8", "integer", "int", "int4", "smallint", "int2"),
    "f32": ("real", "float4"),
    "f64": ("double precision", "float8", "real", "float4"),
}
_FORMAT_PATTERNS = {
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "uuid": r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.\-]*:\S+$",
    "hostname": r"^[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?)*$",
    "ipv4": r"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(?!$)|$)){4}$",
}
_NO_RULE = {"timezone", "defaultTimezone"}  # they describe the type


@dataclass(frozen=True, kw_only=True)
class Untranslated:
    """Something a contract says about data that no check stands for, with the reason."""

    table: str
    what: str
    reason: str


Found = Check | Untranslated


def column_checks(table: TableContract, column: ColumnContract) -> Iterator[Found]:
    """Every check of one column but keys and quality rules."""
    if column.is_required:
        yield _check(table, column, CheckKind.NOT_NULL, Dimension.COMPLETENESS, f"{column.name} is not null")
    if column.allowed_values:
        words = f"{column.name} is one of {', '.join(str(value) for value in column.allowed_values)}"
        yield _check(table, column, CheckKind.IN_SET, Dimension.VALIDITY, words, values=tuple(column.allowed_values))
    yield from _options(table, column)


def _options(table: TableContract, column: ColumnContract) -> Iterator[Found]:
    options = {name: value for name, value in column.options.items() if name not in _NO_RULE}
    bounds = {_BOUNDS[name]: options.pop(name) for name in list(options) if name in _BOUNDS}
    lengths = {name: options.pop(name) for name in ("minLength", "maxLength") if name in options}
    if bounds:
        yield _between(table, column, bounds)
    if lengths:
        yield _length(table, column, lengths)
    for name, value in options.items():
        if name == "pattern":
            yield matches(table, column, str(value))
        elif name == "format":
            yield from _format(table, column, str(value))
        elif name == "multipleOf":
            yield _multiple(table, column, value)
        elif name in ("minItems", "maxItems"):
            yield _items(table, column, name, int(value))
        else:
            yield _untranslated(table, column, name, "there is no check for this option")


def _between(table: TableContract, column: ColumnContract, bounds: dict[str, object]) -> Found:
    try:
        typed = {name: _typed(column, value) for name, value in bounds.items()}
    except (ValueError, InvalidOperation):
        return _untranslated(table, column, ", ".join(bounds), f"not values of a {column.logical_type}: {bounds}")
    words = " and ".join(f"{column.name} {_SYMBOLS[name]} {value}" for name, value in typed.items())
    return _check(table, column, CheckKind.BETWEEN, Dimension.VALIDITY, words, **typed)


def _typed(column: ColumnContract, value: object) -> object:
    match column.logical_type:
        case "date":
            return date.fromisoformat(str(value))
        case "timestamp":
            return datetime.fromisoformat(str(value))
        case "time":
            return time.fromisoformat(str(value))
        case _:
            return value if isinstance(value, int) else Decimal(str(value))


def _length(table: TableContract, column: ColumnContract, lengths: dict[str, object]) -> Found:
    if not column.type.lower().startswith(_TEXT_TYPES):
        return _untranslated(table, column, ", ".join(lengths), f"a value of type {column.type} has no length")
    arguments = {name.removesuffix("Length") + "imum": int(str(value)) for name, value in lengths.items()}
    words = f"{column.name} has {arguments.get('minimum', 0)} to {arguments.get('maximum', '∞')} characters"
    return _check(table, column, CheckKind.LENGTH, Dimension.VALIDITY, words, **arguments)


def matches(table: TableContract, column: ColumnContract, pattern: str) -> Found:
    """The check that a column's values match an ECMA-262 pattern."""
    try:
        translated = to_postgresql(pattern)
    except UntranslatablePatternError as error:
        return _untranslated(table, column, f"pattern {pattern}", str(error))
    arguments = {"pattern": pattern, "postgresql_pattern": translated}
    return _check(table, column, CheckKind.MATCHES, Dimension.VALIDITY, f"{column.name} matches {pattern}", **arguments)


def _format(table: TableContract, column: ColumnContract, name: str) -> Iterator[Found]:
    physical = column.type.lower().partition("(")[0].strip()
    if physical in _HELD_BY_TYPE.get(name, ()) or (name == "email" and "pattern" in column.options):
        return  # PostgreSQL's type, or the contract's own stricter words, already hold values to it
    if name in _FORMAT_PATTERNS:
        yield matches(table, column, _FORMAT_PATTERNS[name])
    else:
        yield _untranslated(table, column, f"format {name}", "this format has no check")


def _multiple(table: TableContract, column: ColumnContract, step: object) -> Found:
    try:
        condition = f"{quote(column.name)} % {Decimal(str(step))} = 0"
    except InvalidOperation:
        return _untranslated(table, column, "multipleOf", f"not a number: {step}")
    words = f"{column.name} is a multiple of {step}"
    return _check(table, column, CheckKind.EXPRESSION, Dimension.VALIDITY, words, sql=condition)


def _items(table: TableContract, column: ColumnContract, option: str, bound: int) -> Found:
    if not column.type.endswith("[]"):
        return _untranslated(table, column, option, f"a value of type {column.type} has no items")
    symbol, words = (">=", "at least") if option == "minItems" else ("<=", "at most")
    condition = f"cardinality({quote(column.name)}) {symbol} {bound}"
    words = f"{column.name} has {words} {bound} items"
    return _check(table, column, CheckKind.EXPRESSION, Dimension.VALIDITY, words, sql=condition)


def _check(
    table: TableContract,
    column: ColumnContract,
    kind: CheckKind,
    dimension: Dimension,
    description: str,
    **arguments: object,
) -> Check:
    return Check(
        id=f"{table.qualified_name}.{column.name}.{kind}",
        schema=table.schema,
        table=table.name,
        columns=(column.name,),
        kind=kind,
        arguments=arguments,
        dimension=dimension,
        description=description,
    )


def _untranslated(table: TableContract, column: ColumnContract, what: str, reason: str) -> Untranslated:
    return Untranslated(table=table.qualified_name, what=f"{column.name}: {what}", reason=reason)
