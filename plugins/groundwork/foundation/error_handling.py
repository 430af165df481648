"""The criterion `error_handling`: broken rows are found, kept apart with their reasons, and the rest loads.

A drill on the live system: good records of a real CSV source and broken copies of them, one per kind of defect, go
through the very same load into a copy of the table in a schema of its own. Afterwards schema, books and quarantine of
the drill are removed, and it is looked up that they are.
"""

# groundwork: allow-file direct_driver,own_session,raw_sql gates measure the live database, beside what they judge

from __future__ import annotations

import csv
import io
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Engine, func, literal_column, select, table, text

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.defects import Defect, csv_line, defects
from groundwork.flow.driver import driver_connection
from groundwork.flow.faults import database_faults
from groundwork.flow.ledger import LOAD, QUARANTINE, WATERMARK, forget_trials, quarantined
from groundwork.flow.loads.load import LoadResult, load_table
from groundwork.flow.source import declared_source, file_origin, file_source, fillable
from groundwork.flow.sources.origin import Origin
from groundwork.model.errors import ConfigError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation

_GOOD_ROWS = 200  # of the drill; the broken ones are made from further rows
_FILE = "drill.csv"
_FEWEST_KINDS = 6


@dataclass(frozen=True, kw_only=True)
class _Drill:
    """What was fed and what came of it."""

    table: TableContract
    good: int
    fed: Sequence[Defect]
    result: LoadResult
    in_table: int
    found: dict[int, list[dict[str, Any]]]
    left: dict[str, int]

    @property
    def missed(self) -> list[str]:
        """Kinds of defect that were not quarantined for the right reason."""
        return [
            defect.kind
            for position, defect in self._by_position()
            if not any(
                (reason["rule"], reason["column"]) == (defect.rule, defect.column)
                for reason in self.found.get(position, [])
            )
        ]

    @property
    def wronged(self) -> list[int]:
        """Positions of good records that were quarantined."""
        return sorted(set(self.found) - {position for position, _ in self._by_position()})

    @property
    def passed(self) -> bool:
        whole = self.result.is_balanced and self.result.loaded == self.good == self.in_table
        enough = len({defect.rule for defect in self.fed}) >= _FEWEST_KINDS
        return whole and enough and not self.missed and not self.wronged and not any(self.left.values())

    def details(self) -> dict[str, Any]:
        """JSON-ready, without values of rows."""
        return {
            "table": self.table.qualified_name,
            "good_records": self.good,
            "loaded": self.result.loaded,
            "rows_in_copy": self.in_table,
            "left_behind": self.left,
            "good_records_rejected": self.wronged,
            "defects": [
                {
                    "kind": defect.kind,
                    "expected": {"rule": defect.rule, "column": defect.column},
                    "found": [
                        {"rule": reason["rule"], "column": reason["column"]} for reason in self.found.get(position, [])
                    ],
                }
                for position, defect in self._by_position()
            ],
        }

    def _by_position(self) -> list[tuple[int, Defect]]:
        return [(2 * number, defect) for number, defect in enumerate(self.fed, 1)]


def error_handling(engine: Engine, domain: Domain, project: Path) -> CriterionResult:
    """Run the drill on the domain's CSV source whose table has the most columns.

    Raises: ConfigError when the domain has no CSV source; RetriableError when the connection is lost.
    """
    subject = _subject(domain)
    schema = f"groundwork_drill_{uuid.uuid4().hex[:12]}"
    with database_faults(schema):
        try:
            drill = _drill(engine, domain, subject, project, schema)
        finally:
            _clean(engine, schema)
        drill.left.update(_left(engine, schema))
    kinds = len(drill.fed)
    rules = len({defect.rule for defect in drill.fed})
    found = (
        f"{drill.result.quarantined} in quarantine, {kinds - len(drill.missed)} of {kinds} for the right reason; "
        f"{drill.in_table} of {drill.good} good rows loaded; {sum(drill.left.values())} things left behind"
    )
    return CriterionResult(
        criterion="error_handling",
        passed=drill.passed,
        expected=f"{kinds} records broken in {rules} ways (at least {_FEWEST_KINDS}), each quarantined for its reason; "
        f"all {drill.good} good rows loaded, nothing left behind",
        found=found,
        how_measured=f"good records of {drill.result.source} and broken copies of them, loaded by the load itself "
        f"into a copy of {subject.qualified_name} in a schema of its own",
        operation=Operation(project=domain.name, name="error handling", step=302, kind="monitoring"),
        likely_cause=None if drill.passed else _cause(drill),
        next_step=None if drill.passed else "compare `details.defects` with the checks of the contract",
        details=drill.details(),
    )


