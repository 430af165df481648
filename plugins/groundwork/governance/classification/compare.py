"""Compares what detection says with what contracts declare, and takes people's decisions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from groundwork.contracts.contract import ColumnContract, Domain
from groundwork.governance.classification.names import name_pattern
from groundwork.model.detection import ClassificationComparison, ClassificationOverride, Detection
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification, PersonalData
from groundwork.store.audit import AuditTrail
from groundwork.store.classification import ClassificationResults


def compare_with_contract(domain: Domain, detections: Sequence[Detection]) -> list[ClassificationComparison]:
    """Agreement or difference per detected column, in the order of `detections`.

    They agree when contract and evidence name the same personal data and the contract protects it at least as much as
    the evidence demands; protecting more is no difference.
    """
    return [
        _compared(domain.table(f"{found.schema}.{found.table}").column(found.column), found) for found in detections
    ]


def _compared(column: ColumnContract, detection: Detection) -> ClassificationComparison:
    declared = column.classification
    is_under = declared is None or declared.rank < detection.classification.rank
    differences = []
    if declared is None:
        differences.append("the contract declares no classification")
    elif is_under:
        differences.append(f"declared {declared}, the evidence demands {detection.classification}")
    if column.personal_data is not detection.personal_data:
        differences.append(f"declared {_kind(column.personal_data)}, detected {_kind(detection.personal_data)}")
    return ClassificationComparison(
        detection=detection,
        declared_personal_data=column.personal_data,
        declared_classification=declared,
        difference="; ".join(differences) or None,
        is_under_classified=is_under,
        evidence=tuple(str(signal) for signal in detection.evidence),
    )


def _kind(personal_data: PersonalData | None) -> str:
    return f"personal data ({personal_data})" if personal_data else "no personal data"


def override(
    store: Engine,
    domain: Domain,
    *,
    table: str,
    column: str,
    personal_data: PersonalData | None,
    classification: Classification,
    reason: str,
    by: str,
) -> ClassificationOverride:
    """Keep a person's verdict on a column; from the next run on it counts for every column of a like name.

    Raises: ConfigError when the domain has no such column, or reason or person is empty.
    """
    contract = domain.table(table)
    contract.column(column)
    if not reason.strip() or not by.strip():
        raise ConfigError(
            "a decision needs a reason and a person",
            where=f"{contract.qualified_name}.{column}",
            expected="both filled",
            found=f"reason {reason!r}, by {by!r}",
        )
    decided = ClassificationOverride(
        table=contract.qualified_name,
        column=column,
        name_pattern=name_pattern(column),
        personal_data=personal_data,
        classification=classification,
        reason=reason.strip(),
        decided_by=by.strip(),
    )
    ClassificationResults(store).record_override(decided)
    AuditTrail(store).append(
        actor=decided.decided_by,
        action="classification_overridden",
        subject=f"{decided.table}.{column}",
        details={
            "name_pattern": decided.name_pattern,
            "personal_data": personal_data,
            "classification": classification,
            "reason": decided.reason,
        },
    )
    return decided
