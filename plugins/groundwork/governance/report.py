"""The report of a governance run: JSON-ready for machines, Markdown for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundwork.model.errors import DataQualityError
from groundwork.store.audit import ChainVerdict

_JUDGED = ("subject", "expected", "found", "next_step")


@dataclass(frozen=True, kw_only=True)
class GovernanceReport:
    """What a run found; `verdicts` are rows of `policy_verdict`, `steps` the summaries of the steps by name."""

    domain: str
    run_id: str
    policy_fingerprint: str
    steps: Mapping[str, Mapping[str, Any]]
    verdicts: tuple[Mapping[str, Any], ...]
    chain: ChainVerdict

    @property
    def blocking(self) -> tuple[Mapping[str, Any], ...]:
        """The failed verdicts that policy says must stop the pipeline."""
        return tuple(row for row in self.verdicts if not row["is_passed"] and row["effect"] == "block")

    @property
    def warnings(self) -> tuple[Mapping[str, Any], ...]:
        """The failed verdicts that policy says to warn of."""
        return tuple(row for row in self.verdicts if not row["is_passed"] and row["effect"] == "warn")

    @property
    def is_blocked(self) -> bool:
        """Whether a rule that blocks failed, or the audit trail was tampered with."""
        return bool(self.blocking) or not self.chain.is_intact

    def raise_if_blocked(self) -> None:
        """Raises: DataQualityError that names the first blocking verdict, or the broken audit trail."""
        if not self.chain.is_intact:
            raise DataQualityError(
                "the audit trail is broken",
                where=f"event {self.chain.broken_at}",
                expected="an unbroken chain",
                found=self.chain.reason,
                next_step="groundwork audit verify",
            )
        if self.blocking:
            first = self.blocking[0]
            raise DataQualityError(
                f"{len(self.blocking)} policy verdicts block; the first: {first['policy']}.{first['rule']}",
                where=first["subject"],
                expected=first["expected"],
                found=first["found"],
                next_step=first["next_step"],
            )

    def to_json(self) -> dict[str, object]:
        """JSON-ready form."""
        return {
            "domain": self.domain,
            "run_id": self.run_id,
            "policy_fingerprint": self.policy_fingerprint,
            "is_blocked": self.is_blocked,
            "verdicts": {
                "total": len(self.verdicts),
                "blocking": [_told(row) for row in self.blocking],
                "warnings": [_told(row) for row in self.warnings],
            },
            "audit": {
                "events": self.chain.events,
                "is_intact": self.chain.is_intact,
                "broken_at": self.chain.broken_at,
                "reason": self.chain.reason,
            },
            **self.steps,
        }

    def markdown(self) -> str:
        """The report for a person."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        state = "**blocked**" if self.is_blocked else "passed"
        yield f"# Governance of {self.domain}: {state}"
        yield ""
        yield f"Run `{self.run_id}`, policies `{self.policy_fingerprint[:12]}`."
        yield ""
        yield from self._overview()
        for title, rows in (("Blocking", self.blocking), ("Warnings", self.warnings)):
            if rows:
                yield ""
                yield f"## {title}"
                yield ""
                yield from _table(
                    ("policy", "subject", "expected", "found", "next step"),
                    [
                        (
                            f"{row['policy']}.{row['rule']}",
                            row["subject"],
                            row["expected"],
                            row["found"],
                            row["next_step"],
                        )
                        for row in rows
                    ],
                )
        yield from self._retention()

    def _overview(self) -> Iterator[str]:
        classify = self.steps.get("classify", {})
        access = self.steps.get("apply_access", {})
        verify = self.steps.get("verify_access", {})
        retention = self.steps.get("retention_dry_run", {})
        chain = "intact" if self.chain.is_intact else f"broken at event {self.chain.broken_at}: {self.chain.reason}"
        yield from _table(
            ("part", "result"),
            [
                ("classification", f"{classify.get('agreeing', 0)} of {classify.get('columns', 0)} columns agree"),
                ("personal data", ", ".join(classify.get("personal_data", ())) or "none found"),
                (
                    "access",
                    f"{len(access.get('views', ()))} masked views, {access.get('masked_columns', 0)} masked columns, "
                    f"{len(access.get('changes', ()))} changes",
                ),
                ("verified", f"{verify.get('passed', 0)} of {verify.get('checks', 0)} checks passed"),
                ("retention", f"{retention.get('rows_due', 0)} rows due (dry run, nothing deleted)"),
                ("audit trail", f"{self.chain.events} events, {chain}"),
            ],
        )

    def _retention(self) -> Iterator[str]:
        tables = self.steps.get("retention_dry_run", {}).get("tables", ())
        if not tables:
            return
        yield ""
        yield "## Retention (dry run)"
        yield ""
        yield from _table(
            ("table", "retention", "cut-off", "rows due", "oldest", "whole partitions", "held"),
            [
                (
                    row["table"],
                    row["declared"] or "none",
                    _date(row["cutoff_at"]),
                    "unknown" if row["rows_due"] is None else f"{row['rows_due']} of {row['rows']}",
                    _date(row["oldest_at"]),
                    ", ".join(row["detachable"]) or "none",
                    row["held_because"] or "no",
                )
                for row in tables
            ],
        )


def _told(row: Mapping[str, Any]) -> dict[str, object]:
    return {key: row[key] for key in ("policy", "rule", *_JUDGED)}


def _date(moment: str | None) -> str:
    return moment[:10] if moment else "none"


def _table(header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(value: object) -> str:
    """A value that cannot break out of its cell."""
    return str("" if value is None else value).replace("|", "\\|").replace("\n", " ")
