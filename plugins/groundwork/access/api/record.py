"""What is kept of each request: writes and denials in the audit trail, reads as counts.

The same denial again within a minute is counted, not written, so that a client in a loop cannot fill the trail.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from groundwork.model.operation import Operation
from groundwork.store.api_key import ApiKey
from groundwork.store.api_usage import ApiUsage, Reads
from groundwork.store.audit import AuditTrail

_log = logging.getLogger(__name__)
_QUIET_SECONDS = 60.0
_MOST_DENIALS = 1000  # different denials remembered; more than that and the oldest are forgotten
_STEPS = {"row_created": 211, "row_updated": 212, "access_denied": 213, "write_undone": 214}


class AccessRecord:
    """Audit and counts of one running API; safe to use from several threads."""

    def __init__(self, audit: AuditTrail, usage: ApiUsage, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._usage = usage
        self._clock = clock
        self._lock = threading.Lock()
        self._reads: dict[tuple[str, str], Reads] = {}
        self._denials: dict[tuple[str | None, str, str], tuple[float, int]] = {}

    def wrote(self, key: ApiKey, action: str, domain: str, subject: str, details: Mapping[str, object]) -> None:
        """Append a write to the audit trail; raises when that is not possible, so that the write is undone."""
        operation = Operation(project=domain, name="data api", step=_STEPS[action], kind="apis")
        self._audit.append(
            actor=f"api:{key.key_id}",
            action=action,
            subject=subject,
            operation_id=operation.id,
            section=operation.section,
            details={"role": key.role, **details},
        )

    def denied(self, key: ApiKey | None, reason: str, subject: str) -> None:
        """Append a denied access, unless the same one was appended within the last minute."""
        who = key.key_id if key else None
        repeated = self._repeated((who, reason, subject))
        if repeated is None:
            return
        domain, step = subject.partition("/")[0], _STEPS["access_denied"]
        operation = Operation(project=domain, name="data api", step=step, kind="apis")
        details = {"reason": reason, "role": key.role if key else None, "not_written_before": repeated}
        try:
            self._audit.append(
                actor=f"api:{who or 'anonymous'}",
                action="access_denied",
                subject=subject,
                operation_id=operation.id,
                section=operation.section,
                details=details,
            )
        except SQLAlchemyError as error:  # the answer is "no" all the same
            _log.warning("a denied access could not be audited (%s): %s %s", type(error).__name__, who, reason)

    def read(self, key: ApiKey, subject: str, rows: int) -> None:
        """Count one read."""
        place = (key.key_id, subject)
        with self._lock:
            reads, total = self._reads.get(place, (0, 0))
            self._reads[place] = (reads + 1, total + rows)

    def flush(self) -> None:
        """Add the counts so far to the store; they are kept for the next time when it does not answer."""
        with self._lock:
            taken, self._reads = self._reads, {}
        try:
            self._usage.add(datetime.now(UTC).date(), taken)
        except Exception:
            with self._lock:
                for place, (reads, rows) in taken.items():
                    newer = self._reads.get(place, (0, 0))
                    self._reads[place] = (reads + newer[0], rows + newer[1])
            raise

    def _repeated(self, denial: tuple[str | None, str, str]) -> int | None:
        """How often this denial was swallowed since it was last written, or null when it is to be swallowed now."""
        now = self._clock()
        with self._lock:
            written_at, swallowed = self._denials.pop(denial, (-_QUIET_SECONDS, 0))
            is_due = now - written_at >= _QUIET_SECONDS
            self._denials[denial] = (now, 0) if is_due else (written_at, swallowed + 1)
            if len(self._denials) > _MOST_DENIALS:
                self._denials.pop(next(iter(self._denials)))
        return swallowed if is_due else None
