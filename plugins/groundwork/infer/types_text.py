"""Decides what the texts of a column are: the one reading that every value has, or text with the reason why.

Some values rule most readings out; the others are tested on every value, so that a type holds all of the data and not
a sample. A reading that misses a few values is told in a note, never taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from groundwork.governance.classification.names import is_version
from groundwork.infer import types_reading as read
from groundwork.infer.files_source import fetch, one_row, sql
from groundwork.infer.quality_words import says_clock, says_code, says_money, says_truth
from groundwork.infer.types_numbers import exponent_type, number_type, whole_type
from groundwork.infer.types_reading import Reading

NULL_WORDS = ("", "na", "n/a", "#n/a", "null", "(null)", "<null>", "none", "nil", "nan", "-", "--", "\\n", ".")
_SAMPLE = 2_000  # distinct values that rule readings out
_NEARLY = 0.8  # share of values from which a reading that misses some is worth a note
_TYPE_OF = {"boolean": "boolean", "bit": "boolean", "uuid": "uuid", "timestamptz": "timestamptz", "time": "time",
            "inet": "inet", "json": "jsonb"}  # fmt: skip
_SAMPLED = """
    SELECT DISTINCT v FROM (SELECT {value} AS v FROM {table} WHERE rowid % {step} = 0) WHERE v IS NOT NULL
    ORDER BY hash(v), v LIMIT {most}
"""
_COUNTED = """
    SELECT count(v), count_if(v IS NOT NULL AND length(raw) > length(v)), count_if(regexp_full_match(v, '0[0-9]+'))
           {tests}
    FROM (SELECT {value} AS v, {raw} AS raw FROM {table})
"""
_WORDS = """
    SELECT lower(trim({column})) AS word, count(*) FROM {table}
    WHERE length({column}) <= {longest} AND list_contains(?, lower(trim({column}))) GROUP BY word ORDER BY word
"""
_SPELLED = """
    SELECT DISTINCT {column} FROM {table}
    WHERE length({column}) <= {longest} AND list_contains(?, lower(trim({column}))) ORDER BY ALL
