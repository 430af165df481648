"""Rows against their contract before they are written: every field, all errors at once.

What needs the database (uniqueness, references, CHECK constraints over several columns) is the database's to refuse;
`groundwork.access.errors` turns its refusal into the same words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from groundwork.access.errors import FieldError, InvalidRowsError
from groundwork.access.relation import Relation
from groundwork.access.values import Reader, Refused, json_value, reader_for, shown
from groundwork.contracts.contract import ColumnContract

_SHOWN = 100  # letters of a refused value that an error repeats
Rule = tuple[Callable[[Any], bool], str]
_CONTAINERS = {"object": (dict, "a JSON object"), "array": (list, "a JSON list")}


@dataclass(frozen=True, kw_only=True)
class _Field:
    column: ColumnContract
    read: Reader
    rules: tuple[Rule, ...]

    @property
    def is_server_made(self) -> bool:
        return self.column.generated is not None or (self.column.identity or "").lower() == "always"

    @property
    def must_be_given(self) -> bool:
        filled = self.column.default is not None or self.column.identity is not None
        return self.column.is_required and not filled and not self.is_server_made


class RowRules:
    """What the contract asks of one table's rows, ready to apply."""

    def __init__(self, relation: Relation) -> None:
        self._relation = relation
        self._table = relation.contract.qualified_name
        self._fields = {
            column.name: _field(column, reader_for(relation.types[column.name])) for column in relation.contract.columns
        }

    def for_insert(self, rows: Iterable[Mapping[str, object]], *, first: int = 0) -> list[dict[str, object]]:
        """The rows with values as the database takes them; absent columns stay absent and get their default.

        `first` is the number of the first row in errors. Raises: InvalidRowsError with every error of every row.
        """
        errors: list[FieldError] = []
        read = [self._row(number, row, errors) for number, row in enumerate(rows, first)]
        if errors:
            raise InvalidRowsError(self._table, errors)
        return read

    def for_update(self, changes: Mapping[str, object]) -> dict[str, object]:
        """The changes with values as the database takes them.

        Raises: InvalidRowsError when a value breaks its rule, there is no change, or a fixed column is named.
        """
        errors: list[FieldError] = []
        fixed = {*self._relation.key, self._relation.version_column}
        for name in changes:
            if name in fixed:
                what = "a column other than the key and the version"
                errors.append(_error(0, name, what, "a change of it", f"leave {name} out"))
        if not changes:
            errors.append(_error(0, None, "at least one column to change", "none", "name a column and its new value"))
        read = self._values(0, {name: value for name, value in changes.items() if name not in fixed}, errors)
        if errors:
            raise InvalidRowsError(self._table, errors)
        return read

    def accepts(self, column: str, value: object) -> bool:
        """Whether `value`, which is not null, meets what the contract asks of the column by itself."""
        errors: list[FieldError] = []
        self._value(0, self._fields[column], value, errors)
        return not errors

    def _row(self, number: int, row: Mapping[str, object], errors: list[FieldError]) -> dict[str, object]:
        for name, field in self._fields.items():
            if name not in row and field.must_be_given:
                errors.append(_error(number, name, "a value", "nothing", f"give {name} a value: {_wanted(field)}"))
        return self._values(number, row, errors)

    def _values(self, number: int, row: Mapping[str, object], errors: list[FieldError]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in row.items():
            field = self._fields.get(name)
            if field is None:
                errors.append(self._unknown(number, name))
            elif field.is_server_made:
                errors.append(_error(number, name, "no value: the server makes it", value, f"leave {name} out"))
            elif value is None:
                found[name] = None
                if field.column.is_required:
                    errors.append(_error(number, name, "a value", None, f"give {name} a value: {_wanted(field)}"))
            else:
                found[name] = self._value(number, field, value, errors)
        return found

    def _value(self, number: int, field: _Field, value: object, errors: list[FieldError]) -> object:
        name = field.column.name
        try:
            read = field.read(value)
        except Refused as refused:
            errors.append(_error(number, name, str(refused), value, f"write {name} as {refused}"))
            return None
        broken = [expected for holds, expected in field.rules if not holds(read)]
        for expected in broken:
            errors.append(_error(number, name, expected, value, _suggestion(field, value, expected)))
        return read

    def _unknown(self, number: int, name: str) -> FieldError:
        close = difflib.get_close_matches(str(name)[:_SHOWN], self._fields, n=1)
        advice = f"did you mean `{close[0]}`?" if close else "leave it out"
        return FieldError(
            row=number,
            column=str(name)[:_SHOWN],
            expected=f"one of {', '.join(self._fields)}",
            found="a column that the contract does not declare",
            suggestion=advice,
        )


def _field(column: ColumnContract, read: Reader) -> _Field:
    return _Field(column=column, read=read, rules=tuple(_rules(column, read)))


def _rules(column: ColumnContract, read: Reader) -> Iterable[Rule]:
    options = column.options
    if read is json_value and column.logical_type in _CONTAINERS:
        container, words = _CONTAINERS[column.logical_type]
        yield (lambda value: isinstance(value, container)), words
    if column.allowed_values:
        allowed = set(column.allowed_values)
        yield (lambda value: value in allowed), f"one of {', '.join(map(str, column.allowed_values))}"
    length = _declared_length(column)
    longest = min((limit for limit in (options.get("maxLength"), length) if limit is not None), default=None)
    if options.get("minLength") is not None:
        shortest = options["minLength"]
        yield (lambda value: len(value) >= shortest), f"at least {shortest} letter(s)"
    if longest is not None:
        yield (lambda value: len(value) <= longest), f"at most {longest} letter(s)"
    if options.get("pattern"):
        pattern = compiled(options["pattern"])
        yield (lambda value: pattern.search(value) is not None), f"text that matches {options['pattern']}"
    for name, holds, words in _BOUNDS:
        if options.get(name) is not None:
            limit = read(options[name])
            yield _bound(holds, limit), f"{words} {limit}"


def _bound(holds: Callable[[Any, Any], bool], limit: object) -> Callable[[Any], bool]:
    return lambda value: holds(value, limit)


_BOUNDS: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
    ("minimum", lambda value, limit: value >= limit, "at least"),
    ("exclusiveMinimum", lambda value, limit: value > limit, "more than"),
    ("maximum", lambda value, limit: value <= limit, "at most"),
    ("exclusiveMaximum", lambda value, limit: value < limit, "less than"),
)


