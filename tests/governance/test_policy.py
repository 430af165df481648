"""Policy files: read whole, refused with the place when wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from groundwork.contracts.contract import RoleContract
from groundwork.governance.policy import read_policies
from groundwork.model.errors import ConfigError
from groundwork.model.policy import Effect, Mask
from groundwork.model.vocabulary import Classification, PersonalData
from tests.governance.clinic import PROJECT, clinic, policies


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "governance" / "policies", tmp_path / "policies"))


def change(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")


def test_the_projects_policies_read() -> None:
    found = policies()
    assert found.masking.by_personal_data[PersonalData.EMAIL] is Mask.PARTIAL
    assert found.classification.effects["under_classified"] is Effect.BLOCK
    assert found.access.unclassified_as is Classification.RESTRICTED


def test_any_changed_word_changes_the_fingerprint(folder: Path) -> None:
    before = read_policies(folder).fingerprint
    change(folder, "masking.yaml", "email: partial", "email: hash")
    assert read_policies(folder).fingerprint != before


@pytest.mark.parametrize(
    ("file", "old", "new", "what", "line"),
    [
        ("masking.yaml", "  email: partial", "  e_mail: partial", "`e_mail` is not known", 10),
        ("masking.yaml", "  email: partial", "  email: blur", "not one of its words", 10),
        ("masking.yaml", 'date_of_birth: "null"', "date_of_birth: null", "not one of its words", 17),
        ("masking.yaml", "  iban: partial\n", "", "a key is missing", 8),
        ("access.yaml", "role_check: block", "role_check: explode", "not one of its words", 6),
        ("access.yaml", "roles: {}", "roles: {market_reader: {colour: red}}", "`colour` is not known", 14),
        ("access.yaml", "kind: access", "kind: acess", "not one of its words", 3),
        ("retention.yaml", "legal_holds: []", "legal_holds: [{table: a.b}]", "a key is missing", 9),
        ("retention.yaml", "action: delete", "action: delete\naction: detach", "not valid YAML", 9),
        ("classification.yaml", "blocking_confidence: 0.7", "blocking_confidence: 7", "a confidence is a number", 8),
    ],
)
def test_a_mistake_is_told_with_its_line(folder: Path, file: str, old: str, new: str, what: str, line: int) -> None:
    change(folder, file, old, new)
    with pytest.raises(ConfigError) as caught:
        read_policies(folder)
    assert what in str(caught.value)
    assert f"{file}:{line}:" in str(caught.value)


def test_a_missing_and_a_repeated_policy_are_told(folder: Path) -> None:
    (folder / "retention.yaml").rename(folder / "retention.txt")
    with pytest.raises(ConfigError, match="a policy is missing"):
        read_policies(folder)
    (folder / "again.yaml").write_text((folder / "access.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigError, match="declared twice"):
        read_policies(folder)


def test_policy_narrows_roles_and_never_widens_them(folder: Path) -> None:
    role = RoleContract(
        name="clinic_clerk", access="write", clearance=Classification.CONFIDENTIAL, description=None, pointer=""
    )
    change(folder, "access.yaml", "roles: {}", "roles: {clinic_clerk: {access: read, clearance: public}}")
    narrowed = read_policies(folder).role(role)
    assert (narrowed.access, narrowed.clearance) == ("read", Classification.PUBLIC)
    change(folder, "access.yaml", "clearance: public", "clearance: restricted")
    with pytest.raises(ConfigError, match="would widen"):
        read_policies(folder).role(role)


def test_the_mask_is_the_columns_own_then_its_kinds_then_its_classifications() -> None:
    patients = clinic().table("patients")
    found = policies()
    assert found.mask_of(patients.column("insurance_ref")) is Mask.HASH
    assert found.mask_of(patients.column("email")) is Mask.PARTIAL
    assert found.mask_of(patients.column("extra")) is Mask.NULL
    wrong = clinic(
        mask="property: masking, value: hash}]}\n      - {name: balance=>"
        "property: masking, value: blur}]}\n      - {name: balance"
    )
    with pytest.raises(ConfigError, match="names a mask nobody knows"):
        found.mask_of(wrong.table("patients").column("insurance_ref"))
