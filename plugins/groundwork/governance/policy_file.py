"""One policy file as checked data: which keys each kind of policy has, and the effects of its rules.

What the policies mean is `groundwork.governance.policy`. The kinds in `_OTHERS` lie in the same folder and are read by
the rooms that carry them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.checked_file import CheckedFile
from groundwork.contracts.document import read_document
from groundwork.model.errors import ConfigError
from groundwork.model.policy import Effect

_GENERAL = ("kind", "version", "effects")
_OTHERS = (
    "alarms",
    "alternatives",
    "authority",
    "backup",
    "breakers",
    "code",
    "escalation",
    "notifications",
    "remedies",
)
_KEYS = {
    "classification": ("blocking_confidence", "personal_data"),
    "masking": ("personal_data", "classification"),
    "access": ("unclassified_as", "unexpected_grants", "security_barrier", "roles", "members"),
    "retention": ("action", "legal_holds"),
}
KINDS = tuple(_KEYS)  # of policies that this room carries out
_RULES = {
    "classification": ("under_classified", "differs", "unclassified"),
    "masking": ("leak",),
    "access": ("role_check", "drift"),
    "retention": ("retention_measurable", "personal_data_retention", "overdue"),
}


def read_policy_files(folder: Path) -> dict[str, PolicyFile]:
    """The files of `folder/*.yaml` by kind, structure checked; raises ConfigError as `read_policies` tells."""
    files: dict[str, PolicyFile] = {}
    for path in sorted(folder.glob("*.yaml")):
        file = PolicyFile(document=read_document(path))
        kind = file.word("/kind", (*_KEYS, *_OTHERS))
        if kind in _OTHERS:
            continue
        if kind in files:
            raise file.error(
                f"the policy `{kind}` is declared twice", "/kind", expected="one file per kind", found=files[kind].path
            )
        file.check(kind)
        files[kind] = file
    missing = [kind for kind in _KEYS if kind not in files]
    if missing:
        raise ConfigError(
            "a policy is missing",
            where=str(folder),
            expected=", ".join(_KEYS),
            found=f"no {', '.join(missing)}",
            next_step=f"add {folder}/{missing[0]}.yaml with `kind: {missing[0]}`",
        )
    return files


@dataclass(frozen=True, kw_only=True)
class PolicyFile(CheckedFile):
    """A parsed policy file of this room."""

    @property
    def version(self) -> str:
        """The version the file gives itself."""
        return str(self.data["version"])

    @property
    def effects(self) -> dict[str, Effect]:
        """What each rule of this policy does when it fails."""
        return {rule: self.value(f"/effects/{rule}", Effect) for rule in self.mapping("/effects")}

    def check(self, kind: str) -> None:
        """Refuse unknown and missing keys of a policy of this kind."""
        self.check_keys("", self.data, {*_GENERAL, *_KEYS[kind]}, required=True)
        self.mapping("/effects", keys=set(_RULES[kind]), required=True)
