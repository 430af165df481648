"""The guardian of contracts against bare YAML parsing, on a domain of a thousand contracts.

Run with `python benchmarks/lint.py [contracts] [columns]`. The contracts are written into a temporary folder; each
refers to another one. Judged is the whole domain, from files to findings; parsing alone is libyaml's C loader over the
same texts, which is what nobody can be faster than. The best of three rounds counts. One wide contract, right and with
a mistake in each column, shows what a single file costs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from groundwork.contracts.lint import lint_files
from groundwork.contracts.read import read_domain

_ROUNDS = 3
_WIDE = 1_500  # columns of the one wide contract: PostgreSQL takes 1,600


def contract_text(number: int, count: int, columns: int) -> str:
    """A contract of one table with that many columns, the last of which refers to another contract's table."""
    return "".join(_lines(number, count, columns))


def _lines(number: int, count: int, columns: int) -> Iterator[str]:
    other = (number * 7 + 1) % count
    yield f"apiVersion: v3.2.0\nkind: DataContract\nid: wide-{number}\nname: Table {number}\nversion: 1.0.0\n"
    yield f"status: active\ndomain: wide\nteam: {{name: team-{number % 9}}}\nschema:\n  - name: table_{number}\n"
    yield "    physicalType: table\n    logicalType: object\n    description: Made for a measurement.\n"
    yield "    customProperties:\n      - property: indexes\n        value:\n"
    yield f"          - {{name: table_{number}_other_idx, columns: [other_id], reason: Serves the foreign key.}}\n"
    yield f"    properties:\n      - name: table_{number}_id\n"
    yield "        logicalType: integer\n        physicalType: bigint\n        primaryKey: true\n"
    yield "        primaryKeyPosition: 1\n        required: true\n        classification: internal\n"
    for column in range(columns - 2):
        yield f"      - name: column_{column}\n        logicalType: string\n        physicalType: varchar(40)\n"
        yield f"        required: true\n        classification: internal\n        description: What {column} holds.\n"
    yield "      - name: other_id\n        logicalType: integer\n        physicalType: bigint\n"
    yield f"        classification: internal\n        relationships: [{{to: table_{other}.table_{other}_id}}]\n"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main(count: int = 1_000, columns: int = 12) -> None:
    """Print contracts per second, and how often parsing alone fits into it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "wide"
        folder.mkdir()
        texts = [contract_text(number, count, columns) for number in range(count)]
        paths = [folder / f"table_{number:05}.odcs.yaml" for number in range(count)]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        found = lint_files(paths, domain="wide")
        if found:
            raise SystemExit(f"the contracts are not clean: {found[0]}")
        linted = _best(lambda: lint_files(paths, domain="wide"))
        read = _best(lambda: read_domain("wide", folder.parent))
        parsed = _best(lambda: [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts])
        _say(f"{count:,} contracts of {columns} columns, best of {_ROUNDS}")
        for what, seconds in (("validate-schema", linted), ("read_domain", read), ("YAML alone (libyaml)", parsed)):
            _say(f"{what:22} {seconds:6.2f} s {count / seconds:8,.0f} contracts/s {seconds / parsed:5.2f} times YAML")
        _wide(Path(name))


def _wide(folder: Path) -> None:
    path = folder / "one.odcs.yaml"
    for what, change in (("right", ("", "")), ("a mistake in each column", (": string", ": strng"))):
        path.write_text(contract_text(0, 1, _WIDE).replace("table_1", "table_0").replace(*change), encoding="utf-8")
        seconds = _best(lambda: lint_files([path]))
        _say(f"one contract of {_WIDE:,} columns, {what}: {seconds:.2f} s")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