"""
_LONGEST_WORD = max(map(len, NULL_WORDS)) + 4
_LETTER_TRUTH = frozenset({"t", "f", "y", "n", "on", "off"})


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The type of a column and its values as a DuckDB expression over the raw column.

    `obstacles` say why a load could not take the texts as they stand; `null_obstacle` is the one of them that the words
    for null are, `nulls` these words as they are written, and `kept_words` those that stay texts. `nested` is what JSON
    values are made of, as DuckDB tells it (`{"a": "BIGINT", "b": ["VARCHAR"]}`), null for other types.
    """

    type: str
    value: str
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    null_obstacle: str | None = None
    nulls: tuple[str, ...] = ()
    kept_words: tuple[str, ...] = ()
    nested: Any = None


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """What was counted of a column: values without null words, and how many of them each reading has."""

    total: int
    spaced: int
    zeros: int
    of: dict[str, int]

    def has_all(self, reading: Reading) -> bool:
        return self.total > 0 and self.of.get(reading.label, 0) == self.total


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """A raw column of texts; `words` are the words for null that occur in it, with their counts."""

    connection: duckdb.DuckDBPyConnection
    table: str
    column: str
    words: Mapping[str, int]

    @property
    def value(self) -> str:
        """The text without spaces around it, null where it is a word for nothing."""
        if not self.words:
            return f"trim({self.column})"
        listed = ", ".join(f"'{word}'" for word in self.words)  # of NULL_WORDS, which have no quotes
        return f"CASE WHEN lower(trim({self.column})) IN ({listed}) THEN NULL ELSE trim({self.column}) END"

    def sample(self) -> list[str]:
        """Some distinct values, from all over the table and always the same ones."""
        rows = one_row(
            self.connection, sql("SELECT count({column}) FROM {table}", column=self.column, table=self.table)
        )
        step = max(1, rows[0] // (2 * _SAMPLE))
        statement = sql(_SAMPLED, value=self.value, table=self.table, step=step, most=_SAMPLE)
        return [str(row[0]) for row in fetch(self.connection, statement)]

    def count(self, readings: Sequence[Reading]) -> _Counted:
        """How many values there are, and how many each reading has."""
        tests = "".join(f", count_if({reading.holds('v')})" for reading in readings)
        statement = sql(_COUNTED, tests=tests, value=self.value, raw=self.column, table=self.table)
        total, spaced, zeros, *counts = one_row(self.connection, statement)
        of = {reading.label: int(count or 0) for reading, count in zip(readings, counts, strict=True)}
        return _Counted(total=total, spaced=spaced or 0, zeros=zeros or 0, of=of)


def decide_text(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, name: str, readings: Sequence[Reading]
) -> Decision:
    """What the texts of `table.column`, a field called `name`, are."""
    words = _null_words(connection, table, column)
    texts = _Texts(connection=connection, table=table, column=column, words=words)
    sample = texts.sample()
    possible = [reading for reading in readings if _is_possible(reading, sample, name)]
    counted = texts.count(possible)
    written = tuple(_written(connection, table, column)) if words else ()
    if not counted.total:
        unknown = ("no value in any row; text until there is one",)
        return Decision(type="text", value=column, notes=unknown, kept_words=written)
    full = [reading for reading in possible if counted.has_all(reading)]
    chosen = _chosen(full, sample, name)
    if chosen is None:
        text_notes = tuple(_text_notes(counted, possible, full, words, name))
        return Decision(type="text", value=column, notes=text_notes, kept_words=written)
    decided = _typed(texts, chosen, name)
    notes = [*_reading_notes(chosen, full), *decided.notes, *_null_notes(words, counted)]
    told = ", ".join(word or "as an empty text" for word in words)
    null_obstacle = f"`{name}`: null is written {told}" if words else None
    return Decision(
        type=decided.type,
        value=decided.value,
        notes=tuple(notes),
        obstacles=(*_obstacles(chosen, full, counted, name), *([null_obstacle] if null_obstacle else [])),
        null_obstacle=null_obstacle,
        nulls=written,
    )


def _null_words(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> dict[str, int]:
    statement = sql(_WORDS, column=column, table=table, longest=_LONGEST_WORD)
    found = fetch(connection, statement, [list(NULL_WORDS)])
    return {str(word): int(count) for word, count in found}


def _written(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> list[str]:
    """The words for null as they are written, with their spaces and capitals."""
    statement = sql(_SPELLED, column=column, table=table, longest=_LONGEST_WORD)
    return [str(row[0]) for row in fetch(connection, statement, [list(NULL_WORDS)])]


def _is_possible(reading: Reading, sample: Sequence[str], name: str) -> bool:
    if reading is read.BIT and not says_truth(name):
        return False
    if reading is read.COMPACT_DATE and not says_clock(name):
        return False
    if reading is read.INET and is_version(name):
        return False
    return sum(map(reading.admits, sample)) >= _NEARLY * len(sample)


def _chosen(full: Sequence[Reading], sample: Sequence[str], name: str) -> Reading | None:
    """The first reading that may be taken; none where digits are a code or a meaning is not certain."""
    for reading in full:
        if reading is read.BOOLEAN and not _is_truth(sample, name):
            continue
        if reading in (read.BIT, read.COMPACT_DATE):
            return reading
        if reading.name in ("integer", "decimal") and says_code(name):
            return None
        if reading in (read.THOUSANDS, read.COMMA) and read.THOUSANDS in full and read.COMMA in full:
            return None  # 1,234 may be a thousand or a little more than one
        return reading
    return None


def _is_truth(sample: Sequence[str], name: str) -> bool:
    """Whether words mean yes and no: whole words do, letters only where both come or the name says so."""
    found = {value.lower() for value in sample}
    return not found <= _LETTER_TRUTH or len(found) > 1 or says_truth(name)


def _typed(texts: _Texts, reading: Reading, name: str) -> Decision:
    value = reading.value.format(v=texts.value)
    if reading.name in ("integer", "decimal", "float", "comma", "thousands"):
        if reading is read.FLOAT:
            found = exponent_type(value, is_money=says_money(name))
        elif reading is read.INTEGER:
            found = whole_type(texts.connection, texts.table, value)
        else:
            found = number_type(texts.connection, texts.table, value, is_money=says_money(name))
        return Decision(type=found.type, value=found.value, notes=found.notes)
    family = reading.name.partition(" ")[0]
    notes = _fraction_notes(texts) if reading in (read.TIMESTAMP, read.TIMESTAMPTZ) else ()
    return Decision(type=_TYPE_OF.get(reading.name, family), value=value, notes=notes)


def _fraction_notes(texts: _Texts) -> tuple[str, ...]:
    statement = sql(
        "SELECT count_if(regexp_matches({column}, '[.][0-9]{{7}}')) FROM {table}",
        column=texts.column,
        table=texts.table,
    )
    count = one_row(texts.connection, statement)[0]
    return (f"{count:,} values have fractions beyond microseconds, which are rounded",) if count else ()


def _reading_notes(chosen: Reading, full: Sequence[Reading]) -> Iterator[str]:
    for day, month in read.AMBIGUOUS:
        if chosen is day and month in full:
            yield "ambiguous: every value can be read day first and month first, so no value is certain"
            return
    if chosen.note:
        yield chosen.note


def _null_notes(words: Mapping[str, int], counted: _Counted) -> Iterator[str]:
    if words:
        listed = ", ".join(f"{word or 'an empty text'} ({count:,} times)" for word, count in words.items())
        yield f"taken for null: {listed}"
    if counted.spaced:
        yield f"{counted.spaced:,} values have spaces around them"


def _obstacles(chosen: Reading, full: Sequence[Reading], counted: _Counted, name: str) -> Iterator[str]:
    is_ambiguous = any(chosen is day and month in full for day, month in read.AMBIGUOUS)
    if is_ambiguous:
        yield f"`{name}`: nobody can tell days from months in its dates"
    elif not chosen.is_plain:
        yield f"`{name}`: {chosen.note}"
    if counted.spaced and chosen in (read.UUID, read.INET):
        yield f"`{name}`: there are spaces around values"


def _text_notes(
    counted: _Counted, possible: Sequence[Reading], full: Sequence[Reading], words: Mapping[str, int], name: str
) -> Iterator[str]:
    if words.keys() - {""}:
        listed = ", ".join(f"{word} ({count:,} times)" for word, count in words.items() if word)
        yield f"kept as text although they may mean no value: {listed}"
    if full and says_code(name):
        yield f"values are {full[0].label}, and the name says a code: text keeps leading zeros"
    elif read.THOUSANDS in full and read.COMMA in full:
        yield "ambiguous: the commas may stand between thousands or before decimals; kept as text"
    elif counted.zeros:
        yield f"{counted.zeros:,} values are digits with leading zeros, which only text keeps"
    nearly = [reading for reading in possible if _NEARLY * counted.total <= counted.of[reading.label] < counted.total]
    if nearly and not full and not counted.zeros:
        best = max(nearly, key=lambda reading: counted.of[reading.label])
        odd = counted.total - counted.of[best.label]
        yield f"mixed: {counted.of[best.label]:,} of {counted.total:,} values are {best.label}, {odd:,} are not"