def compiled(pattern: str) -> re.Pattern[str]:
    r"""The contract's pattern; `$` at its end means the end of the text, as in PostgreSQL and JSON Schema.

    >>> bool(compiled("^a$").search("a\n"))
    False
    """
    ends_at_end = pattern.endswith("$") and not pattern.endswith("\\$")
    return re.compile(pattern[:-1] + r"\Z" if ends_at_end else pattern)


def _declared_length(column: ColumnContract) -> int | None:
    match = re.fullmatch(r"\s*(?:varchar|character varying|char|character)\s*\(\s*(\d+)\s*\)\s*", column.type.lower())
    return int(match[1]) if match else None


def _wanted(field: _Field) -> str:
    return ", ".join(words for _, words in field.rules) or field.column.description or field.column.type


def _suggestion(field: _Field, value: object, expected: str) -> str:
    if field.column.allowed_values and expected.startswith("one of"):
        close = difflib.get_close_matches(str(value)[:_SHOWN], map(str, field.column.allowed_values), n=1, cutoff=0.5)
        if close:
            return f"did you mean `{close[0]}`?"
    return f"change {field.column.name} to {expected}"


def _error(row: int, column: str | None, expected: str, found: object, suggestion: str) -> FieldError:
    told = found if isinstance(found, str) and found in _WORDS else shown(found)
    return FieldError(row=row, column=column, expected=expected, found=told, suggestion=suggestion)


_WORDS = {"nothing", "none", "a change of it"}
