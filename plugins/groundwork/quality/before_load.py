"""The checkpoint before a load: suites of stage `before_load`, run on the rows that wait to be published.

What single records must hold to is checked while they stream, so it is not asked again here: these checks are about the
batch as a whole. Without a suite there is no checkpoint and no cost. Results go to the store as those of any stage,
before anything is published; a check that cannot be run has failed.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import Engine

from groundwork.flow.loads.waiting import Waiting
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import DataQualityError
from groundwork.model.vocabulary import CheckKind, Severity
from groundwork.quality import great_expectations as gx
from groundwork.quality.run import Stage
from groundwork.quality.table_check import run_table
from groundwork.quality.volume import with_bounds
from groundwork.store.quality import QualityResults

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BeforeLoadGate:
    """Lets a load pass, or stops it, by `checks` (of `suites_before_load`); it is a load's `before_publish`."""

    warehouse: Engine
    store: Engine
    domain: str
    checks: tuple[Check, ...]

    def __call__(self, waiting: Waiting) -> None:
        """Return when the rows may be published.

        Raises: DataQualityError when a check of severity error failed. ConfigError for an expectation that Great
        Expectations does not know; RetriableError when a connection is lost.
        """
        results = self._results(waiting)
        QualityResults(self.store).record_checks(waiting.run_id, self.domain, Stage.BEFORE_LOAD, results)
        for result in results:
            if not result.passed:
                _log.warning("%s: expected %s; %s", result.check.id, result.expected, result.observed)
        failed = [each for each in results if not each.passed and each.check.severity is Severity.ERROR]
        if failed:
            raise _refused(waiting, failed, len(results))

    def _results(self, waiting: Waiting) -> list[CheckResult]:
        checks = [with_bounds(check, waiting) for check in self.checks]
        with ExitStack() as stack:
            needs_library = any(check.kind is CheckKind.EXPECTATION for check in checks)  # its import takes seconds
            library = stack.enter_context(gx.great_expectations(self.warehouse.url)) if needs_library else None
            return run_table(
                waiting.connection,
                library,
                waiting.contract,
                checks,
                name=str(Stage.BEFORE_LOAD),
                relation=waiting.relation,
            )


def _refused(waiting: Waiting, failed: list[CheckResult], count: int) -> DataQualityError:
    name = f"{waiting.schema}.{waiting.contract.name}"
    told = "\n".join(f"  {each.check.id}: expected {each.expected}; {each.observed}" for each in failed)
    return DataQualityError(
        f"{len(failed)} of {count} checks before the load failed; nothing was published\n{told}",
        where=f"{name}, rows waiting in {'.'.join(waiting.relation)}",
        expected="every check of severity error holds",
        found=", ".join(each.check.id for each in failed),
        next_step="correct the source and load again; where the check is wrong, correct its suite in `expectations/` "
        "and load again: the waiting rows are kept, so that only the check is made anew",
    )
