"""The guardian's tasks that look at contracts, executed on the shipped domain and on broken copies of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from groundwork.contracts.read import read_domain
from groundwork.model.errors import ConfigError
from groundwork.operators.guardian_contracts import ContractDiffOperator, ValidateSchemaOperator
from groundwork.store.contract_version import ContractVersions
from tests.operators.fix_guardian import Place

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_SIDE = "enum: [{value: buy}, {value: sell}]"


def _diff(**options: Any) -> ContractDiffOperator:
    return ContractDiffOperator(task_id="contract_diff", domain="market", **options)


def _git(project: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(("git", *identity, *arguments), cwd=project, check=True, capture_output=True)


def _record(place: Place) -> None:
    domain = read_domain("market", place.contracts.parent)
    ContractVersions(place.store).record(
        "market", "warehouse", [(one.id, one.version, one.path.name, one.document.data) for one in domain.contracts]
    )


def test_good_contracts_pass(place: Place) -> None:
    found = place.execute(ValidateSchemaOperator(task_id="validate_schema", domain="market"))
    assert found == {"errors": 0, "warnings": 0, "findings": []}
    assert place.summary("validate_schema")["is_failed"] is False


def test_a_mistake_fails_with_file_line_and_fix(place: Place) -> None:
    place.edit("trading.odcs.yaml", "physicalType: bigint", "physicalType: bigintt")
    operator = ValidateSchemaOperator(task_id="validate_schema", domain="market")
    with pytest.raises(AirflowFailException, match=r"(?s)trading\.odcs\.yaml:\d+:\d+: error .*bigintt.*fix:.*next: "):
        place.execute(operator)
    summary = place.summary("validate_schema")
    assert (summary["is_failed"], summary["errors"]) == (True, 1)
    operator.fail_on = "never"
    assert place.execute(operator)["findings"][0]["file"].endswith("trading.odcs.yaml")
    assert place.summary("validate_schema")["is_failed"] is False


def test_an_unknown_policy_and_an_unknown_domain_are_refused(place: Place) -> None:
    with pytest.raises(ConfigError, match="there is no such policy"):
        place.execute(ValidateSchemaOperator(task_id="v", domain="market", fail_on="sometimes"))
    with pytest.raises(ConfigError, match="nowhere"):
        place.execute(ValidateSchemaOperator(task_id="v", domain="nowhere"))


def test_nothing_recorded_is_no_difference(place: Place) -> None:
    found = place.execute(_diff(against="main"))
    assert found["contracts"] == []
    assert found["compared_with"] == "0 contracts as recorded for warehouse"


def test_without_a_repository_the_recorded_contracts_count(place: Place) -> None:
    _record(place)
    place.edit("trading.odcs.yaml", _SIDE, "enum: [{value: buy}]")
    with pytest.raises(AirflowFailException, match=r"(?s)recorded for warehouse.*set `version: "):
        place.execute(_diff(against="main"))
    assert place.summary("contract_diff")["errors"] == 1


def test_a_recorded_contract_that_is_gone_is_told(place: Place) -> None:
    _record(place)
    document = (place.contracts / "trading.odcs.yaml").rename(place.project / "kept.yaml")
    operator = _diff(fail_on="never")
    found = place.execute(operator)
    document.rename(place.contracts / "trading.odcs.yaml")
    assert found["is_announced"] is False
    assert place.execute(operator)["contracts"] == []


def test_in_a_repository_the_revision_counts(place: Place) -> None:
    _git(place.project, "init")
    _git(place.project, "add", "governance")
    _git(place.project, "commit", "-m", "contracts")
    assert place.execute(_diff(against="main"))["contracts"] == []
    place.edit("trading.odcs.yaml", _SIDE, "enum: [{value: buy}]")
    with pytest.raises(AirflowFailException, match=r"compared with main \([0-9a-f]{12}\): .*1 breaking"):
        place.execute(_diff(against="main"))
    with pytest.raises(ConfigError, match="names no commit"):
        place.execute(_diff(against="nowhere"))


def test_an_announced_change_is_a_finding_only(place: Place) -> None:
    _record(place)
    version = (
        read_domain("market", place.contracts.parent)
        .contract_of(read_domain("market", place.contracts.parent).table("orders"))
        .version
    )
    major = int(version.partition(".")[0]) + 1
    place.edit("trading.odcs.yaml", f"version: {version}", f"version: {major}.0.0")
    place.edit("trading.odcs.yaml", _SIDE, "enum: [{value: buy}]")
    assert place.execute(_diff())["is_announced"] is True
    with pytest.raises(AirflowFailException, match="1 breaking"):
        place.execute(_diff(fail_on="findings"))
