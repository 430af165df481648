"""A block is taken whole exactly when every record of it is surely good; else the records are looked at one by one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from groundwork.contracts.derive.checks import derive_checks
from groundwork.flow.loads.row_checks import finite
from groundwork.flow.loads.vector import Sieve
from groundwork.flow.record import Record
from tests.flow.sources.reading import column, declared

COLUMNS = [
    column("item_id", "bigint", key=1),
    column("small", "smallint", logicalTypeOptions={"minimum": -5, "maximum": 500}),
    column("price", "numeric(6,2)", logicalTypeOptions={"exclusiveMinimum": 0}),
    column("free", "numeric", logicalTypeOptions={"exclusiveMaximum": 1}),
    column("ratio", "double precision"),
    column("day", "date", logicalTypeOptions={"minimum": "2000-01-01"}),
    column("moment", "timestamp", logicalTypeOptions={"maximum": "2030-01-01T00:00:00"}),
    column("zoned", "timestamptz"),
    column("hour", "time"),
    column("flag", "boolean"),
    column("code", "varchar(4)", logicalTypeOptions={"pattern": "^[A-Z]{2}[0-9]*$"}),
    column("words", "text", logicalTypeOptions={"maxLength": 12}),
    column("id", "uuid"),
    column("notes", "jsonb"),
]
GOOD = [
    "1,2,3.50,0.25,1e3,2020-02-29,2020-01-01 10:00:00.5,2020-01-01T10:00:00Z,10:00:00,true,AB1,words,"
    '6b2f1c2e-3c1d-4a55-9f7c-0a5d2c6a9b11,"{""a"": 1}"',
    "2,,,,,,,,,,,,,",
    '3,500,9999.99,-7,-0.5,2000-01-01,2030-01-01 00:00:00,2020-01-01 10:00:00+02:00,23:59:59.999999,0,ZZ,"a, b",,[]',
]


@dataclass(frozen=True)
class Block:
    """A block as a CSV file hands it over."""

    block: bytes
    header: tuple[str, ...] = tuple(each["name"] for each in COLUMNS)
    mark: None = None

    def records(self, first_position: int) -> Iterator[Record]:
        """Not needed: what the sieve cannot take apart is no case here."""
        raise NotImplementedError


def sieve() -> Sieve:
    """For all columns, in the order of the table."""
    with TemporaryDirectory() as folder:
        domain = declared(Path(folder), COLUMNS, {"kind": "file", "path": "items.csv", "format": "csv"})
    contract = domain.tables[0]
    names = tuple(each.name for each in contract.columns)
    checks = [check for check in derive_checks(domain).checks if len(check.columns) == 1 and check.kind != "unique"]
    return Sieve(contract=contract, columns=names, fields=names, checks=checks)


def block(*lines: str) -> Block:
    return Block("".join(f"{line}\n" for line in lines).encode())


def test_a_good_block_goes_on_as_it_is_without_a_look_at_its_records() -> None:
    good = sieve()
    sifted = good.sift(block(*GOOD), 1, with_positions=True)
    assert sifted is not None
    assert (sifted.count, sifted.clean, sifted.doubtful) == (3, block(*GOOD).block, ())
    assert good._session is None
    assert finite("ratio") in good.proven


@pytest.mark.parametrize(
    "line",
    [
        ",1,,,,,,,,,,,,",  # no key
        "9,501,,,,,,,,,,,,",
        "9,-6,,,,,,,,,,,,",
        "9,40000,,,,,,,,,,,,",
        "9,1.5,,,,,,,,,,,,",
        "9,,0,,,,,,,,,,,",
        "9,,10000,,,,,,,,,,,",
        "9,,NaN,,,,,,,,,,,",
        "9,,,1,,,,,,,,,,",
        "9,,,,inf,,,,,,,,,",
        "9,,,,,1999-12-31,,,,,,,,",
        "9,,,,,2020-02-30,,,,,,,,",
        "9,,,,,today,,,,,,,,",
        "9,,,,,,2030-01-01 00:00:01,,,,,,,",
        "9,,,,,,,now,,,,,,",
        "9,,,,,,,,25:00:00,,,,,",
        "9,,,,,,,,,perhaps,,,,",
        "9,,,,,,,,,,AB123,,,",
        "9,,,,,,,,,,ab,,,",
        "9,,,,,,,,,,,more than twelve,,",
        "9,,,,,,,,,,,,6b2f1c2e,",
    ],
)
def test_one_bad_record_is_found_among_good_ones(line: str) -> None:
    sifted = sieve().sift(block(*GOOD, line), 1, with_positions=False)
    assert sifted is not None
    assert sifted.clean_count < 4
    assert 4 in {record.position for record in sifted.doubtful}


def test_length_is_counted_in_characters() -> None:
    long, too_long = ("9,,,,,,,,,,," + "ä" * count + ",," for count in (12, 13))
    assert _doubtful(long) == []
    assert _doubtful(too_long) == [1]


def test_a_pattern_is_asked_of_every_value_however_often_it_stands_there() -> None:
    few = [f"{number},,,,,,,,,,AB,,," for number in range(50)]
    many = [f"{number},,,,,,,,,,AB{number},,," for number in range(50)]
    bad = "99,,,,,,,,,,1A,,,"
    tried = sieve()
    for lines in (few, many, few, [*many, *few]):
        assert _doubtful(*lines, of=tried) == []
        assert _doubtful(*lines, bad, of=sieve()) == [len(lines) + 1]
    assert _doubtful(*few, bad, of=tried) == [51]


def test_lines_that_copy_counts_otherwise_are_not_taken_whole() -> None:
    blank = sieve().sift(block(*GOOD, "", GOOD[1]), 1, with_positions=False)
    broken_line = sieve().sift(block(*GOOD, '9,,,,,,,,,,,"two\nlines",,'), 1, with_positions=False)
    too_short = sieve().sift(block(*GOOD, "9,1"), 1, with_positions=False)
    assert blank is not None
    assert blank.clean != block(*GOOD, "", GOOD[1]).block
    assert broken_line is not None
    assert broken_line.count == 4
    assert too_short is not None
    assert [record.position for record in too_short.doubtful] == [4]


def test_after_bad_blocks_it_is_tried_less_and_less_often_and_a_good_one_is_found_again() -> None:
    tried = sieve()
    bad = block("9,501,,,,,,,,,,,,")
    for _ in range(40):
        assert tried.sift(bad, 1, with_positions=False) is not None
    assert tried._to_skip == 15
    for _ in range(16):
        sifted = tried.sift(block(*GOOD), 1, with_positions=False)
        assert sifted is not None
        assert not sifted.doubtful
    assert tried._to_skip == 0


def test_a_load_does_not_import_pandas() -> None:
    code = (
        "import sys; from tests.flow.loads.test_verdict import GOOD, block, sieve; found = sieve();"
        "found.sift(block(*GOOD, 'x'), 1, with_positions=True); print('pandas' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert told.stdout.strip() == "False"


def _doubtful(*lines: str, of: Sieve | None = None) -> list[int]:
    """Positions of the records that have to be looked at."""
    sifted = (of or sieve()).sift(block(*lines), 1, with_positions=False)
    assert sifted is not None
    return [record.position for record in sifted.doubtful]
