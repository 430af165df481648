"""Policies as code: what the files of `governance/policies/` say, as values.

One file per kind (`classification`, `masking`, `access`, `retention`), each with its version and the effect (`block` or
`warn`) of each of its rules. Every key is known here; an unknown or missing one is an error that names file and line.
Knows nothing of databases: other modules of this room carry the policies out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.contract import ColumnContract, RoleContract
from groundwork.governance.policy_file import PolicyFile, read_policy_files
from groundwork.model.errors import ConfigError
from groundwork.model.policy import Effect, Mask
from groundwork.model.vocabulary import Classification, PersonalData


@dataclass(frozen=True, kw_only=True)
class ClassificationPolicy:
    """How guarded each kind of personal data has to be; `blocking_confidence` is 0..1."""

    version: str
    effects: Mapping[str, Effect]
    demanded: Mapping[PersonalData, Classification]
    blocking_confidence: float


@dataclass(frozen=True, kw_only=True)
class MaskingPolicy:
    """Which mask hides what."""

    version: str
    effects: Mapping[str, Effect]
    by_personal_data: Mapping[PersonalData, Mask]
    by_classification: Mapping[Classification, Mask]


@dataclass(frozen=True, kw_only=True)
class RoleLimit:
    """What policy narrows about a contract's role; null leaves it as the contract says."""

    access: str | None = None
    clearance: Classification | None = None


@dataclass(frozen=True, kw_only=True)
class AccessPolicy:
    """Who may do what; `members` are database roles that may be members of a contract's role."""

    version: str
    effects: Mapping[str, Effect]
    unclassified_as: Classification
    revokes_unexpected: bool
    has_barrier: bool
    roles: Mapping[str, RoleLimit]
    members: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class LegalHold:
    """Rows of `table` (`schema.name`) must stay, whatever retention says; `since` is an ISO date."""

    table: str
    reason: str
    by: str
    since: str


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """What to do with rows past their retention: `delete` or `detach`."""

    version: str
    effects: Mapping[str, Effect]
    action: str
    legal_holds: tuple[LegalHold, ...]

    def hold(self, table: str) -> LegalHold | None:
        """The legal hold on `schema.table`, if there is one."""
        return next((hold for hold in self.legal_holds if hold.table == table), None)


@dataclass(frozen=True, kw_only=True)
class Policies:
    """All policies of one installation; `fingerprint` changes with any word of them."""

    classification: ClassificationPolicy
    masking: MaskingPolicy
    access: AccessPolicy
    retention: RetentionPolicy
    fingerprint: str

    def classification_of(self, column: ColumnContract) -> Classification:
        """How guarded a column is; one that declares nothing counts as the policy says."""
        return column.classification or self.access.unclassified_as

    def mask_of(self, column: ColumnContract) -> Mask:
        """The mask of a column: its own, else that of its personal data, else that of its classification.

        Raises: ConfigError when the contract names a mask nobody knows.
        """
        if column.masking is not None:
            return _declared_mask(column)
        if column.personal_data is not None:
            return self.masking.by_personal_data[column.personal_data]
        return self.masking.by_classification[self.classification_of(column)]

    def role(self, role: RoleContract) -> RoleContract:
        """The contract's role as policy narrows it.

        Raises: ConfigError when policy would widen it.
        """
        return _narrowed(role, self.access.roles.get(role.name, RoleLimit()))


def read_policies(folder: Path) -> Policies:
    """The policies in `folder/*.yaml`.

    Raises: ConfigError, naming file and line, when a kind is missing or twice there, a key is unknown or missing, or a
    value is not one of its words.
    """
    files = read_policy_files(folder)
    digest = hashlib.sha256(json.dumps([file.data for file in files.values()], sort_keys=True).encode())
    return Policies(
        classification=_classification(files["classification"]),
        masking=_masking(files["masking"]),
        access=_access(files["access"]),
        retention=_retention(files["retention"]),
        fingerprint=digest.hexdigest(),
    )


def _declared_mask(column: ColumnContract) -> Mask:
    try:
        return Mask(column.masking or "")
    except ValueError:
        raise ConfigError(
            f"the column `{column.name}` names a mask nobody knows",
            expected=", ".join(Mask),
            found=column.masking,
            next_step="correct the custom property `masking` in the contract",
        ) from None


def _narrowed(role: RoleContract, limit: RoleLimit) -> RoleContract:
    clearance = limit.clearance or role.clearance
    access = limit.access or role.access
    if clearance.rank > role.clearance.rank or (access == "write" and role.access != "write"):
        raise ConfigError(
            f"the access policy would widen the role `{role.name}`",
            expected=f"at most {role.access} up to {role.clearance}",
            found=f"{access} up to {clearance}",
            next_step="widen the role in its contract, or narrow the policy",
        )
    return dataclasses.replace(role, access=access, clearance=clearance)


def _classification(file: PolicyFile) -> ClassificationPolicy:
    confidence = file.data["blocking_confidence"]
    if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise file.error("a confidence is a number", "/blocking_confidence", expected="0 to 1", found=confidence)
    return ClassificationPolicy(
        version=file.version,
        effects=file.effects,
        demanded=file.complete("/personal_data", PersonalData, Classification),
        blocking_confidence=float(confidence),
    )


def _masking(file: PolicyFile) -> MaskingPolicy:
    return MaskingPolicy(
        version=file.version,
        effects=file.effects,
        by_personal_data=file.complete("/personal_data", PersonalData, Mask),
        by_classification=file.complete("/classification", Classification, Mask),
    )


def _access(file: PolicyFile) -> AccessPolicy:
    roles = {}
    for name, limit in file.mapping("/roles").items():
        pointer = f"/roles/{name}"
        entries = file.mapping(pointer, keys={"access", "clearance"}) if limit else {}
        roles[name] = RoleLimit(
            access=file.word(f"{pointer}/access", ("read", "write")) if "access" in entries else None,
            clearance=file.value(f"{pointer}/clearance", Classification) if "clearance" in entries else None,
        )
    return AccessPolicy(
        version=file.version,
        effects=file.effects,
        unclassified_as=file.value("/unclassified_as", Classification),
        revokes_unexpected=file.word("/unexpected_grants", ("report", "revoke")) == "revoke",
        has_barrier=file.switch("/security_barrier"),
        roles=roles,
        members={name: tuple(file.texts(f"/members/{name}")) for name in file.mapping("/members")},
    )


def _retention(file: PolicyFile) -> RetentionPolicy:
    holds = []
    for position in range(len(file.items("/legal_holds"))):
        pointer = f"/legal_holds/{position}"
        entry = file.mapping(pointer, keys=set(LegalHold.__dataclass_fields__), required=True)
        holds.append(LegalHold(**{key: str(value) for key, value in entry.items()}))
    return RetentionPolicy(
        version=file.version,
        effects=file.effects,
        action=file.word("/action", ("delete", "detach")),
        legal_holds=tuple(holds),
    )
