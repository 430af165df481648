"""Whether every record of a block is surely good, told by its columns at once.

The block is read as values of the columns' types, and each check becomes one question to a whole column: how many
nulls, the smallest and the largest, the longest text. That is about half the work of judging each record, and most
blocks of most files are good. As everywhere in the sieve the answer is one-sided: *no* only means that the records have
to be looked at one by one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from typing import TYPE_CHECKING, Any

from groundwork.flow.loads.block import is_line_by_line, read_values
from groundwork.flow.loads.vector_rules import is_left_to_the_server, is_text, split_type
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind

if TYPE_CHECKING:
    import pyarrow as pa

    Question = Callable[[pa.ChunkedArray], bool]

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_FREE_DECIMALS = 12  # places behind the point that a number without declared ones is read with
_MAX_DIGITS = 38
_REPEATS = 10  # times that a value has to stand in a block on average, so that finding the different ones pays
_FROM_ABOVE = frozenset({"maximum", "exclusive_maximum"})
_EXTREMES = {  # bound → which end of the column must keep it, and how
    "minimum": ("min", operator.ge),
    "maximum": ("max", operator.le),
    "exclusive_minimum": ("min", operator.gt),
    "exclusive_maximum": ("max", operator.lt),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`types` are Arrow's, one per column of the file; `questions` go to the column of that number."""

    types: tuple[pa.DataType, ...]
    questions: tuple[tuple[int, Question], ...]

    @classmethod
    def of(cls, columns: Mapping[str, str], checks: Sequence[Check]) -> Verdict | None:
        """For `columns` (name → PostgreSQL type, in the file's order); null when a type or a check has no question."""
        types: list[pa.DataType] = []
        questions: list[tuple[int, Question]] = []
        for number, (name, type_name) in enumerate(columns.items()):
            found = _of_type(type_name)
            asked = [_of_check(check, type_name) for check in checks if check.columns[0] == name]
            if found is None or None in asked:
                return None
            types.append(found[0])
            questions += [(number, question) for question in _merged([*found[1], *filter(None, asked)])]
        return cls(types=tuple(types), questions=tuple(questions))

    def count_if_good(self, block: bytes) -> int | None:
        """The number of the block's records when all of them are good and on lines of their own; null otherwise."""
        table = read_values(block, self.types)
        if table is None or not is_line_by_line(block, table.num_rows):
            return None
        columns = table.columns
        return table.num_rows if all(question(columns[number]) for number, question in self.questions) else None


def _merged(questions: Sequence[Question]) -> list[Question]:
    """The same questions, with one look at the extremes of a column for all bounds."""
    within = [each for each in questions if isinstance(each, _Within)]
    others = [each for each in questions if not isinstance(each, _Within)]
    return [*others, _Within(tuple(bound for each in within for bound in each.bounds))] if within else others


def _of_type(type_name: str) -> tuple[pa.DataType, list[Question]] | None:
    import pyarrow as pa

    found = split_type(type_name)
    plain: tuple[pa.DataType, list[Question]] = (pa.string(), [])
    if found is None:
        return plain if is_left_to_the_server(type_name) else None
    name, numbers = found
    if name == "numeric":
        digits, places = numbers if len(numbers) == 2 else (_MAX_DIGITS, _FREE_DECIMALS)
        if len(numbers) == 1 or not places <= digits <= _MAX_DIGITS:
            return None
        limit = 10 ** (digits - places)  # Arrow lets a number in that has too many digits before the point
        return pa.decimal128(digits, places), [_Within((("exclusive_minimum", -limit), ("exclusive_maximum", limit)))]
    simple: dict[str, tuple[pa.DataType, list[Question]]] = {
        "smallint": (pa.int16(), []),
        "integer": (pa.int32(), []),
        "bigint": (pa.int64(), []),
        "double precision": (pa.float64(), [_is_finite]),
        "boolean": (pa.bool_(), []),
        "date": (pa.date32(), []),
        "timestamp": (pa.timestamp("us"), []),
        "timestamp with time zone": (pa.timestamp("us", "UTC"), []),
        "time": (pa.time64("us"), []),
        "uuid": (pa.string(), [_Matching(_UUID)]),
    }
    if name in simple:
        return simple[name]
    if is_text(name):
        return pa.string(), [partial(_has_length, {"maximum": numbers[0]})] if numbers else []
    return plain if is_left_to_the_server(type_name) else None


def _of_check(check: Check, type_name: str) -> Question | None:
    given: Mapping[str, Any] = check.arguments
    bounds = {name: given[name] for name in _EXTREMES if name in given}
    makers: dict[CheckKind, Callable[[], Question]] = {
        CheckKind.NOT_NULL: lambda: _has_no_null,
        CheckKind.BETWEEN: lambda: _Within(tuple(bounds.items())),
    }
    if is_text(type_name):
        makers |= {
            CheckKind.LENGTH: lambda: partial(_has_length, bounds),
            CheckKind.MATCHES: lambda: _Matching(str(given["postgresql_pattern"])),
            CheckKind.IN_SET: lambda: partial(_are_among, frozenset(given["values"])),
        }
    return makers[check.kind]() if check.kind in makers else None


def _has_no_null(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count == 0)


def _is_finite(column: pa.ChunkedArray) -> bool:
    from pyarrow import compute

    return compute.all(compute.is_finite(column)).as_py() is not False


@dataclass(frozen=True)
class _Within:
    """Whether all values keep within bounds, which are told by name and value."""

    bounds: tuple[tuple[str, Any], ...]

    def __call__(self, column: pa.ChunkedArray) -> bool:
        from pyarrow import compute

        found = compute.min_max(column).as_py()
        if found["min"] is None:
            return True
        found = {end: _comparable(value) for end, value in found.items()}
        return all(_EXTREMES[name][1](found[_EXTREMES[name][0]], _comparable(bound)) for name, bound in self.bounds)


def _comparable(value: Any) -> Any:
    """A day as its first moment, so that days and moments can be compared."""
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    return datetime.combine(value, time.min) if is_day else value


def _has_length(bounds: Mapping[str, int], column: pa.ChunkedArray) -> bool:
    from pyarrow import compute

    within = _Within(tuple(bounds.items()))
    if bounds.keys() <= _FROM_ABOVE and within(compute.binary_length(column)):
        return True  # no text has more characters than bytes, and bytes need no counting
    return within(compute.utf8_length(column))


@dataclass
class _Matching:
    """Whether all values match a pattern; of a column with few different values only those are looked at."""

    pattern: str
    is_varied: bool = False

    def __call__(self, column: pa.ChunkedArray) -> bool:
        from pyarrow import compute

        if not self.is_varied:
            different = compute.unique(column)
            self.is_varied = len(different) * _REPEATS > len(column)
            column = different
        return compute.all(compute.match_substring_regex(column, f"(?s){self.pattern}")).as_py() is not False


def _are_among(values: frozenset[str], column: pa.ChunkedArray) -> bool:
    from pyarrow import compute

    return {value for value in compute.unique(column).to_pylist() if value is not None} <= values
