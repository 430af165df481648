"""Operators that hold rows to their contract, and save them: the command `validate-data` as tasks."""

# groundwork: allow-file own_session asks the live database for what the check needs to know

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException

from groundwork.model.errors import ConfigError
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import is_true

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.access.check import CheckOptions
    from groundwork.access.check_report import CheckReport, SaveReport
    from groundwork.access.check_source import Rows

_MAX_ERRORS = 100


class CheckRowsOperator(GroundworkOperator):
    """Check rows against their contract: types, rules, keys, references, conditions, each error with a fix.

    Rows come from a file or as they are. Nothing is written. As `groundwork validate-data TABLE FILE`.

    :param table: name of the table, with or without its schema (templated)
    :param path: a file of CSV, JSON, JSON lines or Parquet, from the project's folder (templated)
    :param rows: the rows themselves, as mappings from column to value, or such as JSON text (templated)
    :param file_format: `csv`, `json`, `jsonl` or `parquet`; empty to tell it by the suffix (templated)
    :param max_errors: errors that are kept; all are counted
    :param must_be_good: fail when anything is wrong, else say so in the result (templated)
    :param offline: leave the database out; the result says what was not checked (templated)
    """

    template_fields: Sequence[str] = (
        *GroundworkOperator.template_fields, "table", "path", "rows", "file_format", "must_be_good", "offline",
    )  # fmt: skip
    operation_kind: ClassVar[str] = "data"

    def __init__(
        self,
        *,
        table: str,
        path: str = "",
        rows: str | Sequence[Mapping[str, Any]] | None = None,
        file_format: str = "",
        max_errors: int = _MAX_ERRORS,
        must_be_good: object = True,
        offline: object = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.path = path
        self.rows = rows
        self.file_format = file_format
        self.max_errors = max_errors
        self.must_be_good = must_be_good
        self.offline = offline

    def run(self, context: Context) -> dict[str, Any]:
        """Return the report; fails for good when rows are wrong and have to be right."""
        from groundwork.access.check import check_rows

        domain = self.contracts
        source, options, is_offline = self._source(), self._options(), is_true(self.offline)
        with nullcontext() if is_offline else self.warehouse.connect() as connection:
            report = check_rows(connection, domain, domain.table(self.table), source, options)
        return self._told(report, is_good=report.is_good)

    def _told(self, report: CheckReport | SaveReport, *, is_good: bool) -> dict[str, Any]:
        self.log.log(20 if is_good else 30, "%s", report.to_text())
        if not is_good and is_true(self.must_be_good):
            raise AirflowFailException(report.to_text())
        found: dict[str, Any] = json.loads(json.dumps(report.to_json(), default=str))
        return found

    def _source(self) -> Rows:
        from groundwork.access.check_source import Stream

        if bool(self.path) == (self.rows is not None and self.rows != ""):
            raise ConfigError(
                "rows come from one place",
                where=f"task {self.task_id}",
                expected="`path` or `rows`",
                found="both" if self.path else "none",
            )
        if isinstance(self.rows, str) and self.rows:
            return Stream(file=io.BytesIO(self.rows.encode()), description=f"rows of the task {self.task_id}")
        if self.rows:
            return list(self.rows)
        path = self.settings.project / self.path
        if not path.is_file():
            raise ConfigError("there is no such file", where=str(path), expected="a file of rows", found="none")
        return path

    def _options(self) -> CheckOptions:
        from groundwork.access.check import CheckOptions
        from groundwork.access.check_source import FileFormat

        try:
            file_format = FileFormat(self.file_format.lower()) if self.file_format else None
        except ValueError as error:
            raise ConfigError(
                "there is no such format",
                where="file_format",
                expected=f"one of {', '.join(FileFormat)}",
                found=self.file_format,
            ) from error
        return CheckOptions(file_format=file_format, max_errors=self.max_errors)


class SaveRowsOperator(CheckRowsOperator):
    """Save rows through the repository when every one meets its contract: all of them, or none.

    As `groundwork validate-data TABLE FILE --save`; the audit trail names the Dag, the run and the task.

    :param mode: `insert`, or `upsert`: change rows whose primary key is there (templated)
    """

    template_fields: Sequence[str] = (*CheckRowsOperator.template_fields, "mode")

    def __init__(self, *, mode: str = "insert", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode = mode

    def run(self, context: Context) -> dict[str, Any]:
        """Return the report; fails for good when nothing was saved and rows have to be right."""
        from groundwork.access.check_report import SaveMode
        from groundwork.access.save import save_rows
        from groundwork.store.audit import AuditTrail

        if is_true(self.offline):
            raise ConfigError("rows cannot be saved without the database", where="offline", expected="false")
        try:
            mode = SaveMode(self.mode.lower())
        except ValueError as error:
            raise ConfigError(
                "there is no such mode", where="mode", expected=f"one of {', '.join(SaveMode)}", found=self.mode
            ) from error
        domain = self.contracts
        report = save_rows(
            self.warehouse,
            domain,
            domain.table(self.table),
            self._source(),
            actor=self.actor(context),
            trail=AuditTrail(self.store),
            mode=mode,
            options=self._options(),
        )
        return self._told(report, is_good=report.is_saved)