def _cause(drill: _Drill) -> str:
    if drill.missed:
        return f"not recognised: {', '.join(drill.missed)}"
    if drill.wronged:
        return f"good records were rejected at {', '.join(map(str, drill.wronged))}"
    if any(drill.left.values()):
        return f"the drill left something behind: {drill.left}"
    return "the source has too few records, or the contract too few rules, for a drill"


def _subject(domain: Domain) -> TableContract:
    files = [
        found
        for found in domain.tables
        if found.source and (found.source.get("kind"), found.source.get("format")) == ("file", "csv")
    ]
    if not files:
        raise ConfigError(
            "the drill needs a table that is loaded from CSV",
            where=f"domain {domain.name}",
            expected="a source of kind file and format csv",
            next_step="declare one, or leave the criterion out",
        )
    return max(files, key=lambda found: len(found.columns))


def _drill(engine: Engine, domain: Domain, subject: TableContract, project: Path, schema: str) -> _Drill:
    header, rows = _good_rows(subject, project)
    middle = min(_GOOD_ROWS, len(rows) // 2)
    good = rows[:middle]
    kinds = defects(domain, subject, header, rows[middle : 2 * middle], repeated=good[0]) if good else []
    with engine.begin() as connection:
        _copy_table(connection, subject, schema)
    with tempfile.TemporaryDirectory(prefix="groundwork-drill-") as folder:
        _write(Path(folder) / _FILE, subject, header, good, kinds)
        source = file_source(subject, Origin(project=Path(folder), path=_FILE))
        result = load_table(
            engine,
            domain,
            subject,
            project=project,
            run_id=schema,
            target_schema=schema,
            source_override=source,
            is_trial=True,
        )
    with engine.connect() as connection:
        found = {row["position"]: row["reasons"] for row in quarantined(connection, [result.load_id])}
        copy = table(subject.name, schema=schema)
        in_table = int(connection.scalar(select(func.count()).select_from(copy)) or 0)
    return _Drill(table=subject, good=len(good), fed=kinds, result=result, in_table=in_table, found=found, left={})


def _good_rows(subject: TableContract, project: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns in the order of the file and its first rows."""
    declared = declared_source(subject)
    names = declared.get("columns") or {column.name: column.name for column in fillable(subject)}
    column_of = {field: column for column, field in names.items()}
    with file_origin(subject, project).open() as stream:
        reader = csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        header = [column_of[field] for field in reader.fieldnames or () if field in column_of]
        rows = list(islice(reader, 2 * _GOOD_ROWS))
    return header, [{column_of[field]: value for field, value in row.items() if field in column_of} for row in rows]


def _write(
    path: Path, subject: TableContract, header: Sequence[str], good: Sequence[dict[str, str]], broken: Sequence[Defect]
) -> None:
    """Good and broken records in turn, so that a broken one has good neighbours on both sides."""
    fields = declared_source(subject).get("columns") or {name: name for name in header}
    with path.open("wb") as sink:
        sink.write((",".join(f'"{fields[name]}"' for name in header) + "\n").encode())
        for number, row in enumerate(good):
            sink.write(csv_line(header, row))
            if number < len(broken):
                sink.write(broken[number].line)


def _copy_table(connection: Connection, subject: TableContract, schema: str) -> None:
    with driver_connection(connection).cursor() as cursor:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        cursor.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                sql.Identifier(schema, subject.name), sql.Identifier(subject.schema, subject.name)
            )
        )


def _clean(engine: Engine, schema: str) -> None:
    with engine.begin() as connection:
        with driver_connection(connection).cursor() as cursor:
            cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
        if connection.scalar(select(func.to_regclass(LOAD.fullname))) is not None:
            forget_trials(connection, schema)


def _left(engine: Engine, schema: str) -> dict[str, int]:
    """What of the drill is still there, by kind of thing."""
    counts: dict[str, int] = {}
    with engine.connect() as connection:
        for ledger_table in (LOAD, QUARANTINE, WATERMARK):
            query = select(func.count()).where(ledger_table.c.schema_name == schema)
            counts[ledger_table.name] = int(connection.scalar(query) or 0)
        namespaces = select(func.count()).select_from(text("pg_namespace")).where(literal_column("nspname") == schema)
        counts["schema"] = int(connection.scalar(namespaces) or 0)
    return counts
