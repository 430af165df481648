"""The tasks that write files: what contracts yield, and proposals; below the state folder, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from groundwork.model.errors import ConfigError
from groundwork.operators.contract_inference import InferContractOperator
from groundwork.operators.guardian_derive import DeriveOperator
from tests.operators.fix_guardian import Place

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]


def _derive(**options: Any) -> DeriveOperator:
    return DeriveOperator(task_id="derive", domain="market", **options)


def _infer(domain: str = "shop", **options: Any) -> InferContractOperator:
    return InferContractOperator(task_id="infer", domain=domain, **options)


def test_a_target_is_written(place: Place) -> None:
    found = place.execute(_derive(target="ddl", table="orders"))
    path = Path(found["file"])
    assert path == place.project.parent / "home" / "derived" / "market.orders.ddl.sql"
    assert "CREATE TABLE market.orders" in path.read_text(encoding="utf-8").replace('"', "")
    assert found["losses"] == len(found["lost"]) or found["losses"] > 200
    assert place.execute(_derive(target="ddl", table="orders"))["file"] == found["file"]  # a second try


@pytest.mark.parametrize("target", ["sqlalchemy", "json-schema", "dbt", "gx", "api"])
def test_each_target_can_be_written(place: Place, target: str) -> None:
    found = place.execute(_derive(target=target))
    assert Path(found["file"]).stat().st_size > 100


def test_a_loss_that_is_not_accepted_writes_nothing(place: Place) -> None:
    with pytest.raises(ConfigError, match="dbt cannot be told everything"):
        place.execute(_derive(target="dbt", may_lose=False))
    assert not (place.project.parent / "home" / "derived").exists()


def test_nothing_is_written_outside_of_the_state_folder(place: Place) -> None:
    for name in ("../project/governance/contracts/market/trading.odcs.yaml", "/etc/x", "."):
        with pytest.raises(ConfigError, match="below the project's state folder"):
            place.execute(_derive(target="ddl", file=name))
    with pytest.raises(ConfigError, match="this cannot be derived"):
        place.execute(_derive(target="cobol"))


def test_a_proposal_from_the_database_is_kept_beside_the_contracts(place: Place) -> None:
    with place.warehouse.begin() as connection:
        connection.execute(text("CREATE SCHEMA shop"))
        connection.execute(text("CREATE TABLE shop.orders (id bigint PRIMARY KEY, amount numeric(10,2) NOT NULL)"))
    found = place.execute(_infer(sources="shop.orders"))
    path = Path(found["files"][0])
    assert path.parent == place.project.parent / "home" / "proposals" / "shop"
    (table,) = yaml.safe_load(path.read_text(encoding="utf-8"))["schema"]
    assert [column["name"] for column in table["properties"]] == ["id", "amount"]
    assert not (place.contracts.parent / "shop").exists()
    assert place.execute(_infer(sources="shop.orders"))["files"] == [str(path)]  # a second try of the same run


def test_a_proposal_from_a_file_goes_into_the_contracts_when_asked(place: Place) -> None:
    (place.project / "orders.csv").write_text("id,amount\n1,2.50\n2,3.75\n", encoding="utf-8")
    assert place.execute(_infer(sources="ord*.csv"))["tables"] == 1
    found = place.execute(_infer(sources="orders.csv", into_contracts="True"))
    assert Path(found["files"][0]).parent == place.contracts.parent / "shop"
    assert found["tables"] == 1
    assert found["guesses"] > 0
    with pytest.raises(ConfigError):  # what is there is never overwritten
        place.execute(_infer(sources="orders.csv", into_contracts=True))


def test_what_cannot_be_inferred_from_is_refused(place: Place) -> None:
    with pytest.raises(ConfigError):
        place.execute(_infer(sources="nowhere"))
    with pytest.raises(ConfigError):
        place.execute(_infer(sources="nowhere.csv"))
    with pytest.raises(ConfigError):
        place.execute(_infer(sources=""))
