"""Rows against their contract before they are written: every field, all errors at once.

What needs the database (uniqueness, references, CHECK constraints over several columns) is the database's to refuse;
`groundwork.access.errors` turns its refusal into the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.types import TypeEngine

from groundwork.access.errors import FieldError, InvalidRowsError
from groundwork.access.field_rules import FieldRule, RuleKind, compiled, field_rules, rules_of_checks
from groundwork.access.relation import Relation
from groundwork.access.suggestion import Correction, correction, means_no_value, near, range_hint, readable
from groundwork.access.values import Reader, Refused, reader_for, shown
from groundwork.contracts.contract import ColumnContract
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind

__all__ = ["Field", "RowRules", "compiled"]
_SHOWN = 100  # letters of a refused value that an error repeats
_WORDS = {"nothing", "none", "a change of it"}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column with its type, its reader and its rules; `is_required` is false for what the server fills in."""

    column: ColumnContract
    kind: TypeEngine[Any]
    read: Reader
    read_json: Reader
    rules: tuple[FieldRule, ...]
    is_required: bool

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    @property
    def is_server_made(self) -> bool:
        """Whether only the server gives it a value."""
        return self.column.generated is not None or (self.column.identity or "").lower() == "always"

    @property
    def has_default(self) -> bool:
        """Whether the server gives it a value when a row has none."""
        return self.column.default is not None or self.column.identity is not None

    @property
    def must_be_given(self) -> bool:
        """Whether a row without it is refused."""
        return self.is_required and not self.has_default and not self.is_server_made

    def accepts(self, value: object) -> bool:
        """Whether `value` in its JSON form, which is not null, meets type and rules."""
        try:
            read = self.read_json(value)
        except Refused:
            return False
        return all(rule.holds(read) for rule in self.rules)


class RowRules:
    """What the contract asks of one table's rows, ready to apply.

    `reader` makes the reader of a type: of Python and JSON values by default, of text for files of text. `extra` are
    checks on single columns beyond the column's own declaration, such as quality rules. With `suggests` false errors
    come without corrections, which cost more than finding them.
    """

    def __init__(
        self,
        relation: Relation,
        *,
        reader: Callable[[TypeEngine[Any]], Reader] = reader_for,
        extra: Iterable[Check] = (),
    ) -> None:
        self._relation = relation
        self._table = relation.contract.qualified_name
        self.suggests = True
        checks = list(extra)
        self.fields: Mapping[str, Field] = {
            column.name: _field(
                relation, column, reader, [check for check in checks if check.columns == (column.name,)]
            )
            for column in relation.contract.columns
        }

    def for_insert(self, rows: Iterable[Mapping[str, object]], *, first: int = 0) -> list[dict[str, object]]:
        """The rows with values as the database takes them; absent columns stay absent and get their default.

        `first` is the number of the first row in errors. Raises: InvalidRowsError with every error of every row.
        """
        errors: list[FieldError] = []
        read = [self.read_row(number, row, errors) for number, row in enumerate(rows, first)]
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
        return self.fields[column].accepts(value)

    def read_row(self, number: int, row: Mapping[str, object], errors: list[FieldError]) -> dict[str, object]:
        """The row with values as the database takes them; everything wrong with it is added to `errors`.

        A value that is refused is null in what comes back, an unknown column is absent.
        """
        for name, field in self.fields.items():
            if name not in row and field.must_be_given:
                errors.append(_error(number, name, "a value", "nothing", f"give {name} a value: {_wanted(field)}"))
        return self._values(number, row, errors)

    def unknown(self, number: int, name: str) -> FieldError:
        """The error of a column that the contract does not declare."""
        close = near(str(name)[:_SHOWN], self.fields)
        return FieldError(
            row=number,
            column=str(name)[:_SHOWN],
            expected=f"one of {', '.join(self.fields)}",
            found="a column that the contract does not declare",
            suggestion=f"did you mean `{close}`?" if close else "leave it out",
        )

    def _values(self, number: int, row: Mapping[str, object], errors: list[FieldError]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in row.items():
            field = self.fields.get(name)
            if field is None:
                errors.append(self.unknown(number, name))
            elif field.is_server_made:
                errors.append(_error(number, name, "no value: the server makes it", value, f"leave {name} out"))
            elif value is None:
                found[name] = None
                if field.is_required:
                    errors.append(_error(number, name, "a value", None, f"give {name} a value: {_wanted(field)}"))
            else:
                found[name] = self._value(number, field, value, errors)
        return found

    def _value(self, number: int, field: Field, value: object, errors: list[FieldError]) -> object:
        try:
            read = field.read(value)
        except Refused as refused:
            errors.append(self._broken(number, field, value, None, str(refused)))
            return None
        broken = [rule.expected for rule in field.rules if not rule.holds(read)]
        errors.extend(self._broken(number, field, value, read, expected) for expected in broken)
        return None if broken else read

    def _broken(self, number: int, field: Field, value: object, read: object, expected: str) -> FieldError:
        if not self.suggests:
            return FieldError(row=number, column=field.name, expected=expected, found=shown(value), suggestion="")
        found = correction(field.kind, field.rules, value, field.accepts)
        return FieldError(
            row=number,
            column=field.name,
            expected=expected,
            found=shown(value),
            suggestion=_suggestion(field, value, read, expected, found),
            corrected=found[0].value if found and found[0].is_sure else None,
        )


def _field(
    relation: Relation, column: ColumnContract, reader: Callable[[TypeEngine[Any]], Reader], extra: list[Check]
) -> Field:
    kind = relation.types[column.name]
    read_json = reader_for(kind)
    rules = [*field_rules(relation.contract, column, read_json), *rules_of_checks(extra, read_json)]
    return Field(
        column=column,
        kind=kind,
        read=reader(kind),
        read_json=read_json,
        rules=tuple({rule.expected: rule for rule in rules}.values()),
        is_required=column.is_required or any(check.kind is CheckKind.NOT_NULL for check in extra),
    )


def _wanted(field: Field) -> str:
    return ", ".join(rule.expected for rule in field.rules) or field.column.description or field.column.type


def _suggestion(field: Field, value: object, read: object, expected: str, found: tuple[Correction, ...]) -> str:
    hint = _hint(field, value, read)
    if found and found[0].is_sure:
        advice = f"write {_written(found[0].value)}"
    elif found:
        offered = " or ".join(_written(each.value) for each in found)
        advice = f"did you mean {offered}?" + (f" ({hint})" if hint and read is not None else "")
    elif hint:
        advice = hint
    elif means_no_value(value) and not field.is_required:
        advice = "leave the field empty" if isinstance(value, str) and value else "give no value"
    elif read is None and not any(rule.kind is RuleKind.ONE_OF for rule in field.rules):
        advice = f"write {field.name} as {expected}"
    else:
        advice = f"change {field.name} to {expected}"
    return advice


def _hint(field: Field, value: object, read: object) -> str | None:
    """How the value lies outside its range, also when it only seems to be of the type."""
    if read is not None:
        return range_hint(field.rules, read)
    meant = readable(field.kind, field.rules, value, field.read_json)
    found = range_hint(field.rules, meant) if meant is not None else None
    return f"it reads as {meant}, and {found}" if found else None


def _written(value: object) -> str:
    return f"`{value if isinstance(value, str) else _json(value)}`"


def _json(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return shown(value) if isinstance(value, dict | list) else str(value)


def _error(row: int, column: str | None, expected: str, found: object, suggestion: str) -> FieldError:
    told = found if isinstance(found, str) and found in _WORDS else shown(found)
    return FieldError(row=row, column=column, expected=expected, found=told, suggestion=suggestion)
